"""What is wrong with features is told at once, with numbers; what they are, and nothing else, is their identity."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.elsewhere.row import from_elsewhere
from study.features.elsewhere.source import Source
from study.features.elsewhere.survey import survey, unused_line
from study.features.pack import Pack
from study.features.prepare import pack_of
from study.features.spec import EncoderSpec
from study.modalities import AUDIO


@pytest.fixture
def four(tones: Corpus) -> Corpus:
    """Utterances u000 to u003."""
    return replace(tones, utterances=tones.utterances[:4])


def saved(folder: Path, arrays: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def good(**others: Any) -> dict[str, Any]:
    arrays = {f"u{number:03d}": np.full((2, 3), number + 1.0) for number in range(4)}
    return {**arrays, **others}


def faults(corpus: Corpus, folder: Path) -> tuple[str, ...]:
    return survey(corpus, Source(folder)).faults


def test_good_features_have_no_faults(four: Corpus, tmp_path: Path) -> None:
    assert faults(four, saved(tmp_path / "f", good())) == ()
    assert unused_line(four, Source(tmp_path / "f"), "audio") == ""


WRONG = [
    (np.array([[1, np.nan, 2.0]]), "1 of 4 utterances have values that are not finite (u001: nan or inf)"),
    (np.array([[1e30] * 3]) * 1e30, "1 of 4 utterances have values that are not finite (u001: nan or inf)"),
    (np.full(3, -7e4), "1 of 4 utterances have values beyond 65504, which float16 cannot hold (u001: 70000)"),
    (np.ones((2, 4)), "1 of 4 utterances have another dimension than most, which have 3 (u001: 4)"),
    (np.ones((1, 2, 3)), "1 of 4 utterances are not [D] or [T, D] (u001: shape [1, 2, 3])"),
    (np.ones((0, 3)), "1 of 4 utterances are not [D] or [T, D] (u001: shape [0, 3])"),
    (np.float32(1), "1 of 4 utterances are not [D] or [T, D] (u001: shape [])"),
    (np.ones(3) * 1j, "1 of 4 utterances are no numbers (u001: type complex128)"),
    (np.array(["a", "b", "c"]), "1 of 4 utterances are no numbers (u001: type <U1)"),
    (np.ones(3, bool), "1 of 4 utterances are no numbers (u001: type bool)"),
]


@pytest.mark.parametrize(("array", "line"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_an_array_that_cannot_be_used_is_told(four: Corpus, tmp_path: Path, array: Any, line: str) -> None:
    assert faults(four, saved(tmp_path / "f", good(u001=array))) == (line,)


def test_a_pickled_array_is_not_read(four: Corpus, tmp_path: Path) -> None:
    (line,) = faults(four, saved(tmp_path / "f", good(u001=np.array([{}], dtype=object))))
    assert line.startswith("1 of 4 utterances cannot be read (u001: ")


def test_everything_is_told_at_once_in_one_line(four: Corpus, tmp_path: Path) -> None:
    arrays = good(u001=np.ones((2, 5)), u002=np.array([np.inf]))
    del arrays["u003"]
    folder = saved(tmp_path / "f", arrays)
    spec = EncoderSpec(str(folder), content="")
    with pytest.raises(UserError) as caught:
        pack_of(four, from_elsewhere(AUDIO), spec, tmp_path / "packs")
    assert str(caught.value) == (
        f"audio features of every utterance are needed in {folder}: "
        "1 of 4 utterances have values that are not finite (u002: nan or inf); "
        "1 of 4 utterances are not there (u003); "
        "1 of 4 utterances have another dimension than most, which have 3 (u001: 5); "
        "mend them, or leave these utterances out of the corpus"
    )


def test_ids_that_do_not_match_are_shown_beside_the_names(four: Corpus, tmp_path: Path) -> None:
    folder = saved(tmp_path / "f", {"x\n1": np.ones(3), "y": np.ones(3)})
    assert faults(four, folder) == (
        "4 of 4 utterances are not there (u000, u001, u002, ...)",
        r"what is there is called 2 ids (x\n1, y)",
    )


def test_what_is_not_used_is_counted(four: Corpus, tmp_path: Path) -> None:
    folder = saved(tmp_path / "f", good(zz=np.ones(3), z=np.ones(7)))
    assert faults(four, folder) == ()
    line = unused_line(four, Source(folder), "text")
    assert line == f"text features of 2 ids (z, zz) in {folder} belong to no utterance: not used"


def test_features_too_small_for_float16_are_refused(four: Corpus, tmp_path: Path) -> None:
    tiny = {name: array * 1e-7 for name, array in good().items()}
    (line,) = faults(four, saved(tmp_path / "f", tiny))
    assert line.endswith("which float16 cannot hold well; multiply all by a constant")


def test_vectors_lie_beside_frames_and_every_utterance_has_one(four: Corpus, tmp_path: Path) -> None:
    saved(tmp_path / "f" / "frames", good())
    saved(tmp_path / "f" / "vectors", {f"u00{number}": np.arange(5) + 1.0 for number in range(4)})
    frames, vector = Source(tmp_path / "f").read("u002")
    assert vector is not None
    assert (frames.tolist(), vector.tolist()) == ([[3] * 3] * 2, [1, 2, 3, 4, 5])
    (tmp_path / "f" / "vectors" / "u001.npy").unlink()
    assert faults(four, tmp_path / "f") == ("1 of 4 utterances are not there (u001)",)


def test_the_content_is_the_identity(four: Corpus, tmp_path: Path) -> None:
    def made(name: str, arrays: Mapping[str, Any]) -> Path:
        spec = EncoderSpec(str(saved(tmp_path / name, arrays)), content="")
        return pack_of(four, from_elsewhere(AUDIO), spec, tmp_path / "packs")

    path = made("first", good())
    assert made("second", {**good(other=np.ones(2)), "u001": np.full((2, 3), 2, np.int16)}) == path
    changed = made("first", {"u001": np.full((2, 3), 2.5)})
    assert changed != path
    assert Pack.open(changed).of(1).unique().tolist() == [2.5]


def test_one_frame_for_each_utterance_is_its_vector(four: Corpus, tmp_path: Path) -> None:
    folder = saved(tmp_path / "f", {name: array[0] for name, array in good().items()})
    pack = Pack.open(pack_of(four, from_elsewhere(AUDIO), EncoderSpec(str(folder), content=""), tmp_path / "packs"))
    assert pack.as_single_frames().frames.tolist() == [[number] * 3 for number in (1, 2, 3, 4)]
    longer = saved(tmp_path / "g", good())
    pack = Pack.open(pack_of(four, from_elsewhere(AUDIO), EncoderSpec(str(longer), content=""), tmp_path / "packs"))
    with pytest.raises(UserError, match="one vector per utterance is needed"):
        pack.as_single_frames()
