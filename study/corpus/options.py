"""The options that name a corpus and its classes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from study.corpus.readers.table import IN_SHORT
from study.corpus.source import open_corpus
from study.corpus.utterance import Corpus
from study.option import option


@dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """Which corpus, and which of its labels."""

    corpus: str | None = option(
        "--corpus", f"{IN_SHORT} (demo)", default=None, metavar="PATH", is_path=True, has_kind=True
    )
    labels: str | None = option(
        "--labels", "label preset: 7, 6, 5 or 4 classes", default=None, metavar="SET", table="labels"
    )
    label_map: Path | None = option(  # noqa: RUF009 (it declares the field)
        "--label-map", "maps a manifest's labels to classes", default=None, metavar="JSON", read=Path, is_path=True
    )
    allow_outside_files: bool = option(
        "--allow-outside-files", "let a manifest name files outside its folder", default=False
    )
    skip_missing: bool = option(
        "--skip-missing", "leave out utterances whose files are missing, and count them", default=False
    )

    @property
    def is_demo(self) -> bool:
        """Whether the corpus is the embedded demo."""
        return self.corpus is None

    def open(self, modalities: Collection[str]) -> Corpus:
        """Open the corpus for a study of these modalities.

        Raises:
            UserError: no reader recognises it, it has a fatal problem, or files that the modalities need are missing.
        """
        return open_corpus(
            self.corpus, self.labels, self.label_map, self.allow_outside_files, modalities, self.skip_missing
        )
