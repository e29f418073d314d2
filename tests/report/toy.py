"""Small studies of made-up predictions: a plan, a ledger by the real conductor, and a report's view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from study.corpus.folds import group_pairs, leave_one_group_out
from study.features.spec import EncoderSpec, FeatureChoice
from study.record.begun import take_up
from study.record.events import EpochDone, FoldRun
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.record.plan import Plan
from study.record.terms import Terms
from study.report.metric_view import MetricView
from study.report.variant_view import CostView, DetailsView, FeatureView, PairView, ScriptView, SettingView, VariantView
from study.report.view import ComparisonView, ReportView, TermView
from study.samplers.proposer import published_params
from study.samplers.space import spaces_of
from study.search.state import Continue
from study.searches import conductor_of
from study.training.loop import Predictions
from study.training.metrics import METRICS, score
from study.training.predictions import PARTS, origin_of, save_predictions
from study.variants import VARIANTS

CLASSES = ("angry", "happy", "excited", "sad", "neutral", "frustrated", "surprise")


def toy_plan(
    classes: Sequence[str] = CLASSES[:3], sessions: int = 3, utterances: int = 12, speakers: int = 2, **changes: Any
) -> Plan:
    """A study of `sessions` sessions with `utterances` each, in turn of every class, speaker and script."""
    terms = changes.pop("terms", Terms(n_configs=4, epochs=4, policy="asha", sampler="qmc"))
    groups = [f"Ses{number:02d}" for number in range(1, sessions + 1)]
    sizes = dict.fromkeys(groups, utterances)
    divide = group_pairs if terms.protocol == "nested" else leave_one_group_out
    said = [
        {
            "id": f"{group}_{number:03d}",
            "label": classes[number % len(classes)],
            "group": group,
            "speaker": f"{group}{'FMX'[number // len(classes) % speakers]}",
            "script": ("improvised", "scripted")[number % 2],
            "words": f"{number % 5}",
        }
        for group in groups
        for number in range(utterances)
    ]
    counts = {name: sum(each["label"] == name for each in said) for name in classes}
    corpus = {"name": "toy", "digest": "0123456789abcdef", "utterances": len(said), "classes": counts, "groups": sizes}
    fields: dict[str, Any] = {
        "name": "toy",
        "corpus": corpus,
        "classes": list(classes),
        "folds": [asdict(fold) for fold in divide(sizes)],
        "features": {
            "audio": [FeatureChoice(EncoderSpec("logmel"), "a")],
            "text": [FeatureChoice(EncoderSpec("hash"), "t")],
        },
        "utterances": said,
        "variants": ["cross"],
        "terms": terms,
        "environment": {"torch": "2.11.0", "revision": "57b3eaf"},
        "lookahead": 4,
    }
    return Plan(**fields | changes)


def settings_of(variant: str, n: int = 3) -> list[dict[str, Any]]:
    """`n` settings of a variant's search space, the published one first."""
    published = published_params(VARIANTS[variant])
    return [{**published, "learning_rate": published["learning_rate"] / 2**number} for number in range(n)]


def write_study(folder: StudyFolder, plan: Plan, params: Mapping[str, Sequence[Mapping[str, Any]]]) -> Plan:
    """A finished study of each variant's `params` under asha, by the study's own conductor; gives its plan.

    Every third configuration was stopped. The last epoch of the others is their best, with stored predictions.
    """
    plan = replace(plan, terms=replace(plan.terms, n_configs=max(map(len, params.values()))))
    plan.write(folder)
    ledger, rng = Ledger(folder.ledger), np.random.default_rng(0)
    take_up(ledger, plan, spaces_of(plan))
    conductor = conductor_of(plan, ledger, lambda variant, known: dict(params[variant][len(known)]), slots=1)
    epochs: dict[FoldRun, list[EpochDone]] = {}
    while (run := conductor.next_run()) is not None:
        assignment = conductor.assign(run)
        if run not in epochs:
            epochs[run] = _trained(folder, plan, run, assignment.params, rng)
        for epoch in epochs[run][assignment.epochs_known :]:
            if not isinstance(conductor.report(epoch), Continue):
                break
    return plan


def _trained(
    folder: StudyFolder, plan: Plan, run: FoldRun, params: Mapping[str, Any], rng: np.random.Generator
) -> list[EpochDone]:
    """The epochs of a run; scores of all but the last are so low that every third configuration is stopped."""
    n_epochs, is_poor = plan.terms.epochs, run.config % 3 == 2
    parts = {part: _guessed(plan, run, part, rng) for part in PARTS}
    shares = [
        {
            part: predicted if number == n_epochs else _with_few_right(plan, utterances, 0 if is_poor else number)
            for part, (utterances, predicted) in parts.items()
        }
        for number in range(1, n_epochs + 1)
    ]
    if not is_poor:
        ids = {part: tuple(each["id"] for each in utterances) for part, (utterances, _) in parts.items()}
        after = [Predictions(each["validation"], each["test"]) for each in shares]
        origin = origin_of(run.name, params)
        save_predictions(folder.predictions_of(run), after, range(1, n_epochs + 1), ids, origin)

    def epoch(number: int) -> EpochDone:
        validation, test = (_scores(plan, parts[part][0], shares[number - 1][part]) for part in PARTS)
        return EpochDone(
            run.variant, run.config, run.fold, run.seed, number, 2 / number, validation, test, 0.5, number == n_epochs
        )

    return [epoch(number) for number in range(1, n_epochs + 1)]


