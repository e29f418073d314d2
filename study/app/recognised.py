"""The verb `evaluate` with --words: a study's reported models on recognised words, beside the true ones."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from study.app.inspect import report_again
from study.app.output import print_line
from study.app.place import study_folder
from study.app.predict import EncoderPlaces
from study.app.step_progress import step_progress
from study.app.study_corpus import study_corpus, trusts_remote_code
from study.corpus.options import CorpusOptions
from study.corpus.quoting import path_text
from study.corpus.source import open_corpus
from study.errors import UserError
from study.features.content import file_digest
from study.inference.recognised import on_recognised_words

WHY = "recognised words are compared with the true ones of the study's corpus"


def evaluate_on_words(
    name: str, output: Path, words: Path, corpus: str | None, places: EncoderPlaces, console: Console
) -> int:
    """Score the reported models of the study `name` on the words of a manifest, and write its report anew with them.

    Raises:
        UserError: there is no such finished study, or the manifest is not of its corpus.
    """
    if places.asr is not None or places.audio_encoder is not None:
        raise UserError(
            "--words has words that were recognised, and stored audio features; leave out --asr, --audio-encoder"
        )
    folder = study_folder(name, output)
    path = words.expanduser()
    if not path.is_file():
        raise UserError(f"--words expects a manifest that `ser-study transcribe` wrote; {path_text(path)} is no file")
    # Its recordings are not read, so that it does not matter where they are.
    recognised = open_corpus(CorpusOptions(corpus=str(path), allow_outside_files=True), ())
    true = study_corpus(folder, ("text",), corpus or None, WHY)
    trust = places.trust_remote_code or trusts_remote_code(folder)
    with step_progress(Console(stderr=True, quiet=console.quiet)) as on_progress:
        found = on_recognised_words(
            folder,
            true,
            recognised,
            (path.name, file_digest(path)),
            places=places.given(),
            trust_remote_code=trust,
            on_progress=on_progress,
        )
    found.write(folder)
    print_line(console, f"scores on recognised words  {folder.recognised_words}")
    return report_again(name, output, console)
