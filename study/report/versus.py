"""Two studies of one corpus and the same folds, compared as the systems of one study are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.errors import UserError
from study.protocols import PROTOCOLS
from study.record.divisions import block_name
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.record.results import PARTS
from study.report.build import terms_view
from study.report.comparisons import as_view
from study.report.evidence import Evidence, gather
from study.report.formats import NOTHING
from study.report.metric_view import PartsView, parts_view
from study.report.paired import Predicted, compare_by_speaker
from study.report.significance import System, compare, with_holm
from study.report.systems import searched, share_tested, tuned_figures, tuned_system
from study.report.view import ComparisonView
from study.training.metrics import METRICS

# What was asked for otherwise: its name, and its value in the first and in the second study.
Difference = tuple[str, str, str]
Views = tuple[ComparisonView, ...]


@dataclass(frozen=True)
class Entrant:
    """A variant as one of the studies has tuned it."""

    study: str
    variant: str
    figures: PartsView

    @property
    def label(self) -> str:
        """Its name beside that of the other."""
        return f"{self.variant} ({self.study})"


@dataclass(frozen=True)
class VersusView:
    """Two studies side by side.

    Attributes:
        first, second: their names.
        corpus: what both are of, in words.
        over: what figures are means over.
        metric: what selected in both, as in METRICS.
        differing: what the studies were asked for otherwise.
        entrants: the variants that are compared.
        pairs: first minus second in `metric`, the pairs adjusted together by Holm.
        other_metrics: the same in the other metrics.
    """

    first: str
    second: str
    corpus: str
    over: str
    metric: str
    differing: tuple[Difference, ...]
    entrants: tuple[Entrant, ...]
    pairs: tuple[ComparisonView, ...]
    other_metrics: tuple[ComparisonView, ...]


def versus(first: StudyFolder, second: StudyFolder) -> VersusView:
    """The comparison of two studies: of every variant that both have, else of the best of each by validation.

    Raises:
        UserError: they are not comparable, one of them has no result yet, or its files do not pass their checks.
    """
    _require_comparable(Plan.read(first), Plan.read(second))  # at once, before predictions are read
    return versus_view(gather(first), gather(second))


def versus_view(first: Evidence, second: Evidence) -> VersusView:
    """The view of two studies on the same data.

    Raises:
        UserError: one of them has no result yet.
    """
    for evidence in (first, second):
        _require_result(evidence)
    plan, names = first.plan, list(_names(first, second))
    protocol = PROTOCOLS[plan.terms.protocol]
    entrants = [
        Entrant(evidence.plan.name, name, parts_view(tuned_figures(evidence.outcomes, name)))
        for pair in names
        for evidence, name in zip((first, second), pair, strict=True)
    ]
    found = _by_speaker(first, second, names) if protocol.one_division else _over_folds(first, second, names)
    return VersusView(
        plan.name,
        second.plan.name,
        f"{plan.corpus['name']}, {plan.corpus['utterances']} utterances, {len(plan.classes)} classes",
        protocol.over(plan),
        plan.metric,
        tuple(_differing(plan, second.plan)),
        tuple(entrants),
        found.pop(plan.metric),
        tuple(pair for pairs in found.values() for pair in pairs),
    )


def _over_folds(first: Evidence, second: Evidence, names: Sequence[tuple[str, str]]) -> dict[str, Views]:
    share = share_tested(first.plan)
    return {
        metric: tuple(
            as_view(pair)
            for pair in with_holm(
                [
                    compare(_system(first, one, metric), _system(second, other, metric), metric, share)
                    for one, other in names
                ]
            )
        )
        for metric in METRICS
    }


def _by_speaker(first: Evidence, second: Evidence, names: Sequence[tuple[str, str]]) -> dict[str, Views]:
    found = [compare_by_speaker(first.plan, _predicted(first, one), _predicted(second, other)) for one, other in names]
    return {metric: tuple(view for own in found for view in own[metric]) for metric in METRICS}


def _predicted(evidence: Evidence, name: str) -> Predicted:
    return Predicted(_shown(evidence, name), evidence.tested[name])


def _shown(evidence: Evidence, name: str) -> str:
    return f"{name} ({evidence.plan.name})"


def _system(evidence: Evidence, name: str, metric: str) -> System:
    return tuned_system(evidence.plan, evidence.outcomes, evidence.configs, name, _shown(evidence, name))[metric]


def _names(first: Evidence, second: Evidence) -> Iterator[tuple[str, str]]:
    """The pairs of variants. The best is the best by validation: by test it would look better than it is."""
    shared = [name for name in searched(first.outcomes) if name in searched(second.outcomes)]
    if shared:
        yield from ((name, name) for name in shared)
    else:
        yield _best(first), _best(second)


def _best(evidence: Evidence) -> str:
    metric = evidence.plan.metric
    outcomes = evidence.outcomes
    return max(searched(outcomes), key=lambda name: tuned_figures(outcomes, name)["validation"][metric].mean)


def _differing(one: Plan, other: Plan) -> Iterator[Difference]:
    mine, theirs = (
        {
            **{f"{modality} features": labels for modality, labels in plan.encoders.items()},
            **{term.name: term.value for term in terms_view(plan.terms)},
        }
        for plan in (one, other)
    )
    for name in dict.fromkeys([*mine, *theirs]):
        before, now = mine.get(name, NOTHING), theirs.get(name, NOTHING)
        if before != now:
            yield name, before, now


def _require_comparable(one: Plan, other: Plan) -> None:
    """Make sure that both are of one corpus, its classes and folds, and were chosen by one metric.

    Raises:
        UserError: they are not; the line says what differs.
    """
    if one.name == other.name:
        raise UserError(f"two studies are compared, and both names are {one.name}; `ser-study list` names the others")
    for what, mine, theirs in (
        ("corpus", one.corpus["name"], other.corpus["name"]),
        ("classes", ", ".join(one.classes), ", ".join(other.classes)),
        ("corpus", _content(one), _content(other)),
        ("protocol", one.terms.protocol, other.terms.protocol),
        *(("folds", _fold(mine), _fold(theirs)) for mine, theirs in zip(one.folds, other.folds, strict=False)),
        ("folds", f"{len(one.folds)} folds", f"{len(other.folds)} folds"),
        ("metric", one.metric, other.metric),
    ):
        if mine != theirs:
            raise UserError(
                f"studies are compared on one corpus with the same classes, folds and metric; {what} of {one.name}: "
                f"{mine}; of {other.name}: {theirs}"
            )


def _require_result(evidence: Evidence) -> None:
    name = evidence.plan.name
    if evidence.left:
        raise UserError(f"finished studies are compared, and {name} is not ({evidence.left}); its own command goes on")
    if not evidence.outcomes:
        raise UserError(f"studies with a result are compared, and {name} has none: no configuration is complete")


def _content(plan: Plan) -> str:
    """What the corpus holds; equal digests are equal utterances with equal labels, words, speakers and groups."""
    return f"{plan.corpus['utterances']} utterances, digest {plan.corpus['digest'][:12]}"


def _fold(fold: Mapping[str, Any]) -> str:
    tested, validated = (block_name(fold[part]) for part in PARTS[::-1])
    return f"fold {fold['number']} tests {tested} and validates on {validated}"
