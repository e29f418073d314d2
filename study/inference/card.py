"""The card of a model folder: README.md, from its config and its figures. Every figure is one of metrics.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from study.inference.model_config import ModelConfig
from study.modalities import MODALITIES
from study.report.formats import format_percent, format_score
from study.training.metrics import LEGEND, METRICS

PIPELINE_TAG, LIBRARY = "audio-classification", "ser-study"
# What the hub calls the metrics.
METRIC_TYPES = {"WA": "accuracy", "UWA": "balanced_accuracy", "WF1": "f1", "UWF1": "f1"}
WEIGHTS_NOTES = {
    "folds": "The folder holds {n} models, one for each fold and seed of the study. A prediction is the mean of their "
    "probabilities. Figures in metrics.json are those of single models on what was held out of each; the mean of all "
    "was scored on nothing held out.",
    "refit": "The folder holds one model, trained on all data for as long as the fold runs of the study (their median "
    "epoch). Nothing was held out of it, so it has no score of its own: figures in metrics.json are those of the fold "
    "runs.",
}
CALIBRATION_NOTES = {
    "folds": "The mean of several models is less sure than each; it was not measured.",
    "refit": "This model is another than those: all data trained it, so nothing is left to fit a temperature of its "
    "own on, and how well the folds' suits it was not measured.",
}
DEMO = "demo"
DEMO_NOTE = (
    "It was trained on the embedded demo corpus, whose voices are a synthesiser's: it is for learning the tool, and "
    "says nothing about people."
)
LIMITS = """\
- Emotions here are labels that annotators gave to recordings of one corpus: acted or spontaneous, in its language and
  culture, by its speakers and microphones. On other recordings it may be far worse; `ser-study evaluate` measures that.
- A label is what a voice and words resemble, not what a person feels. It is no ground for decisions about people.
- Groups that the corpus does not name (age, accent, health) were not tested."""


def card(config: ModelConfig, metrics: Mapping[str, Any], license: str | None) -> str:
    """The text of README.md; `license` is the model's, as the user gives it."""
    sections = (
        _about(config, metrics, license),
        _figures(metrics),
        _by_class(metrics),
        _by_group(metrics),
        _calibration(config, metrics),
        ["## Limits", LIMITS],
        _use(config),
        _origin(config, metrics),
    )
    text = "\n\n".join(paragraph for section in sections for paragraph in section)
    return f"---\n{_data(config, metrics, license).to_yaml()}\n---\n\n{text}\n"


def warning(config: ModelConfig) -> str:
    """What the figures of a model do and do not mean."""
    note = WEIGHTS_NOTES[config.weights].format(n=len(config.members))
    return f"{note} {DEMO_NOTE}" if config.corpus["name"] == DEMO else note


def _data(config: ModelConfig, metrics: Mapping[str, Any], license: str | None) -> ModelCardData:
    """What the hub reads: tags, encoders, and results."""
    specs = [own.spec for own in config.modalities.values()]
    encoders = [spec.name for spec in specs if "/" in spec.name and not Path(spec.name).is_absolute()]
    results = [
        EvalResult(
            task_type=PIPELINE_TAG,
            dataset_type=config.corpus["name"],
            dataset_name=config.corpus["name"],
            dataset_split=metrics["held_out"],
            metric_type=METRIC_TYPES[name],
            metric_name=name,
            metric_value=f"{100 * found['mean']:.1f} ± {100 * found['std']:.1f}",
        )
        for name, found in metrics["tuned"]["test"].items()
        if config.weights == "folds"  # one model of all data has no score of its own
    ]
    return ModelCardData(
        library_name=LIBRARY,
        pipeline_tag=PIPELINE_TAG,
        license=license,
        tags=["speech-emotion-recognition"],
        base_model=encoders or None,
        model_name=f"{config.study['name']}-{config.variant}",
        eval_results=results or None,
    )


def _about(config: ModelConfig, metrics: Mapping[str, Any], license: str | None) -> Iterator[str]:
    yield f"# {config.study['name']}: {config.variant}"
    yield f"Emotions in speech: {', '.join(config.classes)}. Licence: {license or 'not stated'}."
    yield warning(config)
    if license is None:
        yield "The corpus has a licence of its own, which may restrict what is derived from it; it is not known here."


