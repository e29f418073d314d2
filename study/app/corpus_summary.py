"""What the terminal shows of a corpus before it is used."""

from __future__ import annotations

from rich.console import Console

from study.app.output import print_line
from study.corpus.utterance import Corpus
from study.plurals import counted


def print_corpus(console: Console, corpus: Corpus) -> None:
    """One paragraph about a corpus: its size, its classes, and what was dropped in reading."""
    counts = ", ".join(f"{name} {count}" for name, count in corpus.counts().items())
    size = f"{counted(len(corpus.utterances), 'utterance')} in {counted(len(corpus.groups()), 'group')}"
    print_line(console, f"{corpus.name}: {size}; {counts}")
    for note in corpus.notes:
        print_line(console, f"  {note}", style="dim")
