"""What readers of folders share: files by their names, texts in any encoding, tables of labels."""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from study.corpus.container import is_lfs_pointer
from study.corpus.quoting import one_line, path_text, quoted
from study.corpus.utterance import Problem
from study.plurals import counted

_WINDOWS = {code: bytes([code]).decode("cp1252", errors="replace") for code in range(0x80, 0x100)}
# Characters that no text has: curly quotes and dashes of Windows-1252 after a wrong decoding.
_MISREAD = range(0x80, 0xA0)
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def first_folder(root: Path, *names: str) -> Path:
    """The first of these folders below `root` that is there ("" is `root` itself); the first of them if none is."""
    return next((root / name for name in names if os.path.isdir(root / name)), root / names[0])


def files_in(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder with this suffix, sorted; none where it cannot be read.

    `._x.wav` is what macOS keeps beside x.wav: resource data, not sound.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("._"))
    except (OSError, ValueError):
        return []
    return [folder / name for name in names if name.endswith(suffix)]


def without_pointers(root: Path, files: Sequence[Path]) -> tuple[list[Path], list[Problem]]:
    """The files that are not pointers of Git LFS, and one fatal problem that counts those that are."""
    pointers = {file for file in files if is_lfs_pointer(file)}
    if not pointers:
        return list(files), []
    law = f"{len(pointers):,} of {counted(len(files), 'audio file')} are pointers of Git LFS in the place of sound"
    problem = Problem(path_text(root), f"{law}; run `git lfs pull` in the corpus", True, "Git LFS")
    return [file for file in files if file not in pointers], [problem]


def wrong_name(file: Path, expected: str) -> Problem:
    """The remark on a file whose name does not follow the corpus's rule: it is not read."""
    message = f"expected a name such as {expected}; found {quoted(file.name)}; the file is not used"
    return Problem(path_text(file), message, False, "names of files")


def not_read(root: Path, files: Sequence[Path], why: str) -> list[Problem]:
    """The remark that counts files which are there and are not read."""
    if not files:
        return []
    message = f"{counted(len(files), 'file')} not read, the first {quoted(files[0].name)}: {why}"
    return [Problem(path_text(root), message, False, "files that are not read")]


def repaired_text(data: bytes) -> tuple[str, bool]:
    """Bytes as text, and whether some of them were Windows-1252 in a text that is otherwise UTF-8."""
    text = data.decode("utf-8-sig", errors="surrogateescape")
    # An invalid byte 0x92 has become U+DC92; the same character encoded as UTF-8 is U+0092.
    repaired = "".join(_WINDOWS[ord(c) & 0xFF] if "\udc80" <= c <= "\udcff" or ord(c) in _MISREAD else c for c in text)
    return repaired, repaired != text


def words_in(text: str) -> str:
    """Words with single spaces, and without control characters."""
    return " ".join(_CONTROL.sub(" ", text).split())


@dataclass(frozen=True)
class Transcripts:
    """A folder with a text file for each utterance; `repaired` are the files with bytes that are not UTF-8."""

    folder: Path
    repaired: list[Path] = field(default_factory=list)

    def words(self, id: str) -> str:
        """The words of an utterance; empty where there is no file that can be read."""
        path = self.folder / f"{id}.txt"
        try:
            text, is_repaired = repaired_text(path.read_bytes()) if os.path.isfile(path) else ("", False)
        except OSError:
            return ""
        if is_repaired:
            self.repaired.append(path)
        return words_in(text)

    def remarks(self) -> list[Problem]:
        """The remark that counts the files with such bytes, of those that were read so far."""
        if not self.repaired:
            return []
        many = f"{counted(len(self.repaired), 'transcript')}, the first {quoted(self.repaired[0].name)}"
        message = f"bytes that are not UTF-8 in {many}; they are read as Windows-1252"
        return [Problem(path_text(self.folder), message, False, "encoding")]


@dataclass(frozen=True)
class LabelRow:
    """A row of a table of labels: its place (file:line), its cells by column, and whether its text was repaired."""

    where: str
    cells: Mapping[str, str]
    repaired: bool = False

    def __getitem__(self, column: str) -> str:
        """The cell of a column, without white space round it."""
        return self.cells[column]


def label_rows(path: Path, columns: Iterable[str]) -> tuple[list[LabelRow], list[Problem]]:
    """The rows of a CSV with a header that names these columns, and a fatal problem for each that cannot be read."""
    found = list(_rows(path, list(columns)))
    return [row for row in found if isinstance(row, LabelRow)], [each for each in found if isinstance(each, Problem)]


def _rows(path: Path, columns: Sequence[str]) -> Iterator[LabelRow | Problem]:
    try:
        data = path.read_bytes() if os.path.isfile(path) else None
    except OSError as error:
        yield Problem(path_text(path), f"the file cannot be read: {error.strerror}", True, "label files")
        return
    if data is None:
        yield Problem(path_text(path), "there is no such file", True, "label files")
        return
    # Repaired line by line, so that it is known in which rows.
    lines = [repaired_text(line) for line in data.split(b"\n")]
    header: list[str] = []
    for begin, end, cells in _csv_rows("\n".join(text for text, _ in lines)):
        where = f"{path_text(path)}:{begin + 1}"
        if isinstance(cells, str):
            yield Problem(where, f"the row cannot be read as CSV: {cells}", True, "label files")
        elif not header:
            header = [cell.strip() for cell in cells]
            if lacking := [column for column in columns if column not in header]:
                law = f"expected the columns {', '.join(columns)}"
                yield Problem(where, f"{law}; found none called {', '.join(lacking)}", True, "label files")
                return
        elif len(cells) != len(header):
            yield Problem(where, f"expected {len(header)} cells; found {len(cells)}", True, "label files")
        else:
            named = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
            yield LabelRow(where, named, any(repaired for _, repaired in lines[begin:end]))


def _csv_rows(text: str) -> Iterator[tuple[int, int, list[str] | str]]:
    """Of each row that is not empty, the lines before it and up to its end, and its cells, or why it has none."""
    reader = csv.reader(io.StringIO(text, newline=""))
    while True:
        begin = reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield begin, reader.line_num, one_line(error)
            continue
        if cells:
            yield begin, reader.line_num, cells
