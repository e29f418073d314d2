"""A comparison in words: one sentence that a reader can use."""

from __future__ import annotations

import math

from study.record.search_variance import FEWEST_CONFIGS
from study.report.formats import format_interval, format_p, format_score
from study.report.significance import Comparison, is_confirmed

EQUAL_ENOUGH = 0.95


def decision(comparison: Comparison) -> str:
    """What is decided, in few words."""
    if comparison.too_few is not None:
        return "too few configurations" if comparison.too_few < FEWEST_CONFIGS else "too few complete"
    if math.isnan(comparison.error):
        return "no spread"
    return "confirmed" if is_confirmed(comparison) else "not confirmed"


def sentence(comparison: Comparison) -> str:
    """The difference with its interval, whether it is confirmed, and if not, what the study could have shown.

    "Not confirmed" is not "equal"; that they are equal in practice is added where it is probable.
    """
    low, high = comparison.interval.low, comparison.interval.high
    text = difference_in_words(comparison.first, comparison.second, comparison.mean, low, high)
    if comparison.n_searches:
        text += f" over {comparison.n_searches} whole searches of each"
    return f"{text}; {_verdict(comparison)}"


def difference_in_words(one: str, other: str, mean: float, low: float, high: float) -> str:
    """Which system leads by how much, with the ends of the interval where they are defined."""
    by, verb = format_score(abs(mean)), "leads" if mean > 0 else "trails"
    text = f"{one} and {other} score alike" if by == ".000" else f"{one} {verb} {other} by {by}"
    return text if math.isnan(low) else f"{text} ({format_interval(low, high)})"


def _verdict(comparison: Comparison) -> str:
    """The second half of the sentence."""
    match decision(comparison):
        case "too few configurations":
            return f"too few configurations for a verdict ({comparison.too_few}; at least {FEWEST_CONFIGS})"
        case "too few complete":
            return "no verdict: a search with one complete configuration does not measure its luck"
        case "no spread":
            return "no verdict: scores without spread do not measure chance"
        case "confirmed":
            return f"confirmed {_chance(comparison)}"
    equal, rope = comparison.equivalence.equal, comparison.equivalence.rope
    text = f"not confirmed {_chance(comparison)}"
    if comparison.smallest is not None:
        text += f"; this study could show {format_score(comparison.smallest)}"
    if equal >= EQUAL_ENOUGH:
        text += f"; equal within {format_score(rope)} with probability {format_score(equal)}"
    return text


def _chance(comparison: Comparison) -> str:
    shown = format_p(comparison.test.p if comparison.p_holm is None else comparison.p_holm)
    text = f"p {shown}" if shown.startswith("<") else f"p = {shown}"
    return f"({text}, not adjusted)" if comparison.p_holm is None else f"after Holm ({text})"
