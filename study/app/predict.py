"""The verb `predict`: emotions of recordings, by a model that a study has found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from study.app.model_place import model_at
from study.app.output import print_line
from study.app.pace import clock
from study.app.place import require_file
from study.app.step_progress import step_progress
from study.corpus.quoting import path_text
from study.errors import FAILED, FINISHED, UserError
from study.inference import model_folder
from study.inference.batch import Outcome, outcomes
from study.inference.csv_run import run_to_csv
from study.inference.inputs import Item, items_of, require_there
from study.inference.predictor import SHORTEST_WINDOW_SECONDS, Predictor
from study.inference.recognition import Recogniser
from study.inference.ser_model import scored
from study.option import option
from study.plurals import counted
from study.report.formats import format_score

# Of each of several recordings, so many classes are shown in its line.
SHOWN_OF_SEVERAL = 3


@dataclass(frozen=True, kw_only=True)
class EncoderPlaces:
    """Where the encoders of a model are now."""

    audio_encoder: str | None = option(
        "--audio-encoder", "where the model's audio encoder is now (where it was)", default=None, metavar="DIR"
    )
    text_encoder: str | None = option(
        "--text-encoder", "where the model's text encoder is now (where it was)", default=None, metavar="DIR"
    )
    video_encoder: str | None = option(
        "--video-encoder", "where the model's video encoder is now (where it was)", default=None, metavar="DIR"
    )
    asr: str | None = option(
        "--asr",
        "recognises the words of recordings that have none: hub id or local folder, as openai/whisper-small (none)",
        default=None,
        metavar="ID",
    )
    trust_remote_code: bool = option("--trust-remote-code", "let an encoder run code of its own", default=False)

    def predictor(self, folder: Path) -> Predictor:
        """The model in `folder` with its encoders.

        Raises:
            UserError: a file of the model cannot be used, or an encoder is not there or is another one.
        """
        recogniser = Recogniser(self.asr, self.trust_remote_code) if self.asr is not None else None
        return Predictor(model_folder.read(folder), self.given(), self.trust_remote_code, recogniser)

    def given(self) -> dict[str, str]:
        """By modality, where its encoder is now, where that was said."""
        places = {"audio": self.audio_encoder, "text": self.text_encoder, "video": self.video_encoder}
        return {name: place for name, place in places.items() if place is not None}


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What is predicted, and how it is shown."""

    text: str | None = option(
        "--text", "what is said, for a variant that reads words (none)", default=None, metavar="WORDS"
    )
    top_k: int | None = option(
        "--top-k",
        "show the N most probable classes (all; of several recordings 3); rows of --csv have all",
        default=None,
        metavar="N",
        read=int,
        law="a whole number, at least 1",
        holds=lambda n: n >= 1,
    )
    window: float | None = option(
        "--window",
        "read recordings that are longer in windows of at most S seconds, with a mean; 0: never (10 s from 40 s on)",
        default=None,
        metavar="S",
        read=float,
        law=f"0, or at least {SHORTEST_WINDOW_SECONDS:g} seconds",
        holds=lambda s: s == 0 or SHORTEST_WINDOW_SECONDS <= s < float("inf"),
    )
    as_json: bool = option("--json", "print a JSON object for each recording, one a line", default=False)
    csv: Path | None = option(  # noqa: RUF009 (it declares the field)
        "--csv",
        "write rows to a file; the same command goes on with one that was interrupted, and another model, --window or "
        "--asr, other words or other recordings need another file (none)",
        default=None,
        metavar="FILE",
        read=Path,
    )

    def __post_init__(self) -> None:
        """Make sure that results go to one place, and that every option has an effect there.

        Raises:
            UserError: they would go to two, or one has none.
        """
        if self.as_json and self.csv is not None:
            raise UserError("--json prints what --csv writes; found both, leave one out")
        if self.top_k is not None and self.csv is not None:
            raise UserError("--csv writes the probabilities of all classes; leave --top-k out")


