"""How figures are printed: alike in tables, pages and pictures."""

from __future__ import annotations

import math
from typing import Any, Protocol

from study.option import Option, duration

NOTHING = "–"


class Spreading(Protocol):
    """What has a mean and a standard deviation."""

    @property
    def mean(self) -> float:
        """The mean."""

    @property
    def std(self) -> float:
        """The standard deviation."""


def format_spread(spread: Spreading) -> str:
    """Mean and standard deviation the way the field prints them, ".512 ± .014"; without one, the mean alone."""
    mean = format_score(spread.mean)
    return mean if math.isnan(spread.std) else f"{mean} ± {format_score(spread.std)}"


def capitalise(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def format_score(score: float | None) -> str:
    """A score or probability without its leading zero, ".512"; a dash for None and nan."""
    if score is None or math.isnan(score):
        return NOTHING
    return f"{score:.3f}".removeprefix("0")


def format_difference(difference: float | None) -> str:
    """A difference of scores with its sign, "+.012"; a dash for None and nan."""
    if difference is None or math.isnan(difference):
        return NOTHING
    return ("−" if difference < 0 else "+") + format_score(abs(difference))


def format_interval(low: float | None, high: float | None) -> str:
    """The ends of an interval of a difference, "−.034 to +.015"; a dash where it is not defined."""
    ends = format_difference(low), format_difference(high)
    return NOTHING if NOTHING in ends else " to ".join(ends)


def format_range(low: float | None, high: float | None) -> str:
    """The ends of an interval of a score, ".412 to .531"; a dash where it is not defined."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return NOTHING
    return f"{format_score(low)} to {format_score(high)}"


def format_size(n: int | None) -> str:
    """A number of parameters, "950", "41 k", "1.2 M"; a dash for None."""
    if n is None:
        return NOTHING
    return str(n) if n < 1000 else f"{n / 1e3:.0f} k" if n < 1e6 else f"{n / 1e6:.1f} M"


def format_epoch_seconds(seconds: float | None) -> str:
    """The seconds that an epoch takes, "0.034 s", "1.3 s", "41 s"; a dash for None."""
    return NOTHING if seconds is None else f"{seconds:.2g} s" if seconds < 100 else format_duration(seconds)


def format_p(p: float | None) -> str:
    """A p value, "< .001" where three digits would print it as 0; a dash for None."""
    return "< .001" if p is not None and p < 0.0005 else format_score(p)


def format_percent(share: float | None) -> str:
    """A share in percent, "56 %"; a dash for None and nan."""
    return NOTHING if share is None or math.isnan(share) else f"{100 * share:.0f} %"


def format_value(value: Any) -> str:
    """A parameter's value, short."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def format_duration(seconds: float) -> str:
    """Seconds in the unit that reads best, "404 s", "12 min", "3.4 h"."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def format_age(seconds: float) -> str:
    """How long ago something was, in the largest whole unit, "now", "5 min ago", "3 d ago"."""
    for name, unit in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} ago"
    return "now"


def format_bytes(size: float) -> str:
    """A size on disk, "300 kB", "12 MB", "3.4 GB"."""
    return f"{size / 1e3:.0f} kB" if size < 1e6 else f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def format_term(option: Option, value: Any) -> str:
    """The value of a term of the study, by what its option reads."""
    if value is None:
        return NOTHING
    if option.read is duration:
        return format_duration(value)
    return option.text(value) if isinstance(value, tuple) else format_value(value)
