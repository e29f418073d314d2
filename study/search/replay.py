"""A ledger's decisions, taken again: each must be the one that was due, or allowed, where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from study.record.events import BlockClosed, Closed, ConfigAdded, Event, Promoted
from study.search.conductor import as_event
from study.search.search import Search

Decision = Promoted | BlockClosed | Closed
# Scores in reasons have three decimals: the last of them may differ between machines that add up in another order.
SCORE = re.compile(r"\d+\.\d{3}")
LAST_DECIMAL = 0.0011


class OutOfPlaceError(ValueError):
    """An event that a search would not have written where it stands; the text says what and why."""


class Replay:
    """Applies events to new searches as the conductor did, and compares every decision with the search's own.

    A decision that is due is the next thing to be written. The policy `race` also promotes when a slot is free: such a
    promotion has to be the most promising one of its moment, and no configuration is added before it.
    """

    def __init__(self, searches: Mapping[str, Search], past: Iterable[Event]) -> None:
        """Take up `searches` that have not begun where the events `past`, replayed before, leave them."""
        self.searches = dict(searches)
        self._due: dict[str, Event] = {}
        for event in past:
            self.searches[event.variant].apply(event)
        for name in self.searches:
            self._ask(name)

    def follow(self, event: Event) -> None:
        """Apply the next event.

        Raises:
            OutOfPlaceError: it is not one that the search would have written now.
        """
        search = self.searches.get(event.variant)
        if search is None:
            raise OutOfPlaceError(f"it is of {event.variant}, which is not studied")
        is_due = isinstance(event, Promoted | BlockClosed | Closed) and self._take(event, search)
        if not isinstance(event, Promoted | BlockClosed | Closed) and self._due:
            raise OutOfPlaceError(f"before it, {in_words(next(iter(self._due.values())))} was due")
        if isinstance(event, ConfigAdded):
            _require_room(event, search)
        if search.apply(event) or is_due:
            self._ask(event.variant)

    def _take(self, event: Decision, search: Search) -> bool:
        """Whether a decision was due; otherwise it was allowed."""
        due = self._due.pop(event.variant, None) or _due(event.variant, search)
        if due is not None and is_alike(event, due):
            return True
        promotion = search.promotion() if due is None else None
        allowed = due if promotion is None else as_event(event.variant, promotion)
        if allowed is None or not is_alike(event, allowed):
            instead = "nothing" if allowed is None else in_words(allowed)
            raise OutOfPlaceError(f"{in_words(event)} stands where {instead} was due")
        return False

    def _ask(self, name: str) -> None:
        due = _due(name, self.searches[name])
        if due is not None:
            self._due[name] = due


def is_alike(event: Event, other: Event) -> bool:
    """Whether two decisions are equal, but for the last decimal of scores in their reasons."""
    if event == other:
        return True
    if not isinstance(event, Decision) or type(event) is not type(other) or event.variant != other.variant:
        return False
    mine, own = vars(event), vars(other)
    if any(mine[name] != own[name] for name in mine if name != "reason"):
        return False
    scores, others = (SCORE.findall(each["reason"]) for each in (mine, own))
    words, other_words = (SCORE.split(each["reason"]) for each in (mine, own))
    near = all(abs(float(one) - float(two)) < LAST_DECIMAL for one, two in zip(scores, others, strict=False))
    return words == other_words and near


def in_words(event: Event) -> str:
    """A decision in words, for an error line."""
    block = getattr(event, "test_block", None)
    for_block = "" if block is None else f" for test block {block}"
    what = f"stage {event.stage}" if isinstance(event, Promoted) else str(getattr(event, "outcome", event.kind))
    return f'"{event.variant} configuration {event.config} {what}{for_block}: {getattr(event, "reason", "")}"'


def _due(name: str, search: Search) -> Event | None:
    decision = search.due_decision()
    return None if decision is None else as_event(name, decision)


def _require_room(event: ConfigAdded, search: Search) -> None:
    promotion = search.promotion()
    if promotion is not None:
        raise OutOfPlaceError(f"before it, {in_words(as_event(event.variant, promotion))} was due")
    if not search.may_open():
        raise OutOfPlaceError(f"no configuration of {event.variant} could be added then")
