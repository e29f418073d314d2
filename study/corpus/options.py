"""The options that name a corpus and its classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from study.corpus.demo import MANIFEST
from study.corpus.readers.table import IN_SHORT
from study.option import option
from study.several_paths import expanded, kind_and_path


@dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """Which corpus, which of its labels, and what may be wrong with it.

    `label_map` is applied first: it renames labels and drops those that it does not name. `labels` is applied second;
    left out, it is the default preset of the corpus's layout, which for a manifest keeps all labels.
    """

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
    allow_shared_speakers: bool = option(
        "--allow-shared-speakers",
        "study a corpus whose speakers are in several groups, hence in training and test, and say so",
        default=False,
    )

    @property
    def is_demo(self) -> bool:
        """Whether the corpus is the embedded demo."""
        return self.corpus is None

    @property
    def place(self) -> str:
        """The path of the corpus, for messages."""
        return str(MANIFEST if self.corpus is None else expanded(kind_and_path(self.corpus)[1]))

    @property
    def check_command(self) -> str:
        """The command that lists every problem."""
        return f"ser-study check {self.corpus}" if self.corpus else "ser-study check"
