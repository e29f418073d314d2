"""One declaration for each option of the command line, beside the field that holds its value.

The parser, its help, the check of a value, the comparison when a study goes on and the report's list of terms all
read these declarations.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

from study.errors import UserError

NAME_BYTES = 200  # file systems take 255
UNITS_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Option:
    """How a field is given on the command line.

    Attributes:
        flag: for example "--epochs".
        help: one line of `--help`, the default in brackets at its end.
        metavar: what stands for the value in `--help`; empty for a switch.
        read: turns the typed text into the value; a ValueError means that the text breaks `law`.
        law: what a value must be, for the error line: "--epochs expects 1 to 50; found 90".
        holds: whether a value that could be read keeps `law`.
        table: names the table whose keys are the allowed values ("policies", "samplers", ...); empty for none.
        change: whether a study that goes on may be given another value: never, a larger one, or any.
        is_path: whether the value is a place in the file system: in a config file, relative to that file.
        has_kind: whether a path may follow its kind, as in "meld:PATH".
        is_lasting: whether a config file may hold it; not what concerns one command alone.
    """

    flag: str
    help: str
    metavar: str = ""
    read: Callable[[str], Any] = str
    law: str = ""
    holds: Callable[[Any], bool] = lambda value: True
    table: str = ""
    change: Literal["never", "grows", "any"] = "any"
    is_path: bool = False
    has_kind: bool = False
    is_lasting: bool = True

    @property
    def name(self) -> str:
        """The flag without its dashes: the key of the option in a config file."""
        return self.flag.removeprefix("--")

    def value(self, text: str) -> Any:
        """The value of what was typed.

        Raises:
            UserError: it breaks the law.
        """
        try:
            value = self.read(text)
        except ValueError:
            raise UserError(f"{self.flag} expects {self.law}; found {text!r}") from None
        self.check(value)
        return value

    def text(self, value: Any) -> str:
        """What is typed for a value: `option.value(option.text(value)) == value`."""
        if isinstance(value, tuple):
            return ",".join(map(self.text, value))
        if self.read is duration:
            return f"{_plain(value)}s"
        return _plain(value) if isinstance(value, float) else str(value)

    def check(self, value: Any) -> None:
        """Make sure that a value, typed or by default, keeps the law; None stands for an option left out.

        What takes several values takes each once, as a value that is there twice may be a slip for another one.

        Raises:
            UserError: it does not.
        """
        if isinstance(value, tuple):
            self.check_each_once(map(self.text, value))
        if value is not None and not self.holds(value):
            raise UserError(f"{self.flag} expects {self.law}; found {self.text(value)}")

    def check_each_once(self, texts: Iterable[str]) -> None:
        """Make sure that none of several values, as they are typed, is there twice.

        Raises:
            UserError: one is.
        """
        text, times = max(Counter(texts).items(), key=lambda found: found[1], default=("", 0))
        if times > 1:
            raise UserError(f"{self.flag} expects each value once; found {text} {times} times, leave the others out")


def option(flag: str, help: str, *, default: Any = MISSING, **more: Any) -> Any:
    """A dataclass field that is an option; the arguments are those of `Option`."""
    return field(default=default, metadata={"option": Option(flag, help, **more)})


def options_of(group: type) -> dict[str, Option]:
    """The options that a dataclass declares, by field name, in their order."""
    return {each.name: each.metadata["option"] for each in fields(group) if "option" in each.metadata}


def duration(text: str) -> float:
    """Seconds of "90m", "2h" or "1h30m".

    Raises:
        ValueError: it is no such text.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text.lower())
    seconds = sum(float(number) * UNITS_SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text.lower() or not seconds:
        raise ValueError(text)
    return seconds


def is_name(text: str) -> bool:
    """Whether a text can name a study, its folder, and the hidden files beside that."""
    fits = 0 < len(text.encode(errors="replace")) <= NAME_BYTES
    return fits and not text.startswith(".") and all(c.isalnum() or c in "-_.+" for c in text)


def _plain(number: float) -> str:
    """A number as people write it, without loss: "50", "0.5"."""
    return str(int(number)) if float(number).is_integer() else str(number)
