"""Joins the race, the proposals and the ledger: says which fold run is next and what an epoch's result means.

Knows nothing of Ray. Everything it decides follows from the ledger, so a killed study is continued by reading
its ledger again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from study.errors import UserError
from study.results.ledger import FoldRun
from study.training.seeding import derived_seed
from study.tuning.contest import contest
from study.tuning.entries import Close, Continue, Decision, Phase, Rules, Stop, Verdict
from study.tuning.nesting import Judged
from study.tuning.policies import POLICIES, Policy
from study.tuning.proposals import Proposer, Tried, configuration, told
from study.variants import VARIANTS

Record = dict[str, Any]
Listener = Callable[[Record], None]


class Log(Protocol):
    """Where everything that happens is kept: a study's ledger, or a list in a simulation."""

    records: list[Record]

    def append(self, record: Record) -> None:
        """Keep one record."""


class Conductor:
    """One study under way: the races of its variants, one after the other, over a number of slots.

    A later variant's runs fill slots that an earlier one leaves empty; neither affects the other's decisions.
    """

    def __init__(
        self,
        variants: Sequence[str],
        rules: Rules,
        ledger: Log,
        *,
        policy: str | Policy,
        protocol: str = "shared",
        propose: Proposer,
        metric: str,
        seed: int,
        slots: int,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """Take up the study where the ledger leaves it.

        `policy` is a name of POLICIES or one of its kind, `protocol` "shared" or "nested"; `propose(variant, tried)`
        gives the parameters of the next configuration; `metric` is what validation is judged by.
        """
        policy = POLICIES[policy] if isinstance(policy, str) else policy
        self.races = {name: contest(rules, policy, protocol) for name in variants}
        self.params: dict[tuple[str, int], Mapping[str, Any]] = {}
        self.busy: set[FoldRun] = set()
        self.slots = slots
        # While true no run is begun: one that is to have a machine for itself would wait for ever beside new ones.
        self.held = False
        self._ledger = ledger
        self._propose = propose
        self._metric = metric
        self._seed = seed
        self._listeners = tuple(listeners)
        for number, record in enumerate(list(ledger.records), start=1):
            self._apply_again(record, f"{getattr(ledger, 'path', 'the ledger')} line {number}")
            self._tell(record)
        for name in self.races:
            self._settle(name)

    def next_run(self) -> FoldRun | None:
        """The most urgent fold run that is not under way, or None while all slots are busy or all must wait."""
        if self.held or len(self.busy) >= self.slots:
            return None
        for name in self.races:
            if run := self._next_of(name):
                return run
        return None

    def take(self, run: FoldRun) -> dict[str, Any]:
        """Mark `run` as under way; gives what its worker needs to know."""
        self.busy.add(run)
        config, recipe = configuration(VARIANTS[run.variant], self.params[run.variant, run.config])
        return {
            "variant": run.variant,
            "config": run.config,
            "fold": run.fold,
            "seed": run.seed,
            "model": asdict(config),
            "recipe": asdict(recipe),
            # Common random numbers: configurations that share a fold also share its order and dropout seeds.
            "torch_seed": derived_seed(self._seed, "run", run.fold, run.seed),
            "epochs_known": self.epochs_known(run),
        }

    def epochs_known(self, run: FoldRun) -> int:
        """How many epochs of `run` the ledger holds."""
        return self.races[run.variant].epochs_known(run.config, run.fold, run.seed)

    def report(self, run: FoldRun, epoch: Record) -> Decision | None:
        """Take in one epoch of `run`: its number, loss, scores, seconds and whether the run `ended` with it.

        Gives None for an epoch that is known already: a worker that was killed repeats it after the restart.
        """
        if epoch["epoch"] <= self.epochs_known(run):
            return None
        self._write({"kind": "epoch", **asdict(run), **epoch})
        decision = self.races[run.variant].decision(run.config, run.fold, run.seed)
        if not isinstance(decision, Continue):
            self.busy.discard(run)
        return decision

    def lose(self, run: FoldRun, phase: Phase, reason: str) -> Stop:
        """Take in that `run` diverged, or failed for good: its configuration is closed."""
        self._write({"kind": "lost", **asdict(run), "outcome": str(phase), "reason": reason})
        self.busy.discard(run)
        return Stop(reason)

    def give_back(self, run: FoldRun) -> None:
        """Take in that nobody trains `run` any more, through no fault of its own: it is handed out again."""
        self.busy.discard(run)

    def finished(self) -> bool:
        """Whether every race is closed."""
        return all(race.closed() for race in self.races.values())

    def is_wanted(self, run: FoldRun) -> bool:
        """Whether a run that is paused may be trained again some time."""
        race = self.races.get(run.variant)
        return race is not None and race.is_wanted(run.config, run.fold, run.seed)

    def _next_of(self, name: str) -> FoldRun | None:
        """The variant's most urgent run: of those granted, else of one promoted now, else of a new configuration."""
        race = self.races[name]
        for number, fold, seed in race.runnable():
            run = FoldRun(name, number, fold, seed)
            if run not in self.busy:
                return run
        if promotion := race.promotion():
            self._write(on_record(name, promotion))
            return self._next_of(name)
        if race.may_open():
            number = len(race.entries)
            params = self._propose(name, self._tried(name, number))
            self._write({"kind": "config", "variant": name, "config": number, "params": params})
            return self._next_of(name)
        return None

    def _tried(self, variant: str, number: int) -> list[Tried]:
        race = self.races[variant]
        known = race.known_to(number)
        return [
            told(race, entry, self.params[variant, entry.number])
            if entry.number in known
            else Tried(self.params[variant, entry.number], Phase.OPEN)
            for entry in race.entries
        ]

    def _write(self, record: Record) -> None:
        self._ledger.append(record)
        something_to_decide = self._apply(record)
        self._tell(record)
        if something_to_decide:
            self._settle(record["variant"])

    def _apply(self, record: Record) -> bool:
        """Change the race by one record, the same when it happens and when the ledger is read again.

        Says whether a decision may be due after it.
        """
        race = self.races.get(record["variant"])
        if race is None:
            return False
        if record["kind"] == "config":
            self.params[record["variant"], record["config"]] = record["params"]
        return race.take(record, self._metric)

    def _apply_again(self, record: Record, where: str) -> None:
        try:
            self._apply(record)
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise UserError(
                f"every line of a ledger follows from those before it, and {where} does not ({type(error).__name__}: "
                f"{' '.join(str(error).split())}); restore the file from a copy, or start over with --fresh"
            ) from None

    def _settle(self, variant: str) -> None:
        """Write and apply every decision that is due."""
        race = self.races[variant]
        while verdict := race.verdict():
            self._write(on_record(variant, verdict))

    def _tell(self, record: Record) -> None:
        for listener in self._listeners:
            listener(record)


def on_record(variant: str, verdict: Verdict | Judged) -> Record:
    """A decision as the ledger has it."""
    if isinstance(verdict, Judged):
        record = on_record(variant, verdict.verdict) | {"outer": verdict.outer}
        return record | {"kind": "judged"} if isinstance(verdict.verdict, Close) else record
    what = {"variant": variant, "config": verdict.number}
    if isinstance(verdict, Close):
        return {"kind": "closed", **what, "outcome": str(verdict.phase), "reason": verdict.reason}
    return {"kind": "promoted", **what, "stage": verdict.stage, "reason": verdict.reason}
