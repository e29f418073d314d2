"""Options in a YAML file: the same names and texts as on the command line, and what is typed there counts more.

The file is composed into nodes and never constructed, so that it is data whatever its tags say, and a value is the text
that a reader sees: 1h30m, 012 and yes are not turned into something else.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from study.app.parsing import value_of
from study.errors import UserError, first_line
from study.option import Option, options_of
from study.several_paths import absolute, paths_of

SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
NO_VALUE = ("", "~", "null")


@dataclass(frozen=True)
class _Entry:
    """A line of the file: its key, its value as text, and where it is in words."""

    key: str
    text: str
    where: str


def add_from_file(parsed: argparse.Namespace, path: Path, groups: Iterable[type]) -> None:
    """Give the options of `groups` that were not typed the values that the file at `path` has for them.

    Raises:
        UserError: the file cannot be read, or one of its keys or values is wrong; the line names file, line and key.
    """
    options = {option.name: (field, option) for declared in groups for field, option in options_of(declared).items()}
    for entry in _entries(path):
        if entry.key not in options:
            near = difflib.get_close_matches(entry.key, options, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; see `ser-study run --help`"
            raise UserError(f"a config file has options by their names, and {entry.where} is none of them{hint}")
        field, option = options[entry.key]
        value = _value(option, entry, path)
        if getattr(parsed, field, None) is None:
            setattr(parsed, field, value)


def _value(option: Option, entry: _Entry, path: Path) -> str | bool | None:
    """What would be typed for an entry, after making sure that it keeps the option's law."""
    if not option.is_lasting:
        raise UserError(f"{entry.where} concerns one command; type {option.flag} there, and leave it out of the file")
    if entry.text.lower() in NO_VALUE:
        raise UserError(f"{entry.where} has no value; give it one, or remove the line")
    if not option.metavar:
        if entry.text.lower() not in SWITCH:
            raise UserError(f"{entry.where} expects true or false; found {entry.text!r}")
        return SWITCH[entry.text.lower()] or None
    text = entry.text
    if option.is_path:
        base = path.absolute().parent
        text = ",".join(absolute(option, str(each), base) for each in paths_of(option, text, base))
    try:
        value_of(option, text)
    except UserError as error:
        raise UserError(f"{entry.where}: {error}") from None
    return text


def _entries(path: Path) -> Iterator[_Entry]:
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        hint = "; the number of configurations is --configs" if path.name.isdigit() else ""
        raise UserError(
            f"--config expects a YAML file of options; {path} cannot be read ({error.strerror}){hint}"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"--config expects a YAML file of options; {_fault(path, error)}") from None
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"--config expects lines such as `epochs: 12`; {path} line {_line(root)} is none")
    seen: set[str] = set()
    for key, value in root.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "a list"
        where = f"{name!r} in {path} line {_line(key)}"
        if name in seen:
            raise UserError(f"{where} is there a second time; remove one of the two")
        seen.add(name)
        yield _Entry(name, _text(value, where), where)


def _text(node: yaml.Node, where: str) -> str:
    """The value's text; of a list, its parts with commas between, as several values are typed."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not all(isinstance(part, yaml.ScalarNode) for part in parts):
        raise UserError(f"{where} expects one value, or a list of values; found a group of lines")
    return ",".join(part.value for part in parts)


def _fault(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    found = getattr(error, "problem", None) or first_line(error)
    return f"{path}{f' line {mark.line + 1}' if mark else ''} is no YAML ({found})"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
