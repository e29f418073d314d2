"""The command line's options, built from their declarations: `study.option`, and the dataclasses that use it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, TypeVar

from study.app.settings import MachineOptions, Settings, VariantOptions, terms_of
from study.corpus.labels import PRESETS
from study.corpus.options import CorpusOptions
from study.errors import UserError
from study.features.options import FeatureOptions
from study.option import Option, options_of
from study.protocols import PROTOCOLS
from study.record.terms import Terms
from study.samplers import SAMPLERS
from study.search.policies import POLICIES

Group = TypeVar("Group")

# The tables whose keys are the allowed values of an option.
TABLES: dict[str, Mapping[str, object]] = {
    "labels": PRESETS,
    "policies": POLICIES,
    "protocols": PROTOCOLS,
    "samplers": SAMPLERS,
}
GROUPS: dict[str, tuple[type, ...]] = {
    "what is studied": (VariantOptions, CorpusOptions),
    "how it is searched, and for how long": (Terms,),
    "features": (FeatureOptions,),
    "where": (MachineOptions,),
}


def add_study_options(parser: argparse.ArgumentParser) -> None:
    """Add every option of a study, in titled groups."""
    for title, declared in GROUPS.items():
        group = parser.add_argument_group(title)
        for each in declared:
            add_options(group, each)


def add_feature_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a study that its features depend on."""
    for declared in (VariantOptions, CorpusOptions, FeatureOptions):
        add_options(parser, declared)
    add_options(parser, MachineOptions, only=("output",))


def add_options(parser: argparse._ActionsContainer, declared: type, only: tuple[str, ...] = ()) -> None:
    """Add the options that a dataclass declares, or `only` those of these fields."""
    for name, option in options_of(declared).items():
        if only and name not in only:
            continue
        if option.metavar:
            parser.add_argument(option.flag, dest=name, metavar=option.metavar, help=_help(option))
        else:
            parser.add_argument(option.flag, dest=name, action="store_true", default=None, help=_help(option))


def described_samplers() -> str:
    """The values of --sampler, a line for each."""
    return "samplers:\n" + "".join(f"  {name:<11} {row.description}\n" for name, row in SAMPLERS.items())


def settings_of(parsed: argparse.Namespace) -> Settings:
    """The settings that parsed arguments stand for.

    Raises:
        UserError: a value breaks its law.
    """
    variants = group_of(VariantOptions, parsed).variants
    corpus = group_of(CorpusOptions, parsed)
    terms = terms_of(given_of(Terms, parsed), corpus.is_demo, len(variants))
    SAMPLERS[terms.sampler].check()
    features = group_of(FeatureOptions, parsed)
    return Settings(variants, corpus, terms, features, group_of(MachineOptions, parsed))


def group_of(declared: type[Group], parsed: argparse.Namespace) -> Group:
    """The dataclass `declared` with the values that were typed, and its defaults for the others.

    Raises:
        UserError: a value breaks its law.
    """
    return declared(**given_of(declared, parsed))


def given_of(declared: type, parsed: argparse.Namespace) -> dict[str, Any]:
    """The values that were typed, by field of `declared`.

    Raises:
        UserError: a value breaks its law.
    """
    found = {}
    for name, option in options_of(declared).items():
        text = getattr(parsed, name, None)
        if text is None:
            continue
        found[name] = _of_table(option, text) if option.table else option.value(text) if option.metavar else text
    return found


def _of_table(option: Option, text: str) -> str:
    allowed = TABLES[option.table]
    if text not in allowed:
        raise UserError(f"{option.flag} expects one of {', '.join(allowed)}; found {text!r}")
    return text


def _help(option: Option) -> str:
    allowed = f"{{{','.join(TABLES[option.table])}}} " if option.table else ""
    return (allowed + option.help).replace("%", "%%")
