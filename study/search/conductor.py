"""Joins searches, proposals and the ledger: which fold run is next, and what an epoch's result means.

Knows nothing of Ray. Everything it decides follows from the ledger, so a killed study is continued by reading
its ledger again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from study.errors import UserError
from study.record.events import BlockClosed, Closed, ConfigAdded, EpochDone, Event, FoldRun, Phase, Promoted, RunLost
from study.search.observation import Observation, Proposer, observe
from study.search.search import Search
from study.search.state import BlockDecision, Close, ConfigDecision, Continue, Pause, RunDecision, Stop

Listener = Callable[[Event], None]
ENDINGS = (RunLost, BlockClosed, Closed)


@runtime_checkable
class Located(Protocol):
    """A log that is a file."""

    def where(self, index: int) -> str:
        """The place of `events[index]` in words."""


class Log(Protocol):
    """Where events are kept: a study's ledger, or a list in a simulation."""

    events: list[Event]

    def append(self, event: Event) -> None:
        """Keep one event."""


@dataclass(frozen=True)
class Assignment:
    """A fold run to train now: the parameters of its configuration, and how many of its epochs the ledger holds.

    It ends at `last_epoch` at the latest. Before `target_epoch` no decision about it is due, unless its scores end it.
    """

    run: FoldRun
    params: Mapping[str, Any]
    epochs_known: int
    last_epoch: int
    target_epoch: int = 0


