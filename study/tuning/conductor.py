"""Joins the race, the proposals and the ledger: says which fold run is next and what an epoch's result means.

Knows nothing of Ray. Everything it decides follows from the ledger, so a killed study is continued by reading
its ledger again.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from study.results.ledger import FoldRun, Ledger
from study.training.seeding import derived_seed
from study.tuning.proposals import Tried, configuration, propose
from study.tuning.racing import Continue, Decision, Phase, Race, Rules, Stop
from study.variants import VARIANTS

Record = dict[str, Any]
Listener = Callable[[Record], None]


class Conductor:
    """One study under way: the races of its variants, one after the other, over a number of slots.

    A later variant's runs fill slots that an earlier one leaves empty; neither affects the other's decisions.
    """

    def __init__(
        self,
        variants: Sequence[str],
        rules: Rules,
        ledger: Ledger,
        *,
        metric: str,
        seed: int,
        slots: int,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """Take up the study where the ledger leaves it. `metric` is what validation is judged by."""
        self.races = {name: Race(rules) for name in variants}
        self.params: dict[tuple[str, int], dict[str, Any]] = {}
        self.busy: set[FoldRun] = set()
        self.slots = slots
        self._ledger = ledger
        self._metric = metric
        self._seed = seed
        self._listeners = tuple(listeners)
        self._announced: set[tuple[str, int]] = set()
        for record in list(ledger.records):
            self._apply(record)
            self._tell(record)
        self._announce()

    def next_run(self) -> FoldRun | None:
        """The most urgent fold run that is not under way, or None while all slots are busy or all must wait."""
        if len(self.busy) >= self.slots:
            return None
        for name, race in self.races.items():
            for number, fold, seed in race.runnable():
                run = FoldRun(name, number, fold, seed)
                if run not in self.busy:
                    return run
            if race.may_open():
                return FoldRun(name, self._open(name), fold=0)
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
        decision = self._write({"kind": "epoch", **asdict(run), **epoch})
        assert decision is not None
        if not isinstance(decision, Continue):
            self.busy.discard(run)
        return decision

    def lose(self, run: FoldRun, phase: Phase, reason: str) -> Stop:
        """Take in that `run` diverged, or failed for good: its configuration is closed."""
        self._write({"kind": "lost", **asdict(run), "outcome": str(phase), "reason": reason})
        self.busy.discard(run)
        return Stop(reason)

    def finished(self) -> bool:
        """Whether every race is closed."""
        return all(race.closed() for race in self.races.values())

    def is_wanted(self, run: FoldRun) -> bool:
        """Whether a run that is paused may be trained again some time."""
        race = self.races.get(run.variant)
        return race is not None and race.is_wanted(run.config, run.fold, run.seed)

    def _open(self, variant: str) -> int:
        race = self.races[variant]
        number = len(race.entries)
        params = propose(VARIANTS[variant], self._tried(variant, number), derived_seed(self._seed, variant))
        self._write({"kind": "config", "variant": variant, "config": number, "params": params})
        return number

    def _tried(self, variant: str, number: int) -> list[Tried]:
        race = self.races[variant]
        known = len(race.known_to(number))
        tried = []
        for entry in race.entries:
            params = self.params[variant, entry.number]
            if entry.number >= known or entry.phase is Phase.OPEN:
                tried.append(Tried(params, Phase.OPEN))
            elif entry.phase is Phase.COMPLETE:
                tried.append(Tried(params, entry.phase, entry.score(race.rules.epochs), race.rules.epochs))
            elif entry.phase is Phase.STOPPED:
                step = race.rules.rungs[len(entry.rung_scores) - 1]
                tried.append(Tried(params, entry.phase, entry.rung_scores[-1], step))
            else:
                tried.append(Tried(params, entry.phase))
        return tried

    def _write(self, record: Record) -> Decision | None:
        self._ledger.append(record)
        decision = self._apply(record)
        self._tell(record)
        self._announce()
        return decision

    def _apply(self, record: Record) -> Decision | None:
        """Change the race by one record: the same when it happens and when the ledger is read again."""
        if record["variant"] not in self.races:
            return None
        race = self.races[record["variant"]]
        key = record["variant"], record["config"]
        match record["kind"]:
            case "config":
                race.open()
                self.params[key] = record["params"]
            case "epoch":
                score = record["validation"][self._metric]
                return race.record(record["config"], record["fold"], record["seed"], score, record["ended"])
            case "lost":
                race.lose(record["config"], record["seed"], Phase(record["outcome"]), record["reason"])
            case "closed":
                self._announced.add(key)
        return None

    def _announce(self) -> None:
        """Put every newly closed configuration on record: for readers, since it follows from the rest."""
        for variant, race in self.races.items():
            for entry in race.entries:
                if entry.phase is not Phase.OPEN and (variant, entry.number) not in self._announced:
                    record = {
                        "kind": "closed",
                        "variant": variant,
                        "config": entry.number,
                        "outcome": str(entry.phase),
                        "reason": entry.reason,
                    }
                    self._ledger.append(record)
                    self._apply(record)
                    self._tell(record)

    def _tell(self, record: Record) -> None:
        for listener in self._listeners:
            listener(record)
