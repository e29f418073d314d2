"""The history of a configuration in words: its scores, whether it went on or was stopped, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from study.errors import UserError
from study.record.events import BlockClosed, Closed, ConfigAdded, EpochDone, Event, FoldRun, Phase, Promoted, RunLost
from study.record.plan import Plan
from study.record.search_name import variant_of
from study.report.formats import format_value
from study.variants import VARIANTS


def overview(plan: Plan, events: Sequence[Event]) -> Iterator[tuple[str, str, str, str, str]]:
    """(variant, number, epochs over all folds, outcome, reason) of every configuration on record."""
    for added in _added(events):
        own = _of(events, added)
        epochs = sum(isinstance(event, EpochDone) and not event.seed for event in own)
        outcome, reason = _outcome(own)
        asked = len(plan.folds) * plan.terms.epochs
        yield added.variant, str(added.config), f"{epochs} of {asked}", outcome, reason


def history(plan: Plan, events: Sequence[Event], variant: str, number: int) -> Iterator[str]:
    """Lines on one configuration, in the order in which things happened.

    Raises:
        UserError: there is no such configuration.
    """
    added = _find(plan, events, variant, number)
    own = _of(events, added)
    outcome, reason = _outcome(own)
    start = "" if number else f" (the {VARIANTS[variant_of(variant)].start_word} setting)"
    yield f"{variant} configuration {number}{start}: {outcome}"
    yield "  " + ", ".join(f"{key} {format_value(value)}" for key, value in added.params.items())
    trained: dict[FoldRun, list[EpochDone]] = {}
    for event in own[1:]:
        if isinstance(event, EpochDone):
            trained.setdefault(event.run, []).append(event)
            continue
        yield from _training(trained, plan.metric)
        trained = {}
        yield f"  {_decision(event)}"
    yield from _training(trained, plan.metric)
    if outcome is Phase.OPEN:
        yield f"  {reason}"


def _find(plan: Plan, events: Sequence[Event], variant: str, number: int) -> ConfigAdded:
    numbers = {added.config: added for added in _added(events) if added.variant == variant}
    if number not in numbers:
        known = f"{variant} has 0 to {max(numbers)}" if numbers else f"it has none of {variant}"
        raise UserError(f"study {plan.name} has no configuration {number} of {variant}; {known}")
    return numbers[number]


def _decision(event: Event) -> str:
    match event:
        case Promoted():
            return f"goes on{_for_block(event.test_block)}: {event.reason}"
        case RunLost():
            return f"fold {event.fold} {event.outcome}: {event.reason}"
        case BlockClosed():
            return f"{event.outcome}{_for_block(event.test_block)}: {event.reason}"
        case Closed():
            return f"{event.outcome}: {event.reason}"
    raise TypeError(f"no words for {event}")


def _for_block(test_block: int | None) -> str:
    """Under protocol nested: the race that has decided."""
    return "" if test_block is None else f" for test block {test_block}"


def _training(trained: Mapping[FoldRun, Sequence[EpochDone]], metric: str) -> Iterator[str]:
    """What was trained between two decisions: a line for each fold run."""
    for run, epochs in sorted(trained.items()):
        first, last = epochs[0].epoch, epochs[-1].epoch
        scores = [epoch.validation[metric] for epoch in epochs]
        seed = f", new seed {run.seed}" if run.seed else ""
        which = f"epoch {first}" if first == last else f"epochs {first} to {last}"
        yield f"  fold {run.fold}{seed}, {which}: validation {metric} {scores[-1]:.3f}, best of these {max(scores):.3f}"


def _added(events: Sequence[Event]) -> list[ConfigAdded]:
    return [event for event in events if isinstance(event, ConfigAdded)]


def _of(events: Sequence[Event], added: ConfigAdded) -> list[Event]:
    return [event for event in events if (event.variant, event.config) == (added.variant, added.config)]


def _outcome(own: Sequence[Event]) -> tuple[Phase, str]:
    for event in own:
        if isinstance(event, Closed):
            return event.outcome, event.reason
    return Phase.OPEN, "under way, or waiting to be promoted"
