"""What a report is computed from, read from a study's folder and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from search_spaces.losses import LOSS
from study.errors import UserError
from study.protocols import PROTOCOLS
from study.record import ledger
from study.record.begun import require_identity
from study.record.events import Event, Phase, StudyBegun
from study.record.folder import StudyFolder
from study.record.incumbents import Incumbent, incumbents
from study.record.outcome import Outcome, reported_uses
from study.record.plan import Plan
from study.record.recognised_words import RecognisedWords, read_recognised_words
from study.record.results import ConfigResult, configurations
from study.record.search_name import variant_of
from study.record.transfer import Transfer, read_transfers
from study.report.predictions import StoredPredictions, TestedFold
from study.samplers.space import misfit
from study.searches import replayed, searches_of, what_is_left
from study.variants import VARIANTS


@dataclass(frozen=True)
class Evidence:
    """What a report is computed from, by variant: configurations, outcomes, and predictions of the reported runs.

    Predictions of their test parts are `tested`, those of their validation parts `validated`. A variant of which
    nothing can be selected has no outcome and no predictions. `left` says what an unfinished study has left; empty for
    a finished one. `paths` are the incumbents of each search. `recognised` has the scores on recognised words, where
    there are any, and `transfers` those on other corpora; `ledger` is the digest of the ledger. Where a search chose
    from several losses, `by_loss` has the test predictions of the configuration with each loss that is best by
    validation, without confirmation runs. Under protocol split, `published` are the test predictions of configuration 0
    where it is complete. `without` has, by stream, what the reported runs predict on test without it, where they have
    that.
    """

    plan: Plan
    configs: Mapping[str, Sequence[ConfigResult]]
    outcomes: Mapping[str, Outcome]
    tested: Mapping[str, Sequence[TestedFold]]
    validated: Mapping[str, Sequence[TestedFold]]
    left: str = ""
    paths: Mapping[str, Sequence[Incumbent]] = field(default_factory=dict)
    recognised: RecognisedWords | None = None
    transfers: Sequence[Transfer] = ()
    ledger: str = ""
    by_loss: Mapping[str, Mapping[str, Sequence[TestedFold]]] = field(default_factory=dict)
    published: Mapping[str, Sequence[TestedFold]] = field(default_factory=dict)
    without: Mapping[str, Mapping[str, Sequence[TestedFold]]] = field(default_factory=dict)


def gather(folder: StudyFolder) -> Evidence:
    """Read what the report of the study in `folder` is computed from, and check all of it.

    The plan is the one that the ledger was begun with; every decision follows from the events before it; every
    configuration is of its variant's search space; of every complete one, scores are those of stored predictions.

    Raises:
        UserError: there is no study, or something is missing, broken or changed.
    """
    plan = Plan.read(folder)
    if unknown := [name for name in plan.variants if name not in VARIANTS]:
        raise UserError(
            f"a report needs the row of every variant; {', '.join(unknown)} of {folder.plan} has none: "
            "add it to VARIANTS in study/variants.py"
        )
    records = list(ledger.read_records(folder.ledger)) if folder.ledger.exists() else []
    require_identity(plan, records, folder.ledger)
    left = what_is_left(replayed(plan, records, folder.ledger))
    events = [record for record in records if not isinstance(record, StudyBegun)]
    found = configurations(events, plan.terms.seeds, plan.terms.epoch_rule)
    stored = StoredPredictions(folder, plan)
    for configs in found.values():
        _require_sound(folder, plan, stored, configs)
    outcomes = _outcomes(plan, found)
    tested = {name: stored.tested(outcome.uses) for name, outcome in outcomes.items()}
    validated = {name: stored.validated(outcome.uses) for name, outcome in outcomes.items()}
    by_loss = {name: _by_loss(plan, stored, found[name]) for name in outcomes if found.get(name)}
    published = {
        name: stored.tested(reported_uses(plan, found[name][0]))
        for name, outcome in outcomes.items()
        if PROTOCOLS[plan.terms.protocol].one_division and outcome.published is not None
    }
    return Evidence(
        plan,
        found,
        outcomes,
        tested,
        validated,
        left,
        _paths(plan, events, found),
        recognised=read_recognised_words(folder, plan),
        transfers=read_transfers(folder, plan),
        ledger=ledger.ledger_digest(folder.ledger) if records else "",
        by_loss=by_loss,
        published=published,
        without={name: stored.without(outcome.uses) for name, outcome in outcomes.items()},
    )


def _require_sound(folder: StudyFolder, plan: Plan, stored: StoredPredictions, configs: Sequence[ConfigResult]) -> None:
    """Make sure that parameters are of the search space, and that complete configurations agree with predictions."""
    for config in configs:
        if wrong := misfit(VARIANTS[variant_of(config.variant)].choosing(plan.choices()), config.params):
            raise UserError(
                f"parameters are of their variant's search space, and {folder.ledger} has others for {config.variant} "
                f"configuration {config.number} ({wrong}); restore it from a copy, or start over with --fresh"
            )
        if config.outcome is Phase.COMPLETE:
            stored.require_agreement(config)


def _outcomes(plan: Plan, found: Mapping[str, Sequence[ConfigResult]]) -> dict[str, Outcome]:
    outcome_of = PROTOCOLS[plan.terms.protocol].outcome
    outcomes = {name: outcome_of(plan, found[name]) for name in searches_of(plan) if found.get(name)}
    return {name: outcome for name, outcome in outcomes.items() if outcome is not None}


def _by_loss(plan: Plan, stored: StoredPredictions, configs: Sequence[ConfigResult]) -> dict[str, list[TestedFold]]:
    searched = [replace(config, n_seeds=0, confirmations={}) for config in configs]
    found = {}
    for loss in plan.terms.losses if len(plan.terms.losses) > 1 else ():
        own = [config for config in searched if config.params.get(LOSS) == loss]
        outcome = PROTOCOLS[plan.terms.protocol].outcome(plan, own) if own else None
        if outcome is not None:
            found[loss] = stored.tested(outcome.uses)
    return found


def _paths(
    plan: Plan, events: Sequence[Event], found: Mapping[str, Sequence[ConfigResult]]
) -> dict[str, list[Incumbent]]:
    viewed = PROTOCOLS[plan.terms.protocol].viewed
    return {
        name: incumbents((event for event in events if event.variant == name), viewed(plan, configs), plan.metric)
        for name, configs in found.items()
    }
