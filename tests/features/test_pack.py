import json
import multiprocessing
import pickle
import resource
import struct
import sys
from collections.abc import Iterator
from multiprocessing.pool import Pool
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from study.errors import UserError
from study.features.encoder import to_half
from study.features.pack import Pack, write_pack

LENGTHS = (3, 1, 4)
IDS = ("a", "b", "c")


def some_frames(lengths: tuple[int, ...] = LENGTHS, dim: int = 5) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(length, dim, generator=generator).half() for length in lengths]


def written(path: Path, with_vectors: bool = True) -> Path:
    vectors = [torch.full((2,), float(row)).half() for row in range(3)] if with_vectors else None
    write_pack(path, IDS, some_frames(), vectors, {"encoder": {"name": "logmel"}, "modality": "audio"})
    return path


@pytest.fixture
def pack_file(tmp_path: Path) -> Path:
    return written(tmp_path / "p.safetensors")


def test_what_is_read_is_what_was_written(pack_file: Path) -> None:
    pack = Pack.open(pack_file)
    assert pack.ids == IDS
    assert pack.dim == 5
    assert pack.lengths.tolist() == list(LENGTHS)
    assert pack.offsets.tolist() == [0, 3, 4, 8]
    assert all(torch.equal(pack.of(row), frames) for row, frames in enumerate(some_frames()))
    assert pack.vectors is not None
    assert pack.vectors.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert pack.metadata["encoder"] == {"name": "logmel"}
    pack.verify()


def test_any_safetensors_reader_reads_a_pack(pack_file: Path) -> None:
    tensors = load_file(pack_file)
    assert torch.equal(tensors["frames"], torch.cat(some_frames()))
    assert tensors["offsets"].tolist() == [0, 3, 4, 8]


def test_a_pack_without_vectors_has_none(tmp_path: Path) -> None:
    assert Pack.open(written(tmp_path / "p.safetensors", with_vectors=False)).vectors is None


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    first, second = written(tmp_path / "1"), written(tmp_path / "2")
    assert first.read_bytes() == second.read_bytes()


def test_rows_follow_the_order_asked_for(pack_file: Path) -> None:
    assert Pack.open(pack_file).rows(["c", "a", "c"]).tolist() == [2, 0, 2]


def test_a_missing_id_is_refused_by_name(pack_file: Path) -> None:
    with pytest.raises(UserError, match=r"lacks 2 of them \(x, y\)"):
        Pack.open(pack_file).rows(["a", "x", "y"])


