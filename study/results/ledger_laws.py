"""What holds for the lines of every ledger that this project wrote, checked when one is read."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from study.training.metrics import METRICS

# What each kind of line must carry, and of which type; a line may carry more.
FIELDS: dict[str, dict[str, type]] = {
    "config": {"variant": str, "config": int, "params": dict},
    "epoch": {
        "variant": str,
        "config": int,
        "fold": int,
        "seed": int,
        "epoch": int,
        "loss": float,
        "validation": dict,
        "test": dict,
        "seconds": float,
        "ended": bool,
    },
    "promoted": {"variant": str, "config": int, "stage": int, "reason": str},
    "lost": {"variant": str, "config": int, "fold": int, "seed": int, "outcome": str, "reason": str},
    # Under protocol nested: how a configuration ended for one held-out block. Promotions name theirs as well.
    "judged": {"variant": str, "config": int, "outer": int, "outcome": str, "reason": str},
    "closed": {"variant": str, "config": int, "outcome": str, "reason": str},
}
OUTCOMES = {
    "lost": ("diverged", "failed"),
    "judged": ("complete", "stopped", "diverged", "failed"),
    "closed": ("complete", "stopped", "diverged", "failed"),
}
LARGEST = 1_000_000


class Laws:
    """Checks one record after the other; what is in order depends on those before."""

    def __init__(self) -> None:
        """Before the first record."""
        self._configs: dict[str, int] = {}
        self._epochs: dict[tuple[str, int, int, int], int] = {}

    def problem(self, record: Any) -> str:
        """What is wrong with the next record, or nothing."""
        if not isinstance(record, dict) or not isinstance(record.get("kind"), str) or record["kind"] not in FIELDS:
            return "found something else"
        if problem := next(filter(None, map(_field_problem(record), FIELDS[record["kind"]].items())), ""):
            return problem
        if record["kind"] in OUTCOMES and record["outcome"] not in OUTCOMES[record["kind"]]:
            return f"found outcome={record['outcome']!r} where one of {', '.join(OUTCOMES[record['kind']])} is expected"
        return self._order_problem(record)

    def _order_problem(self, record: Mapping[str, Any]) -> str:
        known = self._configs.get(record["variant"], 0)
        if record["kind"] == "config":
            self._configs[record["variant"]] = known + 1
            return "" if record["config"] == known else _unexpected("config", record["config"], known)
        if record["config"] >= known:
            return f"found config={record['config']}, which no line before it proposes,"
        if record["kind"] == "epoch":
            run = record["variant"], record["config"], record["fold"], record["seed"]
            expected = self._epochs[run] = self._epochs.get(run, 0) + 1
            return "" if record["epoch"] == expected else _unexpected("epoch", record["epoch"], expected)
        return ""


def _field_problem(record: Mapping[str, Any]) -> Callable[[tuple[str, type]], str]:
    def problem(field: tuple[str, type]) -> str:
        name, kind = field
        value: Any = record.get(name)
        whole_for_float = kind is float and type(value) is int
        if type(value) is not kind and not whole_for_float:
            return f"found {name}={_short(value)} where {kind.__name__} is expected"
        if kind in (int, float) and not _is_sound(value):
            return f"found {name}={_short(value)} where a finite number is expected"
        if kind is str and not _is_text(value):
            return f"found {name}={_short(value)} where text is expected"
        if name in ("validation", "test") and not all(_is_score(value.get(metric)) for metric in METRICS):
            return f"found {name}={_short(value)} where {', '.join(METRICS)} from 0 to 1 are expected"
        return ""

    return problem


def _is_sound(value: Any) -> bool:
    return value <= LARGEST and value >= 0 if type(value) is int else math.isfinite(value) and value >= 0


def _is_score(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(value: Any) -> str:
    try:
        text = ascii(value)
    except (ValueError, RecursionError):  # a number of absurd length, or a list of absurd depth
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unexpected(name: str, found: int, expected: int) -> str:
    return f"found {name}={found} where {expected} comes next,"
