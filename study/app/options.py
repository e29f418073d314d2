"""The options of a study in their groups, and the settings that they stand for."""

from __future__ import annotations

import argparse
from itertools import chain
from pathlib import Path

from search_spaces.losses import LOSS_PARTS
from study.app.parsing import add_options, given_of, group_of
from study.app.place import ConfigOptions, PrintOptions
from study.app.settings import MachineOptions, Settings, VariantOptions, terms_of
from study.corpus.options import CorpusOptions
from study.errors import UserError
from study.features.options import FeatureOptions
from study.modalities import MODALITIES
from study.option import options_of
from study.record.terms import Terms
from study.samplers import SAMPLERS
from study.several_paths import absolute, paths_of
from study.variants import VARIANTS

GROUPS: dict[str, tuple[type, ...]] = {
    "what is studied": (VariantOptions, CorpusOptions),
    "how it is searched, and for how long": (Terms,),
    "features": (FeatureOptions,),
    "where": (MachineOptions, ConfigOptions),
}
# What `run` has besides.
PRINTED = "what is printed"
EVERY_OPTION: tuple[type, ...] = (*chain.from_iterable(GROUPS.values()), PrintOptions)


def add_study_options(parser: argparse.ArgumentParser) -> None:
    """Add every option of a study, in titled groups."""
    for title, declared in GROUPS.items():
        group = parser.add_argument_group(title)
        for each in declared:
            add_options(group, each)


def add_print_options(parser: argparse.ArgumentParser) -> None:
    """Add the options about what is printed."""
    add_options(parser.add_argument_group(PRINTED), PrintOptions)


def add_feature_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a study that its features depend on."""
    for declared in (VariantOptions, CorpusOptions, FeatureOptions, ConfigOptions):
        add_options(parser, declared)
    add_options(parser, MachineOptions, only=("output", "address"))


def described_samplers() -> str:
    """The values of --sampler, a line for each."""
    return "samplers:\n" + "".join(f"  {name:<11} {row.description}\n" for name, row in SAMPLERS.items())


def described_losses() -> str:
    """The parts of --losses, a line for each."""
    return "losses:\n" + "".join(f"  {name:<15} {part.description}\n" for name, part in LOSS_PARTS.items())


def typed_options(parsed: argparse.Namespace, *more: type) -> list[str]:
    """The options of a study, and of `more` groups, as they would be typed anywhere: paths absolute.

    Those of a config file are among them.
    """
    typed: list[str] = []
    for declared in (*chain.from_iterable(GROUPS.values()), *more):
        for field, option in options_of(declared).items():
            text = getattr(parsed, field, None)
            if text is None or declared is ConfigOptions:
                continue
            typed.append(option.flag)
            if option.metavar:
                paths = (absolute(option, str(each)) for each in paths_of(option, text, Path()))
                typed.append(",".join(paths) if option.is_path else text)
    return typed


def settings_of(parsed: argparse.Namespace) -> Settings:
    """The settings that parsed arguments stand for.

    Raises:
        UserError: a value breaks its law.
    """
    variants = group_of(VariantOptions, parsed).variants
    corpus = group_of(CorpusOptions, parsed)
    terms = terms_of(given_of(Terms, parsed), corpus.is_demo, len(variants))
    if terms.modality_dropout and not any(len(VARIANTS[name].inputs) > 1 for name in variants):
        raise UserError(
            f"--modality-dropout is for variants of several modalities, and {', '.join(variants)} has one; leave it out"
        )
    SAMPLERS[terms.sampler].check()
    features = group_of(FeatureOptions, parsed)
    features.check(MODALITIES)
    return Settings(variants, corpus, terms, features, group_of(MachineOptions, parsed))
