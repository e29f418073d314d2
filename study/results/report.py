"""The report of a study, computed from its folder alone: plan, ledger and stored predictions."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.results import ledger
from study.results.aggregate import ConfigResult, configurations
from study.results.chance import random_scores
from study.results.charts import learning_curves, metric_per_variant, optimisation_history
from study.results.conclusions import as_json, comparisons, conclusion
from study.results.nested import tested_blocks
from study.results.page import html_page
from study.results.parameter_charts import parallel_coordinates, parameter_importance
from study.results.pictures import confusion_picture, fold_confusions_picture
from study.results.plan import Plan
from study.results.predictions import (
    TestedFold,
    class_recalls,
    close_pairs,
    metrics_by_script,
    pooled_confusion,
    prediction_rows,
    require_agreement,
    tested_folds,
    words_seen,
    write_predictions,
)
from study.results.reference import CLASSES, REFERENCE, UTTERANCES
from study.results.selection import Selection, as_figures, selection, viewed
from study.results.text_page import PARTS, markdown
from study.storage import put
from study.training.metrics import METRICS

PROTOCOL_NOTES = {
    "shared": "not nested: every session has served as validation in the choice of the configuration; "
    "test scores were never read by it",
    "nested": "for every test session, a configuration and an epoch were chosen from runs and by scores of other "
    "sessions alone; a score is the mean over the runs that held the session out",
}
# Of what a sampler knows, the choice of the configurations to try is made.
ADAPTIVE = ("gp", "tpe")


@dataclass(frozen=True)
class Report:
    """What was written: the figures as in `report.json`, and the files."""

    data: dict[str, Any]
    files: tuple[Path, ...]


def write(folder: Path, spaces: Mapping[str, Callable[[Any], object]]) -> Report:
    """Compute and write the report: `report.html`, `.json` and `.md`, `predictions.csv`, and the pictures.

    `spaces` has the function that draws a configuration, by variant: for the parameters' importance.

    Raises:
        UserError: there is no study in `folder`, or its ledger or predictions are broken.
    """
    plan = Plan.read(folder)
    found = configurations(ledger.read(folder / "ledger.jsonl"))
    selected = {name: best for name in plan.variants if (best := selection(plan, found.get(name, []))) is not None}
    tested = {name: tested_folds(folder, plan, chosen.uses) for name, chosen in selected.items()}
    if plan.protocol == "shared":
        for chosen in selected.values():
            require_agreement(folder, plan, (result for runs in chosen.config.reported().values() for result in runs))
    data = report_data(plan, found, selected, tested)
    drawn = draw(folder / "pictures", plan, data, found, tested, spaces)
    texts = {
        "report.json": json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": markdown(data),
        "report.html": html_page(data, drawn),
    }
    for name, text in texts.items():
        put(folder / name, text)
    rows = (row for folds in tested.values() for row in prediction_rows(folds, plan.classes))
    write_predictions(folder / "predictions.csv", rows, plan.classes)
    files = [folder / name for name in (*texts, "predictions.csv")]
    return Report(data, (*files, *drawn.values()))


def draw(
    folder: Path,
    plan: Plan,
    data: Mapping[str, Any],
    found: Mapping[str, Sequence[ConfigResult]],
    tested: Mapping[str, Sequence[TestedFold]],
    spaces: Mapping[str, Callable[[Any], object]],
) -> dict[str, Path]:
    """Draw every picture of the report into `folder`; gives them by name, "metric" or for example "curves-cross"."""
    folder.mkdir(exist_ok=True)
    drawn: dict[str, Path] = {}

    def file(name: str) -> Path:
        drawn[name] = folder / f"{name}.png"
        return drawn[name]

    if tested:
        metric_per_variant(file("metric"), data, plan.metric)
    for name, folds in tested.items():
        configs, number = viewed(plan, found[name]), data["variants"][name]["selected"]
        confusion = pooled_confusion(folds, len(plan.classes))
        confusion_picture(file(f"confusion-{name}"), confusion, plan.classes, f"{name}: all test folds")
        by_fold = {
            f"test {block}": pooled_confusion([fold for fold in folds if fold.block == block], len(plan.classes))
            for block in dict.fromkeys(fold.block for fold in folds)
        }
        fold_confusions_picture(file(f"folds-{name}"), by_fold, plan.classes, f"{name}: every test fold")
        learning_curves(file(f"curves-{name}"), configs, number, plan.metric, f"{name}: learning curves")
        optimisation_history(file(f"history-{name}"), configs, plan.metric, number)
        parallel_coordinates(file(f"coordinates-{name}"), configs, plan.metric)
        if not parameter_importance(folder / f"importance-{name}.png", configs, spaces[name], plan.metric):
            continue
        file(f"importance-{name}")
    return drawn


def report_data(
    plan: Plan,
    found: Mapping[str, Sequence[ConfigResult]],
    selected: Mapping[str, Selection],
    tested: Mapping[str, Sequence[TestedFold]],
) -> dict[str, Any]:
    """The figures of the study, ready for JSON."""
    compared = comparisons(plan, selected, tested)
    variants: dict[str, Any] = {}
    for name in plan.variants:
        if name == "random":
            variants[name] = _random(plan)
        else:
            variants[name] = _variant(plan, found.get(name, []), selected.get(name))
            if name in tested:
                variants[name] |= _details(plan, variants[name], tested[name])
        variants[name]["reference"] = _reference(plan, name)
    return {
        "name": plan.name,
        "corpus": plan.corpus,
        "classes": plan.classes,
        "encoders": plan.encoders,
        "protocol": plan.protocol,
        "protocol_note": _protocol_note(plan),
        "over": f"{len(tested_blocks(plan))} {'test sessions' if plan.protocol == 'nested' else 'folds'}",
        "metric": plan.metric.lower(),
        "std_ddof": 1,
        "epochs": plan.epochs,
        "rungs": plan.rungs,
        "finalists": plan.finalists,
        "seeds": plan.seeds,
        "seed": plan.seed,
        "folds": plan.folds,
        "environment": plan.environment,
        "variants": variants,
        "comparisons": [as_json(comparison) for comparison in compared],
        "conclusion": conclusion(compared, plan),
    }


def _random(plan: Plan) -> dict[str, Any]:
    scores = {part: as_figures(random_scores(plan, part)) for part in PARTS}
    nothing: dict[str, Any] = {
        "n_configs": 0,
        "n_complete": 0,
        "outcomes": {},
        "lost": {},
        "n_fold_runs": 0,
        "epochs_run": 0,
        "out_of_time": False,
    }
    return {"config": None, "selected": None, **scores, "published": None, **nothing, "seconds": 0.0}


def _protocol_note(plan: Plan) -> str:
    note = PROTOCOL_NOTES[plan.protocol]
    if plan.protocol == "nested" and plan.sampler in ADAPTIVE:
        note += f"; but which configurations were tried was up to the sampler {plan.sampler}, which knows all sessions"
    return note


def _variant(plan: Plan, configs: Sequence[ConfigResult], selected: Selection | None) -> dict[str, Any]:
    outcomes = [config.outcome for config in configs]
    published = selected.published if selected else None
    return {
        "config": selected.config.params if selected else None,
        "selected": selected.config.number if selected else None,
        "confirmed": selected.config.confirmed if selected else False,
        **{part: as_figures(selected.figures[part]) if selected else None for part in PARTS},
        "published": {"config": configs[0].params, **{part: as_figures(published[part]) for part in PARTS}}
        if published
        else None,
        **({"nested": selected.nested} if selected and selected.nested else {}),
        "n_configs": len(configs),
        "n_complete": outcomes.count("complete"),
        "outcomes": {name: outcomes.count(name) for name in sorted(set(outcomes))},
        "lost": {c.number: c.reason for c in configs if c.outcome in ("failed", "diverged")},
        "n_fold_runs": sum(len(config.runs()) for config in configs),
        "epochs_run": sum(config.epochs_run for config in configs),
        "seconds": round(sum(config.seconds for config in configs), 2),
        "out_of_time": plan.seconds is not None and len(configs) < plan.n_configs,
    }


def _details(plan: Plan, variant: Mapping[str, Any], folds: Sequence[TestedFold]) -> dict[str, Any]:
    seen = words_seen(plan)
    return {
        "optimism": {
            metric: variant["validation"][metric]["mean"] - variant["test"][metric]["mean"] for metric in METRICS
        },
        "recalls": class_recalls(folds, plan.classes),
        "pairs": close_pairs(folds, plan.classes),
        "by_script": metrics_by_script(folds, len(plan.classes)) | ({} if seen is None else {"words_seen": seen}),
    }


def _reference(plan: Plan, variant: str) -> dict[str, tuple[float, float]] | None:
    """The published row, where this is the corpus that it was published for."""
    same_corpus = len(plan.classes) == CLASSES and plan.corpus["utterances"] == UTTERANCES
    return REFERENCE[plan.reference_rows[variant]] if same_corpus else None
