"""The verbs about what a study is good for: rows of the table in `study.app.verbs`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.app.parsing import add_options, group_of
from study.app.place import PlaceOptions
from study.app.verb import STUDY_NAME, Verb

if TYPE_CHECKING:
    from rich.console import Console

EXPORT_EPILOG = """\
The folder holds config.json, model.safetensors, metrics.json, trained_on.json (salted digests) and README.md, a card:
no audio, no words, no code. It is opened anew and compared with the study's stored predictions before it is put in its
place.

examples:
  ser-study export demo-cross
  ser-study export iemocap-7-all --variant cross --to models/iemocap-cross --license cc-by-nc-4.0
  ser-study export demo-cross --weights refit --to models/demo-cross
"""
PREDICT_EPILOG = """\
A recording gets the same probabilities alone and among others. A variant that reads words needs them: --text for one
recording, the manifest's column text for several. Long recordings are read in windows, with times and a mean.

examples:
  ser-study predict demo-cross a.wav --text "Not again."
  ser-study predict models/iemocap-audio talk.mp3 --window 5
  ser-study predict models/iemocap-cross calls.csv --csv found.csv
      a row for each, classes with their probabilities, and a reason for what cannot be read; interrupted, it goes on
  ser-study predict demo-cross a.wav --text "Not again." --json
exit codes: 0 all were predicted, 1 some were not, 2 wrong usage, 130 interrupted
"""
EVALUATE_EPILOG = """\
Labels of the corpus that are none of the model's classes are left out and counted; a --label-map renames them first.
Intervals resample speakers, or groups where a corpus has no speakers. Utterances of the training corpus are counted.
With --words, the fold models of a study are scored on recognised words, each on its own test session, and the report
of the study shows these scores beside those on the true words.

examples:
  ser-study evaluate demo-cross --corpus other/manifest.csv
  ser-study evaluate demo-cross --words recognised.csv
  ser-study evaluate models/iemocap-cross --corpus other/manifest.csv --label-map labels.json --json
"""
PAGE_EPILOG = """\
The page is served on this machine alone, loads nothing from the network and reports nothing. Ctrl-C ends it.

examples:
  ser-study page demo-cross
  ser-study page models/iemocap-cross --port 8080 --asr openai/whisper-small
"""
MODEL_NAME = "a model folder, a finished study's name, a hub id, or models:/NAME@ALIAS"


def _add_export(parser: argparse.ArgumentParser) -> None:
    from study.app.model_export import ModelOptions

    parser.add_argument("study", metavar="name", help=STUDY_NAME)
    add_options(parser, ModelOptions)
    add_options(parser, PlaceOptions)


def _export(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.model_export import ModelOptions, export_model

    output = group_of(PlaceOptions, parsed).output
    return export_model(parsed.study, output, group_of(ModelOptions, parsed), console)


def _add_model(parser: argparse.ArgumentParser, *groups: type) -> None:
    """Add the name of a model, these options, and where studies are."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_NAME)
    for declared in (*groups, PlaceOptions):
        add_options(parser, declared)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    from study.app.predict import EncoderPlaces, PredictOptions

    parser.add_argument("model", metavar="MODEL", help=MODEL_NAME)
    inputs = "recordings (wav, flac, ogg, mp3 ...), folders of them, or manifests with file_name and text"
    parser.add_argument("inputs", metavar="INPUT", nargs="*", help=inputs)
    for declared in (PredictOptions, EncoderPlaces, PlaceOptions):
        add_options(parser, declared)


def _predict(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.predict import EncoderPlaces, PredictOptions, predict

    options, places = group_of(PredictOptions, parsed), group_of(EncoderPlaces, parsed)
    return predict(parsed.model, parsed.inputs, group_of(PlaceOptions, parsed).output, options, places, console)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    from study.app.evaluate import EvaluateOptions
    from study.app.predict import EncoderPlaces

    _add_model(parser, EvaluateOptions, EncoderPlaces)


def _evaluate(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.evaluate import EvaluateOptions, evaluate_model
    from study.app.predict import EncoderPlaces

    options, places = group_of(EvaluateOptions, parsed), group_of(EncoderPlaces, parsed)
    output = group_of(PlaceOptions, parsed).output
    if options.words is not None:
        from study.app.recognised import evaluate_on_words

        return evaluate_on_words(parsed.model, output, options.words, options.corpus, places, console)
    return evaluate_model(parsed.model, output, options, places, console)


def _add_page(parser: argparse.ArgumentParser) -> None:
    from study.app.page import PageOptions
    from study.app.predict import EncoderPlaces

    _add_model(parser, PageOptions, EncoderPlaces)


def _page(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.page import PageOptions, show_page
    from study.app.predict import EncoderPlaces

    options, places = group_of(PageOptions, parsed), group_of(EncoderPlaces, parsed)
    return show_page(parsed.model, group_of(PlaceOptions, parsed).output, options, places, console)


MODEL_VERBS: dict[str, Verb] = {
    "export": Verb(
        "write what a study has selected as a model folder that predicts",
        _add_export,
        _export,
        EXPORT_EPILOG,
    ),
    "predict": Verb(
        "predict emotions of recordings with what a study has selected",
        _add_predict,
        _predict,
        PREDICT_EPILOG,
    ),
    "evaluate": Verb(
        "score a model on a labelled corpus that no study has seen",
        _add_evaluate,
        _evaluate,
        EVALUATE_EPILOG,
    ),
    "page": Verb(
        "try a model in the browser: upload or microphone (pip install 'ser-study[page]')",
        _add_page,
        _page,
        PAGE_EPILOG,
    ),
}
