"""A pack on a node's own disk: whole, fetched once, and never in the way of a study."""

import multiprocessing
import os
from pathlib import Path

import pytest
import torch

from study.execution.pack_cache import on_this_node
from study.features.pack import Pack, write_pack


@pytest.fixture(autouse=True)
def node_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This machine's own disk, to the cache."""
    disk = tmp_path / "disk"
    disk.mkdir()
    monkeypatch.setenv("TMPDIR", str(disk))
    monkeypatch.setattr("tempfile.tempdir", None)
    return disk


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack on shared storage."""
    path = tmp_path / "shared.safetensors"
    write_pack(path, ["a", "b"], [torch.ones(3, 4).half(), torch.zeros(2, 4).half()], None, {"encoder": "x"})
    return path


def fetch(path: Path) -> tuple[str, int]:
    copy = on_this_node(path)
    return str(copy), copy.stat().st_ino


def test_a_copy_has_the_same_bytes_and_passes_its_checksum(pack: Path, node_disk: Path) -> None:
    copy = on_this_node(pack)
    assert node_disk in copy.parents
    assert copy.read_bytes() == pack.read_bytes()
    Pack.open(copy).verify()


def test_workers_that_ask_at_once_share_one_copy(pack: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as workers:
        found = workers.map(fetch, [pack] * 9)
    assert len(set(found)) == 1, "one file, written once"


def test_the_copy_serves_when_the_source_is_slow_or_gone_but_for_its_header(pack: Path) -> None:
    copy = on_this_node(pack)
    before = copy.stat().st_ino
    content = pack.read_bytes()
    pack.write_bytes(content[:-4] + b"\0\0\1\0")  # only the header is read again
    assert on_this_node(pack).stat().st_ino == before


def test_packs_of_other_utterances_are_other_files(pack: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    write_pack(other, ["a", "c"], [torch.ones(3, 4).half(), torch.zeros(2, 4).half()], None, {"encoder": "x"})
    assert on_this_node(other) != on_this_node(pack)


def test_a_damaged_pack_is_not_kept(pack: Path, node_disk: Path) -> None:
    content = pack.read_bytes()
    pack.write_bytes(content[:-4] + b"\0\0\1\0")
    assert on_this_node(pack) == pack
    assert not list(node_disk.rglob("*.safetensors"))
    assert not list(node_disk.rglob("*.unfinished"))


def test_a_pack_that_is_not_there_is_left_to_its_reader(tmp_path: Path) -> None:
    assert on_this_node(tmp_path / "none") == tmp_path / "none"


def test_a_folder_that_is_a_link_to_somewhere_else_is_not_used(pack: Path, node_disk: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (node_disk / f"ser-study-packs-{os.getuid()}").symlink_to(elsewhere)
    assert on_this_node(pack) == pack
    assert not list(elsewhere.iterdir())


def test_packs_that_are_not_used_for_a_week_make_room(pack: Path, node_disk: Path, tmp_path: Path) -> None:
    old = on_this_node(pack)
    os.utime(old, (1, 1))
    other = tmp_path / "other.safetensors"
    write_pack(other, ["z"], [torch.ones(1, 4).half()], None, {})
    kept = on_this_node(other)
    assert list(node_disk.rglob("*.safetensors")) == [kept]
