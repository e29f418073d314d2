"""The corpus layouts that can be read. A new one is a module in this package and a row here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from study.corpus.readers import iemocap, iemocap_counts, manifest
from study.corpus.utterance import Corpus, Problem, Utterance


def no_note(corpus: Corpus, preset_name: str) -> str | None:
    """None: the class counts of this layout are not known in advance."""
    return None


@dataclass(frozen=True)
class Reader:
    """How one corpus layout is recognised and read.

    Attributes:
        description: with its article, for help and refusals: "an IEMOCAP release folder (Session1 ... Session5)".
        recognises: whether a path has this layout, by names and kinds of files alone. False, and no exception, for
            a path that does not exist or cannot be one.
        scan: reads a path that is recognised: every utterance that could be read, whatever its label, and every
            problem but files that are missing, which `study.corpus.media` finds. The second argument allows files
            outside the corpus's folder.
        corpus_name: a name for the corpus at a path; it also names folders of studies.
        default_labels: the label preset that applies when `--labels` is not given; None keeps all labels.
        note: one sentence on a corpus whose classes were chosen by the preset of that name, such as a comparison
            with the known class counts; None if there is nothing to say.
    """

    description: str
    recognises: Callable[[Path], bool]
    scan: Callable[[Path, bool], tuple[list[Utterance], list[Problem]]]
    corpus_name: Callable[[Path], str]
    default_labels: str | None = None
    note: Callable[[Corpus, str], str | None] = no_note


# The first reader that recognises a path reads it.
READERS: dict[str, Reader] = {
    "iemocap": Reader(
        description="an IEMOCAP release folder (Session1 ... Session5)",
        recognises=iemocap.recognises,
        scan=iemocap.scan,
        corpus_name=iemocap.corpus_name,
        default_labels="7",
        note=iemocap_counts.note,
    ),
    "manifest": Reader(
        description="a manifest (.csv, .jsonl)",
        recognises=manifest.recognises,
        scan=manifest.scan,
        corpus_name=manifest.corpus_name,
    ),
}


def reader_of(path: Path) -> Reader | None:
    """The reader of the corpus at `path`; None if no layout is recognised there."""
    return next((reader for reader in READERS.values() if reader.recognises(path)), None)


def descriptions() -> str:
    """Every layout in words, joined by commas and "or"."""
    *others, last = [reader.description for reader in READERS.values()]
    return f"{', '.join(others)} or {last}" if others else last