def _with_few_right(plan: Plan, utterances: Sequence[Mapping[str, str]], n_right: int) -> torch.Tensor:
    """Class probabilities that are right on the first `n_right` utterances and wrong on all others."""
    labels = torch.tensor([plan.classes.index(each["label"]) for each in utterances])
    wrong = (torch.arange(len(labels)) >= n_right).long()
    return torch.eye(len(plan.classes))[(labels + wrong) % len(plan.classes)]


def _guessed(
    plan: Plan, run: FoldRun, part: str, rng: np.random.Generator
) -> tuple[list[Mapping[str, str]], torch.Tensor]:
    """The utterances of a part, and class probabilities of which about half point at the true class."""
    utterances = [each for each in plan.utterances if each["group"] in plan.folds[run.fold][part]]
    labels = np.array([plan.classes.index(each["label"]) for each in utterances])
    logits = rng.normal(size=(len(labels), len(plan.classes)))
    logits[np.arange(len(labels)), labels] += 1.2
    return utterances, torch.tensor(logits).softmax(1)


def _scores(plan: Plan, utterances: Sequence[Mapping[str, str]], predicted: torch.Tensor) -> dict[str, float]:
    labels = np.array([plan.classes.index(each["label"]) for each in utterances])
    return score(labels, predicted.argmax(1).numpy(), len(plan.classes))


def spread(mean: float, std: float = 0.1) -> MetricView:
    """A metric's view around `mean`."""
    return MetricView(mean, std, (mean - std, mean, mean + std), max(0.0, mean - 2 * std), mean + 2 * std)


def figures(validation: float, test: float) -> dict[str, dict[str, MetricView]]:
    """Figures of which all means and deviations differ."""
    return {
        part: {name: spread(first + 0.011 * n, 0.01 + 0.001 * n) for n, name in enumerate(METRICS)}
        for part, first in (("validation", validation), ("test", test))
    }


def toy_variant(name: str = "cross", **changes: Any) -> VariantView:
    """A variant with a tuned and a published setting and nothing that is optional."""
    fields: dict[str, Any] = {
        "name": name,
        "title": "cross-attention between the modalities",
        "modalities": ("audio", "text"),
        "tuned": SettingView({"heads": 2, "learning_rate": 0.00042558}, figures(0.31, 0.41)),
        "published": SettingView({"heads": 6, "learning_rate": 0.001}, figures(0.51, 0.61)),
        "selected": 4,
        "confirmed": False,
        "cost": CostView(12, {"complete": 5, "stopped": 7}, {}, 60, 398, 404.48),
    }
    return VariantView(**fields | changes)


def full_variant(name: str = "cross", **changes: Any) -> VariantView:
    """A variant with everything that is optional."""
    details = DetailsView(
        optimism={"WA": 0.0181, "UWA": -0.0272, "WF1": 0.0363, "UWF1": 0.0454},
        recalls={"angry": 0.8123},
        pairs=(PairView("angry", "frustrated", 0.2345, 0.3456, spread(0.2876), spread(0.4321)),),
        scripts={"scripted": ScriptView(331, dict.fromkeys(METRICS, 0.9012))},
        words_seen=0.87,
    )
    fields: dict[str, Any] = {
        "details": details,
        "reference": {metric: (0.71 + 0.011 * n, 0.021) for n, metric in enumerate(METRICS)},
        "features": (
            FeatureView("audio", "A, layer 6", 7, spread(0.521), spread(0.432), 1),
            FeatureView("audio", "B", 5, None, None, 0),
        ),
        "cost": CostView(
            12, {"complete": 5, "stopped": 7}, {3: "the training loss is not a finite number"}, 60, 398, 404.48
        ),
    }
    return toy_variant(name, **fields | changes)


def toy_view(*variants: VariantView, **changes: Any) -> ReportView:
    """The view of a report of `variants`, by default one with nothing that is optional."""
    fields: dict[str, Any] = {
        "name": "toy-cross",
        "corpus": {"name": "toy", "utterances": 719, "classes": {"angry": 102}, "groups": {"Ses01": 135}},
        "classes": ("angry",),
        "encoders": {"audio": "logmel"},
        "protocol": "shared",
        "protocol_note": "not nested",
        "over": "5 folds",
        "metric": "UWA",
        "rungs": (2, 4),
        "terms": (TermView("epochs", "12"), TermView("finalists", "3"), TermView("seeds", "0"), TermView("seed", "17")),
        "folds": ({"number": 0, "test": ["Ses01"], "validation": ["Ses02"], "training": ["Ses03", "Ses04"]},),
        "environment": {"torch": "2.11.0", "revision": "57b3eaf"},
        "variants": {variant.name: variant for variant in variants or (toy_variant(),)},
        "comparisons": (),
        "conclusion": (),
    }
    return ReportView(**fields | changes)


def full_view(**changes: Any) -> ReportView:
    """The view of a report with everything that is optional."""
    pair = ComparisonView(
        first="self", second="cross", metric="UWA", differences=(-0.02, 0.0), mean=-0.0123, luck=0.0001, p=0.0123,
        p_holm=0.0001, low=-0.034, high=0.015, smallest=0.0271, worse=0.56, equal=0.33, better=0.11, rope=0.01,
        decision="confirmed", sentence="self trails cross by .012",
    )  # fmt: skip
    others = tuple(replace(pair, metric=name, mean=0.0321 + n) for n, name in enumerate(("WA", "WF1", "UWF1")))
    fields = {"comparisons": (pair,), "conclusion": ("Nothing is certain.",), "other_metrics": others}
    return toy_view(full_variant(), **fields | changes)