class Conductor:
    """One study under way: the searches of its variants, one after the other, over a number of slots.

    A later variant's runs fill slots that an earlier one leaves empty; neither affects the other's decisions.
    """

    def __init__(
        self,
        searches: Mapping[str, Search],
        log: Log,
        *,
        propose: Proposer,
        slots: int,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """Take up the study where its log ends.

        `searches` have not begun and are in the variants' order; `propose(variant, observations)` gives the parameters
        of the next configuration; every `listener` is called with every event, those of the log included.

        Raises:
            UserError: an event of the log does not follow from those before it.
        """
        self.searches = dict(searches)
        self.params: dict[tuple[str, int], Mapping[str, Any]] = {}
        self.busy: set[FoldRun] = set()
        self.slots = slots
        # While true no run is begun: one that is to have a machine for itself would wait for ever beside new ones.
        self.held = False
        # So many events after which a run that waits may not be wanted any more.
        self.n_endings = 0
        self._log = log
        self._propose = propose
        self._listeners = tuple(listeners)
        for index, event in enumerate(list(log.events)):
            self._replay(event, index)
            self._notify(event)
        for name in self.searches:
            self._decide(name)

    def next_run(self) -> FoldRun | None:
        """The most urgent fold run that is not under way, or None while all slots are busy or all must wait."""
        if self.held or len(self.busy) >= self.slots:
            return None
        for name in self.searches:
            if run := self._next_of(name):
                return run
        return None

    def assign(self, run: FoldRun) -> Assignment:
        """Mark `run` as under way."""
        self.busy.add(run)
        search, params = self.searches[run.variant], self.params[run.variant, run.config]
        last, target = search.last_epoch(run.config, run.seed), search.target_epoch(run.config, run.fold, run.seed)
        return Assignment(run, params, self.epochs_known(run), last, target)

    def epochs_known(self, run: FoldRun) -> int:
        """How many epochs of `run` the ledger holds."""
        return self.searches[run.variant].epochs_known(run.config, run.fold, run.seed)

    def observations(self, variant: str) -> list[Observation]:
        """What may be known, of each configuration so far, when the variant's next one is proposed."""
        search = self.searches[variant]
        n_known = search.n_known_to(len(search.entries))
        return [
            observe(search, entry, self.params[variant, entry.number])
            if entry.number < n_known
            else Observation(self.params[variant, entry.number], Phase.OPEN)
            for entry in search.entries
        ]

    def report(self, epoch: EpochDone) -> RunDecision | None:
        """Take in one epoch of a run, and decide what the run does next.

        Gives None for an epoch that is known already: a worker that was killed repeats it after the restart.
        """
        run = epoch.run
        if epoch.epoch <= self.epochs_known(run):
            return None
        self._write(epoch)
        decision = self.searches[run.variant].decision(run.config, run.fold, run.seed)
        if not isinstance(decision, Continue):
            self.busy.discard(run)
        return decision

    def report_all(self, epochs: Sequence[EpochDone]) -> RunDecision | None:
        """Take in epochs of one run in their order, up to the first after which it does not go on.

        Those beyond are not recorded: had each been reported by itself, they would not have been trained.
        """
        decision = None
        for epoch in epochs:
            decision = self.report(epoch)
            if isinstance(decision, Pause | Stop):
                break
        return decision

    def mark_lost(self, run: FoldRun, outcome: Phase, reason: str) -> None:
        """Take in that `run` diverged, or failed for good: its configuration is closed."""
        self._write(RunLost(run.variant, run.config, run.fold, run.seed, outcome, reason))
        self.busy.discard(run)

    def requeue(self, run: FoldRun) -> None:
        """Take in that `run` has no worker any more, through no fault of its own: it is assigned again."""
        self.busy.discard(run)

    def finished(self) -> bool:
        """Whether every search is closed."""
        return all(search.closed() for search in self.searches.values())

    def is_wanted(self, run: FoldRun) -> bool:
        """Whether a run that is paused may be trained again some time."""
        search = self.searches.get(run.variant)
        return search is not None and search.is_wanted(run.config, run.fold, run.seed)

    def _next_of(self, name: str) -> FoldRun | None:
        """The variant's most urgent run: of those allowed, else of one promoted now, else of a new configuration."""
        search = self.searches[name]
        for number, fold, seed in search.runnable():
            run = FoldRun(name, number, fold, seed)
            if run not in self.busy:
                return run
        if promotion := search.promotion():
            self._write(as_event(name, promotion))
            return self._next_of(name)
        if search.may_open():
            number = len(search.entries)
            self._write(ConfigAdded(name, number, self._propose(name, self.observations(name))))
            return self._next_of(name)
        return None

    def _write(self, event: Event) -> None:
        self._log.append(event)
        decision_due = self._apply(event)
        self._notify(event)
        if decision_due:
            self._decide(event.variant)

    def _apply(self, event: Event) -> bool:
        """Change the search by one event, in the same way when it happens and when the ledger is read again.

        Returns whether a decision may be due after it.
        """
        search = self.searches.get(event.variant)
        if search is None:
            return False
        self.n_endings += isinstance(event, ENDINGS) or (isinstance(event, EpochDone) and event.ended)
        if isinstance(event, ConfigAdded):
            self.params[event.variant, event.config] = event.params
        return search.apply(event)

    def _replay(self, event: Event, index: int) -> None:
        try:
            self._apply(event)
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError) as error:
            where = self._log.where(index) if isinstance(self._log, Located) else f"event {index} of the log"
            raise UserError(
                f"every line of a ledger follows from those before it, and {where} does not ({type(error).__name__}: "
                f"{' '.join(str(error).split())}); restore the file from a copy, or start over with --fresh"
            ) from None

    def _decide(self, variant: str) -> None:
        """Write and apply every decision that is due."""
        search = self.searches[variant]
        while decision := search.due_decision():
            self._write(as_event(variant, decision))

    def _notify(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)


def as_event(variant: str, decision: ConfigDecision | BlockDecision) -> Event:
    """A decision as the ledger keeps it."""
    test_block = None
    if isinstance(decision, BlockDecision):
        test_block, decision = decision.test_block, decision.decision
    if not isinstance(decision, Close):
        return Promoted(variant, decision.number, decision.stage, decision.reason, test_block)
    if test_block is not None:
        return BlockClosed(variant, decision.number, test_block, decision.phase, decision.reason)
    return Closed(variant, decision.number, decision.phase, decision.reason)
