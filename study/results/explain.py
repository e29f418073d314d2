"""The life of configurations in words: what they scored where, who went on, who was stopped, and why."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from study.errors import UserError
from study.results.formats import format_value
from study.results.ledger import FoldRun
from study.results.plan import Plan

Record = Mapping[str, Any]


def overview(plan: Plan, records: Sequence[Record]) -> Iterator[tuple[str, str, str, str, str]]:
    """(variant, number, epochs over all folds, outcome, reason) of every configuration on record."""
    for variant, number in _configurations(records):
        own = _of(records, variant, number)
        epochs = sum(record["kind"] == "epoch" and not record["seed"] for record in own)
        outcome, reason = _outcome(own)
        yield variant, str(number), f"{epochs} of {len(plan.folds) * plan.epochs}", outcome, reason


def life(plan: Plan, records: Sequence[Record], variant: str, number: int) -> Iterator[str]:
    """The lines that tell one configuration's life, in the order in which it happened.

    Raises:
        UserError: there is no such configuration.
    """
    if (variant, number) not in _configurations(records):
        numbers = [n for name, n in _configurations(records) if name == variant]
        known = f"{variant} has 0 to {max(numbers)}" if numbers else f"it has none of {variant}"
        raise UserError(f"study {plan.name} has no configuration {number} of {variant}; {known}")
    own = _of(records, variant, number)
    outcome, reason = _outcome(own)
    yield f"{variant} configuration {number}{' (the published setting)' if number == 0 else ''}: {outcome}"
    yield "  " + ", ".join(f"{key} {format_value(value)}" for key, value in own[0]["params"].items())
    spells: dict[FoldRun, list[Record]] = {}
    for record in own[1:]:
        if record["kind"] == "epoch":
            spells.setdefault(FoldRun(variant, number, record["fold"], record["seed"]), []).append(record)
            continue
        yield from _told(spells, plan.metric)
        spells = {}
        if record["kind"] == "promoted":
            yield f"  goes on{_for_block(record)}: {record['reason']}"
        elif record["kind"] == "lost":
            yield f"  fold {record['fold']} {record['outcome']}: {record['reason']}"
        elif record["kind"] == "judged":
            yield f"  {record['outcome']}{_for_block(record)}: {record['reason']}"
        elif record["kind"] == "closed":
            yield f"  {record['outcome']}: {record['reason']}"
    yield from _told(spells, plan.metric)
    if outcome == "open":
        yield f"  {reason}"


def _for_block(record: Record) -> str:
    """Under protocol nested: whose race has decided."""
    return f" for test block {record['outer']}" if "outer" in record else ""


def _told(spells: Mapping[FoldRun, Sequence[Record]], metric: str) -> Iterator[str]:
    """What was trained between two decisions: a line for each fold run."""
    for run, epochs in sorted(spells.items()):
        first, last = epochs[0]["epoch"], epochs[-1]["epoch"]
        scores = [epoch["validation"][metric] for epoch in epochs]
        seed = f", fresh seed {run.seed}" if run.seed else ""
        which = f"epoch {first}" if first == last else f"epochs {first} to {last}"
        yield f"  fold {run.fold}{seed}, {which}: validation {metric} {scores[-1]:.3f}, best of these {max(scores):.3f}"


def _configurations(records: Sequence[Record]) -> list[tuple[str, int]]:
    return [(record["variant"], record["config"]) for record in records if record["kind"] == "config"]


def _of(records: Sequence[Record], variant: str, number: int) -> list[Record]:
    return [record for record in records if (record["variant"], record["config"]) == (variant, number)]


def _outcome(own: Sequence[Record]) -> tuple[str, str]:
    for record in own:
        if record["kind"] == "closed":
            return record["outcome"], record["reason"]
    return "open", "under way, or waiting to be promoted"
