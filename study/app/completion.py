"""Scripts with which shells complete verbs, options, files and the names of studies; written by shtab."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import shtab

from study.app.options import EVERY_OPTION
from study.app.parsing import allowed_in
from study.option import options_of

# Those in the usual output folder: a script cannot read --output.
STUDIES = shtab.cmd("ls mlruns/studies 2>/dev/null")
FILES = {"--config", "--log-file", "--corpus", "--label-map", "--audio-features", "--text-features"}


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for a shell ("bash", "zsh" or "fish") that completes what `parser` reads."""
    options = {option.flag: option for declared in EVERY_OPTION for option in options_of(declared).values()}
    for action in _actions(parser):
        option = next((options[flag] for flag in action.option_strings if flag in options), None)
        if action.dest in ("study", "other", "warm_start"):
            action.complete = STUDIES  # type: ignore[attr-defined]
        elif action.dest == "corpus" or (option is not None and option.flag in FILES):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif option is not None and option.is_path:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif option is not None and option.table:
            action.choices = list(allowed_in(option.table))
    return str(shtab.complete(parser, shell=shell))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument of a parser and of its verbs."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _actions(verb)