def predict(
    name: str, inputs: Sequence[str], output: Path, options: PredictOptions, places: EncoderPlaces, console: Console
) -> int:
    """Predict on `inputs` with the model that `name` stands for; FAILED if some of them could not be predicted."""
    # What is shown beside results must not be among them.
    aside = Console(stderr=True, quiet=console.quiet)
    if options.text is not None and places.asr is not None:
        raise UserError("--text gives the words that --asr would recognise; leave one of them out")
    # Before a study is exported, which takes a while.
    require_there(inputs)
    if options.csv is not None:
        require_file("--csv", options.csv.expanduser().absolute())
    predictor = places.predictor(model_at(name, output, aside))
    items = items_of(inputs, options.text, predictor.config, recognised=places.asr is not None)
    if options.csv is not None:
        return _to_csv(predictor, items, options, options.csv, console, aside)
    n_failed = 0
    with step_progress(aside) as on_progress:
        for number, outcome in enumerate(outcomes(predictor, items, options.window), start=1):
            on_progress("predicting", number, len(items))
            n_failed += outcome.prediction is None
            if options.as_json:
                console.file.write(json.dumps(_json(outcome, predictor.config.classes, options.top_k)) + "\n")
            else:
                _print(console, aside, outcome, predictor.config.classes, options.top_k, len(items) > 1)
    if n_failed and len(items) > 1:
        print_line(aside, f"{n_failed} of {counted(len(items), 'recording')} could not be predicted", style="red")
    return FAILED if n_failed else FINISHED


def _to_csv(
    predictor: Predictor, items: Sequence[Item], options: PredictOptions, path: Path, console: Console, aside: Console
) -> int:
    path = path.expanduser().absolute()
    with step_progress(aside) as on_progress:
        run = run_to_csv(
            path, predictor, items, options.window, lambda done, total: on_progress("predicting", done, total)
        )
    before = f", {run.n_before} of them before" if run.n_before else ""
    print_line(console, f"{counted(run.n_items, 'recording')}{before}: {path}")
    if run.n_failed:
        line = f"{run.n_failed} could not be predicted, for the reasons in its rows; the same command tries them again"
        print_line(aside, line, style="red")
    return FAILED if run.n_failed else FINISHED


def _json(outcome: Outcome, classes: Sequence[str], top_k: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {"file_name": outcome.item.file_name}
    if outcome.item.utterance is not None:
        found["utterance_id"] = outcome.item.utterance.id
    if (prediction := outcome.prediction) is None:
        return {**found, "reason": outcome.reason}
    if prediction.words is not None:
        found["text"] = prediction.words
    found["scores"] = scored(classes, prediction.probabilities, top_k)
    if prediction.notes:
        found["notes"] = list(prediction.notes)
    if len(prediction.windows) > 1:
        found["windows"] = [
            {"start": each.start, "end": each.end, "scores": scored(classes, each.probabilities, top_k)}
            for each in prediction.windows
        ]
    return found


def _print(
    console: Console, aside: Console, outcome: Outcome, classes: Sequence[str], top_k: int | None, several: bool
) -> None:
    name = path_text(Path(outcome.item.file_name)) if outcome.item.file_name else "text"
    if (prediction := outcome.prediction) is None:
        print_line(aside, f"{name}: {outcome.reason}", style="red")
        return
    for note in prediction.notes:
        print_line(aside, f"{name}: {note}", style="yellow")
    if several:
        print_line(console, f"{name}  {_in_line(classes, prediction.probabilities, top_k or SHOWN_OF_SEVERAL)}")
    else:
        print_line(console, name)
        if prediction.words is not None:
            print_line(console, f"  recognised: {prediction.words or 'no words'}")
        width = max(map(len, classes))
        for row in scored(classes, prediction.probabilities, top_k):
            print_line(console, f"  {row['label']:<{width}}  {format_score(row['score'])}")
    for each in prediction.windows if len(prediction.windows) > 1 else ():
        span = f"{clock(each.start or 0.0)} to {clock(each.end or 0.0)}"
        print_line(console, f"    {span:>15}  {_in_line(classes, each.probabilities, top_k or SHOWN_OF_SEVERAL)}")


def _in_line(classes: Sequence[str], probabilities: Sequence[float], top_k: int) -> str:
    rows = scored(classes, probabilities, top_k)
    return ", ".join(f"{row['label']} {format_score(row['score'])}" for row in rows)