def _figures(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield "## Figures"
    yield f"Mean and standard deviation over {metrics['over']}, on test, as `ser-study report` shows them. {LEGEND}."
    rows = {"tuned": metrics["tuned"], "published setting": metrics["published"]}
    if metrics["shared"]:
        rows["this one configuration"] = metrics["shared"]
    lines = [f"| | {' | '.join(METRICS)} |", f"|---|{'---|' * len(METRICS)}"]
    for title, found in rows.items():
        if found:
            cells = (f"{format_score(each['mean'])} ± {format_score(each['std'])}" for each in found["test"].values())
            lines.append(f"| {title} | {' | '.join(cells)} |")
    for lack in metrics.get("lacking", ()):
        if lack["learned"]:
            cells = (f"{format_score(each['mean'])} ± {format_score(each['std'])}" for each in lack["test"].values())
            lines.append(f"| without {lack['lack']} | {' | '.join(cells)} |")
    yield "\n".join(lines)
    guess = format_score(1 / len(metrics["corpus"]["classes"]))
    yield f"A guess scores {guess} UWA. {metrics['protocol_note'].capitalize()}."


def _by_class(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield "## By class"
    counts = metrics["corpus"]["classes"]
    lines = ["| class | utterances | recall |", "|---|---|---|"]
    lines += [
        f"| {_cell(name)} | {counts[name]} | {format_score(recall)} |"
        for name, recall in metrics["details"]["recalls"].items()
    ]
    yield "\n".join(lines)
    for pair in metrics["details"]["pairs"]:
        first, second = _cell(pair["first"]), _cell(pair["second"])
        yield (
            f"Of {first}, {format_percent(pair['first_as_second'])} are taken for {second}; of {second}, "
            f"{format_percent(pair['second_as_first'])} for {first}."
        )


def _by_group(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield "## By held-out group"
    lines = [f"| group | {' | '.join(METRICS)} |", f"|---|{'---|' * len(METRICS)}"]
    lines += [
        f"| {_cell(name)} | {' | '.join(format_score(found[metric]) for metric in METRICS)} |"
        for name, found in metrics["groups"].items()
    ]
    yield "\n".join(lines)


def _calibration(config: ModelConfig, metrics: Mapping[str, Any]) -> Iterator[str]:
    found = metrics["calibration"]
    yield "## Calibration"
    before = f"a log loss of {found['log_loss']:.3f} and an expected calibration error of {found['error']:.3f} before"
    after = f"{found['log_loss_scaled']:.3f} and {found['error_scaled']:.3f} after scaling"
    yield (
        f"Probabilities are scaled by a temperature of {found['temperature']:.2f}, fitted on validation of the fold "
        f"runs. On test, fold models have {before}, {after}. {CALIBRATION_NOTES[config.weights]}"
    )


def _use(config: ModelConfig) -> Iterator[str]:
    words = ', text="..."' if config.reads_words else ""
    file = "a.mp4" if config.reads_video else "a.wav"
    inputs = f'"{file}"' if config.reads_files else "None"
    yield "## Use"
    yield (
        "```python\nfrom study import SerModel\n\n"
        f'model = SerModel.from_pretrained("this folder")\nmodel({inputs}{words})\n```'
    )
    arguments = [file] * config.reads_files + ['--text "..."'] * config.reads_words
    yield f"```\nser-study predict this-folder {' '.join(arguments)}\n```"
    if without := [MODALITIES[name].noun for name in config.modalities if config.may_lack(name)]:
        yield f"It was trained to predict without {' or '.join(without)}, too: leave them out where there are none."


def _origin(config: ModelConfig, metrics: Mapping[str, Any]) -> Iterator[str]:
    corpus = metrics["corpus"]
    yield "## Where it is from"
    lines = [f"- corpus: {corpus['name']}, {corpus['utterances']} utterances, digest {config.corpus['digest'][:16]}"]
    for modality, own in config.modalities.items():
        lines.append(f"- {modality}: {_cell(_shown(own.spec.label))}")
    lines.append(f"- study: {config.study['name']}, ledger {config.study['ledger'][:16]}")
    lines += [f"- {name}: {_cell(str(value))}" for name, value in metrics["params"].items()]
    yield "\n".join(lines)


def _shown(label: str) -> str:
    """An encoder's label without the folders of this machine."""
    return Path(label).name if Path(label).is_absolute() else label


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")
