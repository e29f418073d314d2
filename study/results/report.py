"""The report of a study, computed from its folder alone: plan, ledger and stored predictions."""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.results import ledger
from study.results.aggregate import (
    ConfigResult,
    Spread,
    best_by_validation,
    configurations,
    metrics_over_folds,
)
from study.results.pictures import confusion_picture
from study.results.plan import Plan
from study.training.checkpoint import load_predictions
from study.training.metrics import METRICS, confusion_matrix


@dataclass(frozen=True)
class Report:
    """What was written: the figures as in `report.json`, and the files."""

    data: dict[str, Any]
    files: tuple[Path, ...]


def write(folder: Path) -> Report:
    """Compute and write `report.json`, `report.md`, `predictions.csv` and a confusion matrix per variant.

    Raises:
        UserError: there is no study in `folder`, or its ledger is broken.
    """
    plan = Plan.read(folder)
    found = configurations(ledger.read(folder / "ledger.jsonl"))
    selected = {
        name: best
        for name in plan.variants
        if (best := best_by_validation(found.get(name, []), plan.metric)) is not None
    }
    data = report_data(plan, found, selected)
    rows = [row for config in selected.values() for row in prediction_rows(folder, plan, config)]
    files = [folder / "report.json", folder / "report.md", folder / "predictions.csv"]
    _replace(files[0], json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    _replace(files[1], markdown(data))
    _write_predictions(files[2], rows, plan.classes)
    for name in selected:
        picture = folder / f"confusion-{name}.png"
        confusion_picture(
            picture, _pooled_confusion(rows, name, plan.classes), plan.classes, f"{name}: test folds pooled"
        )
        files.append(picture)
    return Report(data, tuple(files))


def report_data(
    plan: Plan, found: Mapping[str, Sequence[ConfigResult]], selected: Mapping[str, ConfigResult]
) -> dict[str, Any]:
    """The figures of the study, ready for JSON."""
    return {
        "name": plan.name,
        "corpus": plan.corpus,
        "classes": plan.classes,
        "encoders": plan.encoders,
        "protocol": plan.protocol,
        "protocol_note": (
            "not nested: every session has served as validation in the choice of the configuration; "
            "test scores were never read by it"
        ),
        "metric": plan.metric.lower(),
        "std_ddof": 1,
        "epochs": plan.epochs,
        "rungs": plan.rungs,
        "seed": plan.seed,
        "folds": plan.folds,
        "environment": plan.environment,
        "variants": {name: _variant(plan, found.get(name, []), selected.get(name)) for name in plan.variants},
    }


def prediction_rows(folder: Path, plan: Plan, config: ConfigResult) -> Iterator[dict[str, Any]]:
    """One row per utterance of the corpus: what the configuration said of it in the fold that tested it."""
    labels = {utterance["id"]: utterance["label"] for utterance in plan.utterances}
    for number in sorted(config.folds):
        run = config.folds[number].run
        ids, probabilities = load_predictions(folder / "predictions" / f"{run.name}.safetensors", "test")
        for id, row in zip(ids, probabilities.tolist(), strict=True):
            yield {
                "variant": config.variant,
                "utterance_id": id,
                "fold": number,
                "seed": run.seed,
                "label": labels[id],
                "prediction": plan.classes[int(np.argmax(row))],
                **{f"p_{name}": f"{value:.6f}" for name, value in zip(plan.classes, row, strict=True)},
            }


def markdown(data: Mapping[str, Any]) -> str:
    """The report as a page of text."""
    corpus, first_fold = data["corpus"], data["folds"][0]
    lines = [
        f"# {data['name']}",
        "",
        f"{corpus['utterances']} utterances of {corpus['name']}, {len(data['classes'])} classes: "
        + ", ".join(f"{name} {count}" for name, count in corpus["classes"].items())
        + ".",
        "",
        f"{len(data['folds'])} folds; each holds out one block of sessions as test and another whole one as "
        f"validation (fold 0: test {'+'.join(first_fold['test'])}, validation {'+'.join(first_fold['validation'])}). "
        f"Audio by {data['encoders'].get('audio', '-')}, words by {data['encoders'].get('text', '-')}. "
        f"At most {data['epochs']} epochs; configurations are compared at epochs {data['rungs']} by validation "
        f"{data['metric'].upper()}, mean over folds. Seed {data['seed']}.",
        "",
        f"Protocol {data['protocol']}: {data['protocol_note']}.",
        "",
        "WA accuracy, UWA balanced accuracy, WF1 F1 weighted by support, UWF1 macro F1. "
        "Mean ± standard deviation over folds (n - 1).",
        "",
        "| variant | setting | part | " + " | ".join(METRICS) + " |",
        "|---|---|---|" + "---|" * len(METRICS),
    ]
    for row in table_rows(data):
        lines.append("| " + " | ".join(row) + " |")
    for name, variant in data["variants"].items():
        lines += ["", f"## {name}", "", _budget_sentence(variant), ""]
        if variant["config"] is not None:
            lines.append(f"Selected configuration {variant['selected']}:")
            lines += ["", *(f"- {key}: {format_value(value)}" for key, value in variant["config"].items())]
            lines += ["", f"![confusion matrix of {name}](confusion-{name}.png)"]
    return "\n".join(lines) + "\n"


def table_rows(data: Mapping[str, Any]) -> Iterator[list[str]]:
    """Variant, setting, part and the four metrics as text, for the tuned and the published setting."""
    for name, variant in data["variants"].items():
        for setting, source in (("tuned", variant), ("published", variant["published"])):
            for part in ("validation", "test"):
                if source is not None and source.get(part) is not None:
                    values = [format_spread(source[part][metric]) for metric in METRICS]
                    yield [name, setting, part, *values]


def format_spread(spread: Mapping[str, float]) -> str:
    """Mean and standard deviation the way the field prints them, ".512 ± .014"."""
    return " ± ".join(f"{spread[key]:.3f}".removeprefix("0") for key in ("mean", "std"))


def format_value(value: Any) -> str:
    """A parameter's value, short."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _variant(plan: Plan, configs: Sequence[ConfigResult], selected: ConfigResult | None) -> dict[str, Any]:
    outcomes = [config.outcome for config in configs]
    published = configs[0] if configs and configs[0].outcome == "complete" else None
    return {
        "config": selected.params if selected else None,
        "selected": selected.number if selected else None,
        "test": _parts(plan, selected)["test"] if selected else None,
        "validation": _parts(plan, selected)["validation"] if selected else None,
        "published": {"config": published.params, **_parts(plan, published)} if published else None,
        "n_configs": len(configs),
        "n_complete": outcomes.count("complete"),
        "outcomes": {name: outcomes.count(name) for name in sorted(set(outcomes))},
        "lost": {c.number: c.reason for c in configs if c.outcome in ("failed", "diverged")},
        "n_fold_runs": sum(len(config.folds) for config in configs),
        "epochs_run": sum(config.epochs_run for config in configs),
        "seconds": round(sum(config.seconds for config in configs), 2),
    }


def _parts(plan: Plan, config: ConfigResult) -> dict[str, Any]:
    return {
        part: {name: _spread(value) for name, value in metrics_over_folds(config, part, plan.metric).items()}
        for part in ("validation", "test")
    }


def _spread(spread: Spread) -> dict[str, Any]:
    low, high = spread.interval()
    return {**asdict(spread), "low": low, "high": high}


def _budget_sentence(variant: Mapping[str, Any]) -> str:
    outcomes = ", ".join(f"{count} {name}" for name, count in variant["outcomes"].items())
    return (
        f"{variant['n_configs']} configurations ({outcomes}), {variant['n_fold_runs']} fold runs, "
        f"{variant['epochs_run']} epochs, {variant['seconds']:.0f} s of training."
    )


def _pooled_confusion(rows: Sequence[Mapping[str, Any]], variant: str, classes: list[str]) -> NDArray[np.int64]:
    index = {name: number for number, name in enumerate(classes)}
    mine = [row for row in rows if row["variant"] == variant]
    labels = np.array([index[row["label"]] for row in mine], dtype=np.int64)
    predictions = np.array([index[row["prediction"]] for row in mine], dtype=np.int64)
    return confusion_matrix(labels, predictions, len(classes))


def _write_predictions(path: Path, rows: Sequence[Mapping[str, Any]], classes: list[str]) -> None:
    columns = ["variant", "utterance_id", "fold", "seed", "label", "prediction", *(f"p_{name}" for name in classes)]
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    os.replace(temporary, path)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
