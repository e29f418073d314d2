"""The corpus layouts that can be read. A new one is a module in this package and a row here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from study.corpus.known_counts import KnownCounts
from study.corpus.readers import (
    cremad,
    emodb,
    iemocap,
    iemocap_counts,
    manifest,
    meld,
    msp_improv,
    msp_podcast,
    ravdess,
)
from study.corpus.utterance import Problem, Utterance


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
        no_emotions: labels that stand for no emotion, such as "undecided"; without `--labels` and `--label-map` their
            utterances are left out and counted.
        known: the counts of the full release, with which a corpus is compared; None if they are not known.
        words_note: a sentence on what its words are worth; empty if there is nothing to say.
    """

    description: str
    recognises: Callable[[Path], bool]
    scan: Callable[[Path, bool], tuple[list[Utterance], list[Problem]]]
    corpus_name: Callable[[Path], str]
    default_labels: str | None = None
    no_emotions: frozenset[str] = frozenset()
    known: KnownCounts | None = None
    words_note: str = ""


# The first reader that recognises a path reads it.
READERS: dict[str, Reader] = {
    "iemocap": Reader(
        description="an IEMOCAP release folder (Session1 ... Session5)",
        recognises=iemocap.recognises,
        scan=iemocap.scan,
        corpus_name=iemocap.corpus_name,
        default_labels="7",
        known=iemocap_counts.KNOWN,
    ),
    "meld": Reader(
        description="a MELD folder (train_sent_emo.csv, train_splits ...)",
        recognises=meld.recognises,
        scan=meld.scan,
        corpus_name=meld.corpus_name,
        known=meld.KNOWN,
    ),
    "cremad": Reader(
        description="a CREMA-D folder (AudioWAV)",
        recognises=cremad.recognises,
        scan=cremad.scan,
        corpus_name=cremad.corpus_name,
        known=cremad.KNOWN,
        words_note=cremad.WORDS_NOTE,
    ),
    "ravdess": Reader(
        description="a RAVDESS folder (Actor_01 ...)",
        recognises=ravdess.recognises,
        scan=ravdess.scan,
        corpus_name=ravdess.corpus_name,
        known=ravdess.KNOWN,
        words_note=ravdess.WORDS_NOTE,
    ),
    "emodb": Reader(
        description="an EmoDB folder (wav/03a01Fa.wav ...)",
        recognises=emodb.recognises,
        scan=emodb.scan,
        corpus_name=emodb.corpus_name,
        known=emodb.KNOWN,
        words_note=emodb.WORDS_NOTE,
    ),
    "msp-podcast": Reader(
        description="an MSP-Podcast folder (Labels/labels_consensus.csv)",
        recognises=msp_podcast.recognises,
        scan=msp_podcast.scan,
        corpus_name=msp_podcast.corpus_name,
        no_emotions=frozenset({"other", "undecided"}),
    ),
    "msp-improv": Reader(
        description="an MSP-IMPROV folder (Evalution.txt, session1 ...)",
        recognises=msp_improv.recognises,
        scan=msp_improv.scan,
        corpus_name=msp_improv.corpus_name,
        no_emotions=frozenset({"other", "undecided"}),
        known=msp_improv.KNOWN,
    ),
    "manifest": Reader(
        description="a manifest (.csv, .tsv, .jsonl)",
        recognises=manifest.recognises,
        scan=manifest.scan,
        corpus_name=manifest.corpus_name,
    ),
}


IN_SHORT = "a corpus folder of a known layout or a manifest (.csv, .tsv, .jsonl); KIND:PATH insists on a layout"


def reader_of(path: Path) -> Reader | None:
    """The reader of the corpus at `path`; None if no layout is recognised there."""
    return next((reader for reader in READERS.values() if reader.recognises(path)), None)


def descriptions() -> str:
    """Every layout in words, joined by commas and "or"."""
    *others, last = [reader.description for reader in READERS.values()]
    return f"{', '.join(others)} or {last}" if others else last
