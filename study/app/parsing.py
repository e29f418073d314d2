"""From declared options to the parser's, and from what was typed to values. Imports nothing heavy by itself."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, TypeVar

from study.errors import UserError
from study.option import Option, options_of

Group = TypeVar("Group")


def add_options(parser: argparse._ActionsContainer, declared: type, only: tuple[str, ...] = ()) -> None:
    """Add the options that a dataclass declares, or `only` those of these fields."""
    for name, option in options_of(declared).items():
        if only and name not in only:
            continue
        if option.metavar:
            parser.add_argument(option.flag, dest=name, metavar=option.metavar, help=_help(option))
        else:
            parser.add_argument(option.flag, dest=name, action="store_true", default=None, help=_help(option))


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
    texts = {name: getattr(parsed, name, None) for name in options_of(declared)}
    return {
        name: value_of(option, texts[name]) for name, option in options_of(declared).items() if texts[name] is not None
    }


def value_of(option: Option, text: Any) -> Any:
    """The value of what was typed; that of a switch is whether it was.

    Raises:
        UserError: it breaks the option's law.
    """
    if option.table:
        allowed = allowed_in(option.table)
        if text not in allowed:
            raise UserError(f"{option.flag} expects one of {', '.join(allowed)}; found {text!r}")
        return text
    return option.value(text) if option.metavar else text


def allowed_in(table: str) -> Mapping[str, object]:
    """The table whose keys are the allowed values of an option that names it."""
    # Here because verbs that only look at studies have no such option, and need not wait for the tables.
    from study.corpus.labels import PRESETS
    from study.features.elsewhere.table import FORMS
    from study.protocols import PROTOCOLS
    from study.record.epoch_rule import EPOCH_RULES
    from study.samplers import SAMPLERS
    from study.search.policies import POLICIES

    tables: Mapping[str, Mapping[str, object]] = {
        "epoch rules": EPOCH_RULES,
        "forms": FORMS,
        "labels": PRESETS,
        "policies": POLICIES,
        "protocols": PROTOCOLS,
        "samplers": SAMPLERS,
    }
    return tables[table]


def _help(option: Option) -> str:
    allowed = f"{{{','.join(allowed_in(option.table))}}} " if option.table else ""
    return (allowed + option.help).replace("%", "%%")
