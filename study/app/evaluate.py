"""The verb `evaluate`: what a model reaches on a labelled corpus."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from study.app.model_place import model_at
from study.app.output import plain_table, print_line
from study.app.predict import EncoderPlaces
from study.app.step_progress import step_progress
from study.app.transfer import add_to_report
from study.corpus.utterance import Corpus
from study.errors import FAILED, FINISHED, UserError
from study.inference.batch import Outcome, outcomes
from study.inference.evaluate import (
    Evaluation,
    Interval,
    Labelled,
    evaluation,
    labelled,
    overlap_notes,
    require_unseen,
)
from study.inference.inputs import Item
from study.inference.predictor import Predictor
from study.inference.trained_on import Overlap
from study.inference.transfer import transfer_of
from study.option import option
from study.plurals import counted
from study.report.formats import NOTHING, format_score
from study.training.metrics import MEANINGS

SHOWN_FAILURES = 5


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """On what a model is evaluated."""

    corpus: str = option(
        "--corpus",
        "the labelled corpus: a manifest or a release (needed; with --words where the study's corpus is now)",
        default="",
        metavar="PATH",
    )
    words: Path | None = option(  # noqa: RUF009 (it declares the field)
        "--words",
        "score the fold models of the study MODEL on recognised words: a manifest that `transcribe` wrote (none)",
        default=None,
        metavar="CSV",
        read=Path,
    )
    labels: str | None = option(
        "--labels",
        "label preset: 7, 6, 5 or 4 classes (none)",
        default=None,
        metavar="SET",
        table="labels",
    )
    label_map: Path | None = option(  # noqa: RUF009 (it declares the field)
        "--label-map", "maps the corpus's labels to the model's classes (none)", default=None, metavar="JSON", read=Path
    )
    allow_outside_files: bool = option(
        "--allow-outside-files", "let a manifest name files outside its folder", default=False
    )
    as_json: bool = option("--json", "print the figures as JSON, for programs", default=False)

    def __post_init__(self) -> None:
        """Make sure that there is a corpus, and no option that recognised words have no use for.

        Raises:
            UserError: there is none, or there is such an option.
        """
        if self.words is None and not self.corpus:
            raise UserError(
                "an evaluation needs a labelled corpus, or recognised words of the study's own; name it with --corpus, "
                "or these with --words"
            )
        if self.words is not None and (self.labels or self.label_map or self.allow_outside_files or self.as_json):
            raise UserError(
                "--words has the labels of the study and writes its report; leave out --labels, --label-map, "
                "--allow-outside-files and --json"
            )


def evaluate_model(name: str, output: Path, options: EvaluateOptions, places: EncoderPlaces, console: Console) -> int:
    """Print what the model that `name` stands for reaches; FAILED if some utterances could not be predicted."""
    aside = Console(stderr=True, quiet=console.quiet)
    place = model_at(name, output, aside)
    predictor = places.predictor(place)
    config = predictor.config
    own = labelled(config, options.corpus, options.labels, options.label_map, options.allow_outside_files)
    overlap = _overlap(predictor, own.corpus, aside)
    require_unseen(config, own.corpus, overlap)
    found = evaluation(config.classes, _predicted(predictor, own.corpus, aside))
    report = add_to_report(place, transfer_of(config, own, found, overlap))
    notes = [*own.corpus.notes, *overlap_notes(overlap, config.modalities), *found.remarks]
    if options.as_json:
        facts = {"corpus": own.corpus.name, "n_all": own.n_all, **asdict(found)}
        facts |= {"training_overlap": asdict(overlap) if overlap else None, "notes": notes}
        console.file.write(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    else:
        _print(console, own, found, notes)
    if report is not None:
        print_line(aside, f"section Transfer of the study's report  {report}")
    for id, reason in list(found.failed.items())[:SHOWN_FAILURES]:
        print_line(aside, f"{id}: {reason}", style="red")
    if found.failed:
        print_line(aside, f"{counted(len(found.failed), 'utterance')} could not be predicted", style="red")
    return FAILED if found.failed else FINISHED


def _predicted(predictor: Predictor, corpus: Corpus, aside: Console) -> list[Outcome]:
    items, found = [Item(str(utterance.audio), utterance) for utterance in corpus.utterances], list[Outcome]()
    with step_progress(aside) as on_progress:
        # Read as the study read its corpus: an utterance as a whole, however long.
        for outcome in outcomes(predictor, items, 0):
            found.append(outcome)
            on_progress("predicting", len(found), len(items))
    return found


def _overlap(predictor: Predictor, corpus: Corpus, aside: Console) -> Overlap | None:
    """How many of the utterances were in the training corpus; None where the model does not say what was in it."""
    if (trained_on := predictor.model.trained_on) is None:
        return None
    with step_progress(aside) as on_progress:
        return trained_on.overlap(
            corpus.utterances,
            reads=predictor.config.modalities,
            on_read=lambda done, total: on_progress("comparing with the training corpus", done, total),
        )


def _print(console: Console, own: Labelled, found: Evaluation, notes: list[str]) -> None:
    size = f"{counted(found.n_utterances, 'utterance')} of {counted(found.n_units, found.unit)}"
    print_line(console, f"{own.corpus.name}: {size}")
    for note in notes:
        print_line(console, f"  {note}", style="yellow")
    for line in _coverage(own, found):
        print_line(console, f"  {line}")
    _print_scores(console, found.scores)
    if found.absent:
        print_line(
            console, f"among the {counted(len(found.classes), 'shared class')} alone, probabilities renormalised:"
        )
        _print_scores(console, found.shared)
    print_line(console, f"intervals: {counted(found.n_units, found.unit)} resampled" if found.n_units > 1 else "")
    table = plain_table("recall of", "", "utterances", right=("", "utterances"))
    for name, recall in found.recalls.items():
        table.add_row(escape(name), format_score(recall.value), f"{recall.n_utterances:,}")
    console.print(table)


def _coverage(own: Labelled, found: Evaluation) -> Iterator[str]:
    """In lines, of how much of the corpus and of the model's classes scores are, and what an absent class counts."""
    n_classes = len(found.classes) + len(found.absent)
    yield (
        f"coverage: {len(own.corpus.utterances)} of {counted(own.n_all, 'utterance')} have a label of the model, and "
        f"{len(found.classes)} of its {counted(n_classes, 'class')} occur"
    )
    if found.absent:
        names = ", ".join(found.absent)
        yield f"among all {n_classes} classes, each that does not occur ({names}) counts 0 in UWF1 and is not in UWA:"


def _print_scores(console: Console, scores: Mapping[str, Interval]) -> None:
    columns = ("score", "95 % interval")
    table = plain_table("", *columns, "", right=columns)
    for name, score in scores.items():
        interval = NOTHING if score.low is None else f"{format_score(score.low)} to {format_score(score.high)}"
        table.add_row(name, format_score(score.value), interval, MEANINGS[name])
    console.print(table)
