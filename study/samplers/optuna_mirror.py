"""Mirrors a study into an Optuna database, for `optuna-dashboard sqlite:///OUTPUT/optuna.db` and Optuna's own tools.

One Optuna study per variant, named "<study>/<variant>", one trial per configuration under its number. What is written
follows from the ledger alone, so a study that is continued, or whose mirror failed for a while, has every trial once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import fmean
from threading import Thread
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from study.errors import type_and_line
from study.protocols import PROTOCOLS
from study.record.epoch_rule import EPOCH_RULES, EpochRule
from study.record.events import Closed, ConfigAdded, EpochDone, Event, Phase, RunLost, digest
from study.record.plan import Plan
from study.record.results import PARTS
from study.record.search_name import variant_of
from study.samplers.proposer import STATES, Suggest, as_optuna_trial
from study.search.observation import Observation, observe
from study.searches import new_search, trained_searches
from study.sqlite_uri import sqlite_uri

FILE = "optuna.db"
FINISH_SECONDS = 30.0
LOCK_SECONDS = 2.0  # how long a write waits for another process; Optuna tries five times
TROUBLE_LENGTH = 160
LEDGER = "ledger"  # study attribute that identifies the ledger

# Samplers learn from the last intermediate value of a PRUNED trial; that of a diverged one would mislead them.
MIRRORED_STATES = {**STATES, Phase.DIVERGED: TrialState.FAIL}


class OptunaMirror:
    """A listener of the ledger that writes from a thread of its own: it never delays training and never ends it."""

    def __init__(self, output: Path, plan: Plan, spaces: Mapping[str, Suggest]) -> None:
        """Mirror the study of `plan` into a database in `output`; `spaces` draw a configuration, by trained variant."""
        self.path = output.absolute() / FILE
        self._plan = plan
        self._variants = {name: VariantTrials(plan, spaces[variant_of(name)]) for name in trained_searches(plan)}
        self._inbox: SimpleQueue[Event | None] = SimpleQueue()
        self._trouble = ""
        self._thread = Thread(target=self._work, name="optuna-mirror", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Take in one event of the ledger, new or read again."""
        self._inbox.put(event)

    def finish(self) -> str:
        """Write what is left, for half a minute at most, and return a warning if something could not be written."""
        self._inbox.put(None)
        self._thread.join(FINISH_SECONDS)
        if self._thread.is_alive():
            self._trouble = self._trouble or f"it was not done after {FINISH_SECONDS:.0f} s"
        if not self._trouble:
            return ""
        return (
            f"the Optuna database {self.path} does not hold all of this study: {self._trouble}; the same command again "
            "writes what is missing"
        )

    def _work(self) -> None:
        """Write until the end. Whatever goes wrong in a mirror must not cost a study: it is reported at the end."""
        store: _Store | None = None
        is_over = False
        while not is_over:
            try:
                is_over = self._take_in()
            except Exception as error:  # without this event, all that follows would be wrong
                self._trouble = type_and_line(error)[:TROUBLE_LENGTH]
                return
            try:
                store = store or _Store(self.path)
                for name, variant in self._variants.items():
                    if variant.identity:
                        store.write(f"{self._plan.name}/{name}", variant, self._attributes())
                self._trouble = ""
            except Exception as error:
                self._trouble = type_and_line(error)[:TROUBLE_LENGTH]
                store = None  # what was written is not known: the next attempt looks

    def _take_in(self) -> bool:
        """Take in events until a configuration is closed, and all that have come by then; True at the end."""
        is_due = False
        while True:
            try:
                event = self._inbox.get(block=not is_due)
            except Empty:
                return False
            if event is None:
                return True
            if event.variant in self._variants:
                self._variants[event.variant].apply(event)
            is_due |= isinstance(event, Closed)

    def _attributes(self) -> dict[str, Any]:
        return {"metric": self._plan.metric, "corpus": self._plan.corpus["name"]}


class VariantTrials:
    """The configurations of one variant as Optuna trials.

    Attributes:
        trials: by configuration number; RUNNING and without values until the configuration closes, for the mean over
            folds at an epoch changes when further folds begin, and Optuna takes back no value.
        identity: the digest of the first result, which identifies the ledger; empty before.
    """

    def __init__(self, plan: Plan, suggest: Suggest) -> None:
        """A variant of `plan` before its first event; `suggest` draws one of its configurations."""
        self.trials: list[FrozenTrial] = []
        self.identity = ""
        self._suggest = suggest
        self._search = new_search(plan)
        self._curves: list[Curves] = []
        self._metric, self._epoch_rule = plan.metric, EPOCH_RULES[plan.terms.epoch_rule]
        self._parts = PARTS if PROTOCOLS[plan.terms.protocol].score_both_blocks else PARTS[:1]

    def apply(self, event: Event) -> None:
        """Take in one event of the ledger."""
        self._search.apply(event)
        match event:
            case ConfigAdded():
                self.trials.append(as_optuna_trial(self._suggest, Observation(event.params, Phase.OPEN)))
                self._curves.append(Curves(self._epoch_rule))
            case EpochDone(seed=0):
                for part in self._parts:
                    self._curves[event.config].add(event, part, self._metric)
            case Closed():
                self._close(event)
        if isinstance(event, EpochDone | RunLost) and not self.identity:
            self.identity = digest(event)

    def _close(self, event: Closed) -> None:
        """Conclude a trial, with what was predicted of it at that moment."""
        running = self.trials[event.config]
        seen = observe(self._search, self._search.entries[event.config], running.params)
        trial = as_optuna_trial(self._suggest, seen, {"outcome": str(event.outcome), "reason": event.reason})
        trial.state = MIRRORED_STATES[event.outcome]
        trial.intermediate_values = self._curves[event.config].means()
        trial.datetime_start = running.datetime_start
        trial.datetime_complete = datetime.now()
        self.trials[event.config] = trial


