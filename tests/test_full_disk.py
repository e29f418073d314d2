"""Files that have no room: what is there stays as it was. (A study that finds none: `test_stopped_story.py`.)"""

from pathlib import Path

import pytest

from study.files import StorageFull, append_durably, write_file
from tests.plugins.small_disk import small_files


def test_a_line_that_has_no_room_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path, before = tmp_path / "ledger.jsonl", b"a" * 599 + b"\n"
    full = r"ledger\.jsonl could not be written \(File too large\); free some space"
    with small_files(1000):
        append_durably(path, before)
        with pytest.raises(StorageFull, match=full):
            append_durably(path, b"b" * 599 + b"\n")
        assert path.read_bytes() == before
        append_durably(path, b"c" * 99 + b"\n")
    assert path.read_bytes() == before + b"c" * 99 + b"\n"


def test_a_file_that_has_no_room_is_not_replaced_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    with small_files(1000):
        write_file(path, "old")
        with pytest.raises(StorageFull):
            write_file(path, "new" * 1000)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]
