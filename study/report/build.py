"""From a study's folder to the view of its report: every figure can be computed again without training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from study.option import options_of
from study.plurals import counted
from study.protocols import PROTOCOLS
from study.record.epoch_rule import EPOCH_RULES
from study.record.events import Phase
from study.record.folder import StudyFolder
from study.record.late_epochs import LateRuns, late_runs, validation_curves
from study.record.outcome import NestedFigures, Outcome
from study.record.plan import Plan
from study.record.results import ConfigResult, spread
from study.record.search_name import variant_of
from study.record.terms import Terms
from study.record.variance_sources import Source, variance_sources
from study.report.calibration import calibration
from study.report.comparisons import compared
from study.report.details import details, speaker_source
from study.report.evidence import Evidence, gather
from study.report.features import feature_views
from study.report.formats import format_term
from study.report.glance import glance
from study.report.layer_weights import layer_weight_views
from study.report.metric_view import MetricView, metric_views, parts_view
from study.report.missing import lack_views
from study.report.model_size import n_parameters
from study.report.probe import Probe, probe
from study.report.recognised import recognised_view
from study.report.setting_views import guess_setting, published_setting, tuned_setting
from study.report.systems import searched, systems_of
from study.report.test_sets import by_test_set
from study.report.transfer import transfer_view
from study.report.variant_view import (
    PROBE,
    CalibrationView,
    CostView,
    DetailsView,
    LackView,
    NestedView,
    SettingView,
    TestSetView,
    VariantView,
)
from study.report.view import ReportView, SearchesView, TermView
from study.samplers import SAMPLERS
from study.samplers.warm_start import warm_start_sentence
from study.searches import searches_of
from study.training.metrics import METRICS
from study.variants import VARIANTS

# The corpus of the published result table: seven-class IEMOCAP.
PUBLISHED_CLASSES, PUBLISHED_UTTERANCES = 7, 7487
LOST = (Phase.FAILED, Phase.DIVERGED)


def build(folder: StudyFolder) -> ReportView:
    """The report of the study in `folder`.

    Raises:
        UserError: there is no study, or it does not pass the checks of `gather`.
    """
    return report_view(gather(folder))


def _devices(configs: Mapping[str, Sequence[ConfigResult]]) -> tuple[str, ...]:
    """What trained, with its number of epochs: the most of them first."""
    of_variants = chain.from_iterable(configs.values())
    runs = chain.from_iterable(each.runs() for each in of_variants)
    trained = Counter(epoch.device for run in runs for epoch in run.epochs if epoch.device)
    return tuple(f"{device} ({counted(n, 'epoch')})" for device, n in trained.most_common())


def report_view(evidence: Evidence) -> ReportView:
    """Everything that the report shows."""
    plan = evidence.plan
    protocol = PROTOCOLS[plan.terms.protocol]
    # While a study is unfinished, nothing is compared.
    outcomes = {} if evidence.left else evidence.outcomes
    systems = {} if protocol.one_division else systems_of(plan, outcomes, evidence.configs)
    shown = compared(evidence, outcomes, systems)
    own, linear = shown.pop(plan.metric), probe(plan)
    variants = {**{name: _variant(evidence, name) for name in searches_of(plan)}, **_probe(plan, linear)}
    return ReportView(
        name=plan.name,
        corpus=plan.corpus,
        classes=tuple(plan.classes),
        encoders=plan.encoders,
        protocol=plan.terms.protocol,
        protocol_note=protocol.sentence(plan.terms.sampler, SAMPLERS[plan.terms.sampler].reads_scores),
        over=protocol.over(plan),
        metric=plan.metric,
        rungs=plan.rungs,
        terms=tuple(terms_view(plan.terms)),
        folds=tuple(plan.folds),
        environment=plan.environment,
        variants=variants,
        glance=glance(plan, outcomes, systems, variants),
        devices=_devices(evidence.configs),
        comparisons=own,
        conclusion=tuple(f"{comparison.sentence}." for comparison in own),
        other_metrics=tuple(comparison for found in shown.values() for comparison in found),
        score_both_blocks=protocol.score_both_blocks,
        one_division=protocol.one_division,
        epoch_note=EPOCH_RULES[plan.terms.epoch_rule].words,
        whole_searches=tuple(_whole_searches(evidence.outcomes)),
        unfinished=f"unfinished: {evidence.left}; no conclusions are drawn" if evidence.left else "",
        warm_start=warm_start_sentence(plan),
        probe_note=linear.note,
        recognised=recognised_view(evidence.recognised, evidence.outcomes),
        transfer=transfer_view(evidence.transfers, evidence.ledger),
    )


def terms_view(terms: Terms) -> list[TermView]:
    """A line for each term of a study that is an option."""
    kept = terms.kept()
    return [
        TermView(option.flag.removeprefix("--"), format_term(option, kept[name]))
        for name, option in options_of(Terms).items()
        if name in kept
    ]


def _variant(evidence: Evidence, name: str) -> VariantView:
    plan, row, outcome = evidence.plan, VARIANTS[variant_of(name)], evidence.outcomes.get(name)
    configs = evidence.configs.get(name, [])
    return VariantView(
        name=name,
        title=row.title,
        modalities=row.modalities,
        tuned=guess_setting(plan) if row.role == "guess" else tuned_setting(evidence, name),
        published=published_setting(evidence, name),
        selected=outcome.config.number if outcome else None,
        confirmed=outcome.config.confirmed if outcome else False,
        cost=CostView() if row.role == "guess" else _cost(plan, configs),
        details=_details(evidence, name, outcome) if outcome else None,
        nested=_nested(outcome.nested) if outcome and outcome.nested else None,
        reference=_reference(plan, name),
        role=row.role,
        compared_with=row.compared_with,
        start_word=row.start_word,
        late=_late(plan, configs, outcome) if outcome else None,
        features=feature_views(plan, name, configs, outcome),
        calibration=calibration(evidence.validated[name], evidence.tested[name]) if outcome else None,
        set_calibrations=_set_calibrations(evidence, name) if outcome else {},
        layer_weights=layer_weight_views(configs, outcome) if outcome else (),
        sources=tuple(_sources(evidence, name)) if outcome else (),
        incumbents=tuple(evidence.paths.get(name, ())),
        n_parameters=n_parameters(plan, name, outcome.config.params) if outcome else None,
        epoch_seconds=outcome.config.seconds / outcome.config.epochs_run if outcome else None,
        lacking=_lacking(evidence, name, outcome) if outcome else (),
    )


def _details(evidence: Evidence, name: str, outcome: Outcome) -> DetailsView:
    by_loss = evidence.by_loss.get(name, {})
    return details(evidence.plan, outcome.figures, evidence.tested[name], evidence.validated[name], by_loss)


def _set_calibrations(evidence: Evidence, name: str) -> dict[str, CalibrationView]:
    """The calibration on each test set of one division, where there are several."""
    sets = by_test_set(evidence.plan, evidence.tested[name])
    validated = evidence.validated[name]
    return {which: calibration(validated, own) for which, own in sets.items()} if len(sets) > 1 else {}


def _lacking(evidence: Evidence, name: str, outcome: Outcome) -> tuple[LackView, ...]:
    plan = evidence.plan
    return lack_views(evidence.without.get(name, {}), outcome.config.params, len(plan.classes), plan.missing())


def _sources(evidence: Evidence, name: str) -> list[Source]:
    plan = evidence.plan
    viewed = PROTOCOLS[plan.terms.protocol].viewed(plan, evidence.configs[name])
    return [*variance_sources(viewed, plan.metric), *speaker_source(evidence.tested[name])]


def _whole_searches(outcomes: Mapping[str, Outcome]) -> Iterator[SearchesView]:
    for variant, names in searched(outcomes).items():
        if len(names) > 1:
            figures = [outcomes[name].figures["test"] for name in names]
            test = {metric: MetricView.of(spread([each[metric].mean for each in figures])) for metric in METRICS}
            yield SearchesView(variant, tuple(names), test)


def _late(plan: Plan, configs: Sequence[ConfigResult], outcome: Outcome) -> LateRuns:
    return late_runs(validation_curves(configs, outcome.uses, plan.metric), plan.terms.epochs)


def _probe(plan: Plan, found: Probe) -> dict[str, VariantView]:
    """The row of the linear probe, where it has figures."""
    if found.figures is None:
        return {}
    title = "logistic regression on frozen features"
    sets = {
        name: TestSetView(plan.corpus["groups"][name], metric_views(scores)) for name, scores in found.test_sets.items()
    }
    setting = SettingView(None, parts_view(found.figures), sets)
    modalities = tuple(found.features)
    return {PROBE: VariantView(PROBE, title, modalities, setting, None, None, False, CostView(), role=PROBE)}


def _nested(found: NestedFigures) -> NestedView:
    return NestedView(found.choices, parts_view(found.shared), found.optimism)


def _cost(plan: Plan, configs: Sequence[ConfigResult]) -> CostView:
    return CostView(
        n_configs=len(configs),
        outcomes=dict(sorted(Counter(config.outcome.value for config in configs).items())),
        lost={config.number: config.reason for config in configs if config.outcome in LOST},
        n_fold_runs=sum(len(config.runs()) for config in configs),
        epochs=sum(config.epochs_run for config in configs),
        seconds=round(sum(config.seconds for config in configs), 2),
        search_seconds=round(sum(run.seconds for config in configs for run in config.folds.values()), 2),
        out_of_time=plan.seconds is not None and len(configs) < plan.terms.n_configs,
    )


def _reference(plan: Plan, name: str) -> dict[str, tuple[float, float]] | None:
    """The published table's row of a variant that has one, where this is the corpus that it was published for."""
    published = VARIANTS[variant_of(name)].published
    its_corpus = len(plan.classes) == PUBLISHED_CLASSES and plan.corpus["utterances"] == PUBLISHED_UTTERANCES
    return published.figures() if published is not None and its_corpus else None