class Curves:
    """The validation scores of one configuration's fold runs, by epoch; `epoch_rule` says which of them count."""

    def __init__(self, epoch_rule: EpochRule) -> None:
        """No epochs yet."""
        self._epoch_rule = epoch_rule
        self._scores: dict[tuple[int, str], list[float]] = {}
        self._ended: set[tuple[int, str]] = set()

    def add(self, epoch: EpochDone, part: str, metric: str) -> None:
        """Take in an epoch's score on `part`."""
        key = epoch.fold, part
        self._scores.setdefault(key, []).append(getattr(epoch, part)[metric])
        if epoch.ended:
            self._ended.add(key)

    def means(self) -> dict[int, float]:
        """The mean over folds by epoch, as far as all folds that were begun have come; one that has ended stands."""
        under_way = [len(scores) for key, scores in self._scores.items() if key not in self._ended]
        last = min(under_way) if under_way else max(map(len, self._scores.values()), default=0)
        return {epoch: self._mean(epoch) for epoch in range(1, last + 1)}

    def _mean(self, epoch: int) -> float:
        """The mean of the scores that count after `epoch` epochs."""
        curves = [scores[:epoch] for scores in self._scores.values()]
        return fmean(curve[at - 1] for curve, at in zip(curves, self._epoch_rule.pick(curves), strict=True))


class _Store:
    """The Optuna database. Trials that are in it are not read again, for this is their only writer."""

    def __init__(self, path: Path) -> None:
        """Open the database at `path`, new or with what it holds. Imports SQLAlchemy, which takes time."""
        from optuna.storages import RDBStorage

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._storage = RDBStorage(sqlite_uri(path), engine_kwargs={"connect_args": {"timeout": LOCK_SECONDS}})
        # Of every study: its number in the database and its trials' states.
        self._held: dict[str, tuple[int, list[TrialState]]] = {}

    def write(self, name: str, variant: VariantTrials, attributes: dict[str, Any]) -> None:
        """Bring the study `name` up to the variant's trials."""
        if name not in self._held:
            self._held[name] = self._found(name, variant) or self._created(name, variant.identity, attributes)
        study, states = self._held[name]
        for number, trial in enumerate(variant.trials):
            if number >= len(states):
                self._storage.create_new_trial(study, template_trial=trial)
                states.append(trial.state)
            elif trial.state.is_finished() and not states[number].is_finished():
                self._conclude(self._storage.get_trial_id_from_study_id_trial_number(study, number), trial)
                states[number] = trial.state

    def _conclude(self, trial_id: int, trial: FrozenTrial) -> None:
        """Bring a trial that the database has as running up to `trial`; the state comes last."""
        for step, value in trial.intermediate_values.items():
            self._storage.set_trial_intermediate_value(trial_id, step, value)
        for key, value in trial.user_attrs.items():
            self._storage.set_trial_user_attr(trial_id, key, value)
        self._storage.set_trial_state_values(trial_id, trial.state, trial.values)

    def _found(self, name: str, variant: VariantTrials) -> tuple[int, list[TrialState]] | None:
        """The study `name` if the database has it from this ledger; one from another ledger is deleted."""
        try:
            study = self._storage.get_study_id_from_name(name)
        except KeyError:
            return None
        held = self._storage.get_all_trials(study, deepcopy=False)
        is_ours = self._storage.get_study_user_attrs(study).get(LEDGER) == variant.identity
        if is_ours and len(held) <= len(variant.trials) and all(map(_may_become, held, variant.trials)):
            return study, [trial.state for trial in held]
        self._storage.delete_study(study)
        return None

    def _created(self, name: str, identity: str, attributes: dict[str, Any]) -> tuple[int, list[TrialState]]:
        study = self._storage.create_new_study([StudyDirection.MAXIMIZE], name)
        for key, value in {**attributes, LEDGER: identity}.items():
            self._storage.set_study_user_attr(study, key, value)
        return study, []


def _may_become(held: FrozenTrial, trial: FrozenTrial) -> bool:
    """Whether the trial in the database is an earlier or the present state of `trial`."""
    return held.params == trial.params and held.state in (TrialState.RUNNING, trial.state)