@pytest.fixture(scope="module")
def fresh_process() -> Iterator[Pool]:
    """A process that has imported packs and nothing more, and was never larger than now."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool


def test_opening_does_not_read_the_frames(tmp_path: Path, fresh_process: Pool) -> None:
    path = tmp_path / "large.safetensors"
    row = torch.zeros(1000, 500).half()
    write_pack(path, [str(i) for i in range(100)], [row] * 100, None, {})
    total, grown = fresh_process.apply(_growth_by_one_utterance, (path,))
    assert total == 0
    # The file holds 100 MB, one utterance 1 MB; the kernel may read ahead.
    assert grown < 20e6


def _growth_by_one_utterance(path: Path) -> tuple[float, int]:
    before = _peak_bytes()
    return float(Pack.open(path).of(50).sum()), _peak_bytes() - before


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def test_a_pack_is_sent_to_another_process_as_its_path(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    write_pack(path, ["a"], [torch.zeros(10_000, 10).half()], None, {})
    sent = pickle.dumps(Pack.open(path))
    assert len(sent) < 1000
    assert torch.equal(pickle.loads(sent).frames, torch.zeros(10_000, 10).half())


def test_importing_packs_brings_no_heavy_library(fresh_process: Pool) -> None:
    modules = fresh_process.apply(_imported)
    assert not {"transformers", "torchaudio", "soundfile", "ray", "mlflow"} & modules


def _imported() -> set[str]:
    return {name.split(".")[0] for name in sys.modules}


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 0.5, -1])
def test_a_truncated_pack_is_refused(pack_file: Path, kept: float) -> None:
    content = pack_file.read_bytes()
    pack_file.write_bytes(content[: int(kept * len(content)) if kept == 0.5 else int(kept)])
    with pytest.raises(UserError, match="delete the file"):
        Pack.open(pack_file)


def test_a_missing_pack_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.safetensors"):
        Pack.open(tmp_path / "none.safetensors")


def test_changed_frames_do_not_pass_verification(pack_file: Path) -> None:
    content = bytearray(pack_file.read_bytes())
    content[-40] ^= 1
    pack_file.write_bytes(content)
    with pytest.raises(UserError, match="checksum"):
        Pack.open(pack_file).verify()


def test_ids_that_changed_places_do_not_pass_verification(pack_file: Path) -> None:
    content = pack_file.read_bytes()
    ids = rb"[\"a\", \"b\", \"c\"]"
    assert content.count(ids) == 1
    pack_file.write_bytes(content.replace(ids, rb"[\"b\", \"a\", \"c\"]"))
    assert Pack.open(pack_file).ids == ("b", "a", "c")
    with pytest.raises(UserError, match="checksum"):
        Pack.open(pack_file).verify()


def test_no_changed_bit_passes_verification(pack_file: Path) -> None:
    content = pack_file.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        pack_file.write_bytes(changed)
        with pytest.raises(UserError, match="delete the file"):
            Pack.open(pack_file).verify()


def good_tensors() -> dict[str, Tensor]:
    return {"frames": torch.zeros(8, 5).half(), "offsets": torch.tensor([0, 3, 4, 8])}


GOOD = {"format": "ser-study pack 2", "ids": ["a", "b", "c"]}
BAD_PACKS = {
    "offsets_past_the_end": ({"offsets": torch.tensor([0, 3, 4, 9])}, {}),
    "offsets_that_go_back": ({"offsets": torch.tensor([0, 9, 4, 8])}, {}),
    "an_empty_utterance": ({"offsets": torch.tensor([0, 3, 3, 8])}, {}),
    "offsets_from_one": ({"offsets": torch.tensor([1, 3, 4, 8])}, {}),
    "offsets_too_few": ({"offsets": torch.tensor([0, 8])}, {}),
    "offsets_of_floats": ({"offsets": torch.tensor([0.0, 3.0, 4.0, 8.0])}, {}),
    "frames_of_one_axis": ({"frames": torch.zeros(8).half()}, {}),
    "frames_of_no_width": ({"frames": torch.zeros(8, 0).half()}, {}),
    "frames_in_float32": ({"frames": torch.zeros(8, 5)}, {}),
    "too_few_vectors": ({"vectors": torch.zeros(2, 5).half()}, {}),
    "another_format": ({}, {"format": "ser-study pack 1"}),
    "an_id_twice": ({}, {"ids": ["a", "b", "a"]}),
    "an_id_that_is_a_number": ({}, {"ids": ["a", "b", 3]}),
    "ids_that_are_no_list": ({}, {"ids": "abc"}),
}


@pytest.mark.parametrize("name", BAD_PACKS)
def test_a_tampered_pack_is_refused(tmp_path: Path, name: str) -> None:
    tensors, metadata = BAD_PACKS[name]
    path = tmp_path / "p.safetensors"
    save_file({**good_tensors(), **tensors}, path, {"sha256": "0", "pack": json.dumps({**GOOD, **metadata})})
    with pytest.raises(UserError, match=r"p\.safetensors"):
        Pack.open(path)


def test_the_untampered_twin_of_those_packs_opens(tmp_path: Path) -> None:
    save_file(good_tensors(), tmp_path / "p", {"sha256": "0", "pack": json.dumps(GOOD)})
    assert Pack.open(tmp_path / "p").ids == IDS


def test_a_pack_without_a_checksum_is_refused(tmp_path: Path) -> None:
    save_file(good_tensors(), tmp_path / "p", {"pack": json.dumps(GOOD)})
    with pytest.raises(UserError, match="no checksum"):
        Pack.open(tmp_path / "p")


@pytest.mark.parametrize("metadata", ["", "{", "[]", "null", "3", "[" * 100_000])
def test_metadata_that_is_not_a_json_object_is_refused(tmp_path: Path, metadata: str) -> None:
    save_file(good_tensors(), tmp_path / "p", {"sha256": "0", "pack": metadata})
    with pytest.raises(UserError):
        Pack.open(tmp_path / "p")


@given(position=st.integers(0, 500), value=st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_changed_byte_of_the_header_raises_anything_but_a_user_error(
    pack_file: Path, position: int, value: int
) -> None:
    good = pack_file.read_bytes()
    content = bytearray(good)
    header = 8 + struct.unpack("<Q", good[:8])[0]
    content[position % header] = value
    changed = pack_file.with_name("changed")
    changed.write_bytes(content)
    try:
        Pack.open(changed).verify()
    except UserError:
        return


@pytest.mark.parametrize(
    ("ids", "lengths"),
    [((), ()), (("a", "a"), (1, 1)), (("a",), (1, 1)), (("a", "b"), (1, 0))],
)
def test_packs_that_could_not_be_read_are_not_written(
    tmp_path: Path, ids: tuple[str, ...], lengths: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="a pack needs"):
        write_pack(tmp_path / "p", ids, some_frames(lengths), None, {})
    assert not list(tmp_path.iterdir())


def test_float32_is_not_written_unasked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="float16 only"):
        write_pack(tmp_path / "p", ["a"], [torch.zeros(1, 2)], None, {})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 70_000.0, -70_000.0])
def test_values_that_float16_cannot_hold_are_refused_by_name(value: float) -> None:
    with pytest.raises(UserError, match="u7"):
        to_half(torch.tensor([[0.0, value]]), "u7")


def test_a_failed_write_leaves_the_old_pack(pack_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pack_file.read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_pack(pack_file, ["z"], some_frames((2,)), None, {})
    assert pack_file.read_bytes() == before
