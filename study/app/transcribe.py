"""The verbs that write a corpus as a manifest: as it is, or with recognised words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from study.app.corpus_summary import print_corpus
from study.app.output import print_line
from study.app.place import require_file
from study.app.step_progress import step_progress
from study.corpus.manifest_writer import write_manifest
from study.corpus.options import CorpusOptions
from study.corpus.quoting import path_text
from study.corpus.source import open_corpus
from study.corpus.utterance import Corpus, Utterance
from study.errors import FAILED, FINISHED, UserError
from study.files import append_durably, write_file
from study.option import option
from study.plurals import counted

if TYPE_CHECKING:
    from study.inference.recognition import Recogniser

NAMED_FAILURES = 3


@dataclass(frozen=True, kw_only=True)
class ManifestOptions:
    """Where a manifest is written."""

    to: Path = option(  # noqa: RUF009 (it declares the field)
        "--to", "the manifest, a new .csv file (manifest.csv)", default=Path("manifest.csv"), metavar="FILE", read=Path
    )

    def place(self) -> Path:
        """The manifest's absolute path.

        Raises:
            UserError: it does not end in .csv, something is there already, or it cannot be written.
        """
        path = self.to.expanduser().absolute()
        if path.suffix.lower() != ".csv":
            raise UserError(f"--to expects a file that ends in .csv; found {path_text(self.to)}")
        if path.exists():
            raise UserError(f"--to expects a new file, and {path_text(path)} exists; remove it, or name another")
        require_file("--to", path)
        return path


@dataclass(frozen=True, kw_only=True)
class RecogniserOptions:
    """What recognises words."""

    asr: str | None = option(
        "--asr",
        "a speech recogniser: hub id or local folder, as openai/whisper-small (none)",
        default=None,
        metavar="ID",
    )
    trust_remote_code: bool = option("--trust-remote-code", "let a hub model run code of its own", default=False)


def manifest(corpus: CorpusOptions, options: ManifestOptions, console: Console) -> int:
    """Write a corpus as a manifest."""
    path, found = options.place(), open_corpus(corpus, ())
    print_corpus(console, found)
    _finish(path, write_manifest(path, found), console)
    return FINISHED


def transcribe(corpus: CorpusOptions, options: ManifestOptions, recogniser: RecogniserOptions, console: Console) -> int:
    """Write a corpus as a manifest with recognised words in the place of its own; FAILED while some are missing.

    Raises:
        UserError: no recogniser is named, it cannot be loaded, or the corpus cannot be read.
    """
    if recogniser.asr is None:
        raise UserError("--asr is needed: a speech recogniser, as --asr openai/whisper-small or a local folder")
    path, found = options.place(), open_corpus(corpus, ("audio",))
    print_corpus(console, found)
    from study.inference.recognition import Recogniser

    words, failures = _recognised(Recogniser(recogniser.asr, recogniser.trust_remote_code), found, path, console)
    if failures:
        named = " | ".join(failures[:NAMED_FAILURES]) + (" | ..." if len(failures) > NAMED_FAILURES else "")
        print_line(
            console,
            f"a manifest needs the words of every utterance, and {counted(len(failures), 'utterance')} could not be "
            f"read; the others are kept, and the same command goes on: {named}",
            style="red",
        )
        return FAILED
    outside = write_manifest(path, found, lambda utterance: words[utterance.id])
    _begun(path).unlink(missing_ok=True)
    silent = sum(not text for text in words.values())
    if silent:
        found_none = f"{counted(silent, 'utterance')} without recognised words"
        print_line(console, f"{found_none}: silent, or nothing was recognised")
    _finish(path, outside, console)
    return FINISHED


def _recognised(
    recogniser: Recogniser, corpus: Corpus, path: Path, console: Console
) -> tuple[dict[str, str], list[str]]:
    """The words of each utterance by id, and why others have none; each is kept at once for the next command."""
    begun, keys = _begun(path), _keys(recogniser, corpus)
    known = _kept(begun)
    if known:  # without the line that a kill cut, which the next would be appended to
        write_file(begun, "".join(_line(key, text) for key, text in known.items()))
    left = [utterance for utterance in corpus.utterances if keys[utterance.id] not in known]
    failures: list[str] = []
    if left:
        recogniser.load()
        path.parent.mkdir(parents=True, exist_ok=True)
    with step_progress(console) as on_progress:
        for number, utterance in enumerate(left):
            on_progress("recognising", len(keys) - len(left) + number, len(keys))
            try:
                text = recogniser.words(utterance)
            except UserError as error:
                failures.append(str(error))
                continue
            append_durably(begun, _line(keys[utterance.id], text).encode())
            known[keys[utterance.id]] = text
    return {id: known[key] for id, key in keys.items() if key in known}, failures


def _keys(recogniser: Recogniser, corpus: Corpus) -> dict[str, str]:
    """By id, a digest of the recogniser, of the audio, and of where the utterance is in it."""
    from study.features.content import digest, file_digest

    files = {path: file_digest(path) for path in {utterance.audio for utterance in corpus.utterances}}

    def key(utterance: Utterance) -> str:
        return digest([recogniser.digest, files[utterance.audio], str(utterance.start), str(utterance.end)])

    return {utterance.id: key(utterance) for utterance in corpus.utterances}


def _begun(path: Path) -> Path:
    """The file of an unfinished transcription: a line for each utterance."""
    return path.with_name(f"{path.name}.unfinished")


def _line(key: str, words: str) -> str:
    return json.dumps({"key": key, "words": words}) + "\n"


def _kept(begun: Path) -> dict[str, str]:
    """Words by key that an earlier command left; a line that a kill cut is left out."""
    if not begun.is_file():
        return {}
    found: dict[str, str] = {}
    for line in begun.read_bytes().decode(errors="replace").splitlines():
        with suppress(ValueError, RecursionError):
            record = json.loads(line)
            if _is_record(record):
                found[record["key"]] = record["words"]
    return found


def _is_record(record: object) -> bool:
    return isinstance(record, Mapping) and all(isinstance(record.get(name), str) for name in ("key", "words"))


def _finish(path: Path, outside: bool, console: Console) -> None:
    print_line(console, f"manifest  {path}")
    allowed = " --allow-outside-files" if outside else ""
    print_line(console, f"study it  ser-study run --variant cross --corpus {path}{allowed}")
