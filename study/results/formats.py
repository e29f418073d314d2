"""How figures are printed: the same in tables, pages and pictures."""

from collections.abc import Mapping
from typing import Any

NOTHING = "–"


def format_spread(spread: Mapping[str, float]) -> str:
    """Mean and standard deviation the way the field prints them, ".512 ± .014"."""
    return f"{format_score(spread['mean'])} ± {format_score(spread['std'])}"


def format_score(score: float | None) -> str:
    """A score or probability without its leading zero, ".512"; a dash for None."""
    return NOTHING if score is None else f"{score:.3f}".removeprefix("0")


def format_difference(difference: float | None) -> str:
    """A difference of scores with its sign, "+.012"; a dash for None."""
    if difference is None:
        return NOTHING
    return ("−" if difference < 0 else "+") + format_score(abs(difference))


def format_p(p: float | None) -> str:
    """A p value, "< .001" where three digits would print it as none; a dash for None."""
    return "< .001" if p is not None and p < 0.0005 else format_score(p)


def format_value(value: Any) -> str:
    """A parameter's value, short."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def format_duration(seconds: float) -> str:
    """Seconds in the unit that reads best, "404 s", "12 min", "3.4 h"."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
