"""The verbs that write a corpus in another form: rows of the table in `study.app.verbs`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.app.parsing import add_options, group_of
from study.app.verb import Verb

if TYPE_CHECKING:
    from rich.console import Console

MANIFEST_EPILOG = """\
The CSV has a row for each utterance: file, label, words, speaker, group, and start and end where several are in a file.
Recordings stay where they are, and paths are relative to the manifest.

examples:
  ser-study manifest --to demo.csv
  ser-study manifest IEMOCAP_full_release --labels 7 --to iemocap.csv
"""
TRANSCRIBE_EPILOG = """\
A study of the manifest learns and is tested on recognised words; `ser-study evaluate STUDY --words` scores one on them
that has learned from the true ones. Silent utterances get no words: recognisers invent some. Interrupted, the same
command goes on.

examples:
  ser-study transcribe --asr openai/whisper-small --to recognised.csv
  ser-study transcribe IEMOCAP_full_release --labels 7 --asr models/whisper-small --to iemocap-asr.csv
"""


def _add_manifest(parser: argparse.ArgumentParser) -> None:
    from study.app.transcribe import ManifestOptions
    from study.corpus.options import CorpusOptions
    from study.corpus.readers.table import IN_SHORT

    parser.add_argument("corpus", nargs="?", help=f"{IN_SHORT}; left out: the demo corpus")
    add_options(parser, ManifestOptions)
    add_options(parser, CorpusOptions, only=("labels", "label_map", "allow_outside_files", "skip_missing"))


def _manifest(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.transcribe import ManifestOptions, manifest
    from study.corpus.options import CorpusOptions

    return manifest(group_of(CorpusOptions, parsed), group_of(ManifestOptions, parsed), console)


def _add_transcribe(parser: argparse.ArgumentParser) -> None:
    from study.app.transcribe import RecogniserOptions

    _add_manifest(parser)
    add_options(parser, RecogniserOptions)


def _transcribe(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.transcribe import ManifestOptions, RecogniserOptions, transcribe
    from study.corpus.options import CorpusOptions

    corpus, recogniser = group_of(CorpusOptions, parsed), group_of(RecogniserOptions, parsed)
    return transcribe(corpus, group_of(ManifestOptions, parsed), recogniser, console)


CORPUS_VERBS: dict[str, Verb] = {
    "manifest": Verb(
        "write any corpus as a manifest that gives the same study", _add_manifest, _manifest, MANIFEST_EPILOG
    ),
    "transcribe": Verb(
        "write a corpus as a manifest with words that a speech recogniser found",
        _add_transcribe,
        _transcribe,
        TRANSCRIBE_EPILOG,
    ),
}
