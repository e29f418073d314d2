"""Sealed files of tensors: any safetensors reader reads them, and no changed bit passes."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from study.files import write_file
from study.tensor_file import TYPES, Damaged, check_file, sealed_metadata, sealed_pieces

TENSORS = {
    "flag": torch.tensor([True, False, True]),
    "step": torch.tensor(3.0),
    "half": torch.arange(6).half().reshape(2, 3),
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "empty": torch.zeros(0, 4),
    "long": torch.arange(5),
}


def sealed() -> bytes:
    return b"".join(sealed_pieces(TENSORS, {"about": "0" * 64}))


def test_any_reader_reads_what_was_written() -> None:
    found = load(sealed())
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].equal(tensor)


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_that_is_named_is_read_as_that(dtype: torch.dtype) -> None:
    written = torch.tensor([0, 1, 1]).to(dtype)
    found = load(b"".join(sealed_pieces({"it": written}, {})))["it"]
    assert found.dtype == dtype
    assert found.equal(written)


def test_metadata_that_looks_like_a_checksum_is_left_as_it_is() -> None:
    assert sealed_metadata(sealed())["about"] == "0" * 64


def test_no_changed_bit_passes() -> None:
    whole = sealed()
    for place in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(Damaged):
            sealed_metadata(bytes(changed))


@given(st.binary(max_size=200) | st.integers(0, 10_000).map(lambda n: sealed()[: n % len(sealed())]))
def test_no_other_bytes_pass(content: bytes) -> None:
    with pytest.raises(Damaged):
        sealed_metadata(content)


def test_a_file_of_another_writer_has_no_checksum() -> None:
    with pytest.raises(Damaged, match="no checksum"):
        sealed_metadata(save(TENSORS | {"turned": torch.zeros(1)}, {"sha256": "0" * 64}))


def test_a_file_is_checked_as_its_bytes_are(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, sealed_pieces(TENSORS, {}))
    check_file(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Damaged, match="does not match"):
        check_file(path)
    for content in (b"", b"\xff" * 9):
        path.write_bytes(content)
        with pytest.raises(Damaged, match="no checksum"):
            check_file(path)
