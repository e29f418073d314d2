"""How figures are printed: the same in tables, pages and pictures."""

from collections.abc import Mapping
from typing import Any

NOTHING = "–"


def format_spread(spread: Mapping[str, float]) -> str:
    """Mean and standard deviation the way the field prints them, ".512 ± .014"."""
    return f"{format_score(spread['mean'])} ± {format_score(spread['std'])}"


def format_score(score: float | None, digits: int = 3) -> str:
    """A score or probability without its leading zero, ".512"; a dash for None."""
    return (
        NOTHING
        if score is None
        else f"{score:.{digits}f}".replace("0.", ".", 1)
        if abs(score) < 1
        else f"{score:.{digits}f}"
    )


def format_difference(difference: float | None) -> str:
    """A difference of scores with its sign, "+.012"; a dash for None."""
    if difference is None:
        return NOTHING
    sign = "-" if difference < 0 else "+"
    return sign.replace("-", "−") + format_score(abs(difference))


def format_value(value: Any) -> str:
    """A parameter's value, short."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def format_duration(seconds: float) -> str:
    """Seconds in the unit that reads best, "404 s", "12 min", "3.4 h"."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
