"""Features that went out in a form come back as they were; what other programs write is read by its own rules."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from safetensors.torch import save_file

from study.corpus.utterance import NO_VIDEO, Corpus, Video
from study.errors import UserError
from study.features.elsewhere.export import export
from study.features.elsewhere.row import from_elsewhere
from study.features.elsewhere.source import Source
from study.features.elsewhere.table import FORMS
from study.features.pack import Pack, write_pack
from study.features.prepare import pack_of
from study.features.spec import EncoderSpec
from study.modalities import MODALITIES
from tests.plugins.films import grey, write_film

ENCODERS = {"audio": "logmel", "text": "hash", "video": "pixels"}
# A pickle that would end this process.
RUNS_CODE = b"cos\n_exit\n(I3\ntR."


@pytest.fixture(scope="module")
def few(tones: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    film = write_film(tmp_path_factory.mktemp("films") / "f.mp4", lambda seconds: grey(10 + 15 * seconds), 12.0, 4)
    spans = enumerate(tones.utterances[:12])
    return replace(tones, utterances=tuple(replace(u, video=Video(film, n, n + 0.9)) for n, u in spans))


@pytest.fixture(scope="module")
def own(few: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pack]:
    folder = tmp_path_factory.mktemp("own")
    return {
        name: Pack.open(pack_of(few, MODALITIES[name], EncoderSpec(encoder), folder))
        for name, encoder in ENCODERS.items()
    }


def read_back(corpus: Corpus, modality: str, place: Path, folder: Path) -> Pack:
    return Pack.open(pack_of(corpus, from_elsewhere(MODALITIES[modality]), EncoderSpec(str(place), content=""), folder))


def without_source(pack: Pack) -> dict[str, object]:
    return {name: value for name, value in pack.metadata.items() if name not in ("encoder", "contents", "corpus")}


@pytest.mark.parametrize("modality", ENCODERS)
def test_a_pack_comes_back_from_every_form_byte_for_byte_but_for_its_source(
    few: Corpus, own: dict[str, Pack], tmp_path: Path, modality: str
) -> None:
    files = set()
    bare = replace(few, utterances=tuple(replace(each, video=NO_VIDEO) for each in few.utterances))
    for form in FORMS:
        place = export(own[modality], form, tmp_path / form)
        pack = read_back(bare, modality, place, tmp_path / form)
        assert without_source(pack) == without_source(own[modality])
        assert pack.frames.numpy().tobytes() == own[modality].frames.numpy().tobytes()
        assert pack.offsets.tolist() == own[modality].offsets.tolist()
        vectors = [each.vectors for each in (pack, own[modality])]
        assert [each is None for each in vectors] == [modality != "text"] * 2
        assert all(a is not None and b is not None and torch.equal(a, b) for a, b in [vectors] if modality == "text")
        files.add((pack.path.name, pack.path.read_bytes()))
    assert len(files) == 1  # the same features in any form are the same pack, under the same name


def test_equal_features_give_equal_files_and_nothing_is_overwritten(own: dict[str, Pack], tmp_path: Path) -> None:
    for form in ("npz", "parquet", "csv", "safetensors"):
        first, second = (export(own["audio"], form, tmp_path / side) for side in "ab")
        assert first.read_bytes() == second.read_bytes()
        with pytest.raises(UserError, match=r"exists; remove it, or name another --into"):
            export(own["audio"], form, tmp_path / "a")
    assert not list(tmp_path.rglob("*.unfinished"))


@pytest.mark.parametrize("form", FORMS)
def test_names_that_files_cannot_have_are_refused_or_come_back(form: str, tmp_path: Path) -> None:
    names = ["file", "a.npy", "../../up", "=1+1", "a,b\n", "NA", "007", "é", "__metadata__", "frames/x"]
    frames = [torch.full((2, 3), float(number)).half() for number in range(1, 1 + len(names))]
    write_pack(tmp_path / "p.safetensors", names, frames, None, {})
    pack = Pack.open(tmp_path / "p.safetensors")
    if form in ("npy", "hdf5", "safetensors"):
        with pytest.raises(UserError, match="choose another form"):
            export(pack, form, tmp_path / "o")
        assert not list((tmp_path / "o").iterdir())
        return
    place = export(pack, form, tmp_path / "o")
    source = Source(place)
    assert source.ids == set(names)
    assert all(torch.equal(source.read(name)[0], own) for name, own in zip(names, frames, strict=True))


def test_a_folder_for_each_utterance_is_sorted_in_time(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        (tmp_path / "a").mkdir(exist_ok=True)
        np.save(tmp_path / "a" / f"{number}.npy", np.array([number, 0.5]))
    frames, vector = Source(tmp_path).read("a")
    assert (frames[:, 0].tolist(), vector) == ([1, 2, 10], None)


def test_tables_of_other_programs(tmp_path: Path) -> None:
    flat = pandas.DataFrame({"f1": [1.0, 2.0, 3.0], "id": ["b", "a", "b"], "f2": [4, 5, 6]})
    flat.to_parquet(tmp_path / "flat.parquet")
    flat.to_csv(tmp_path / "flat.csv", index=False)
    listed = pandas.DataFrame({"id": ["b", "a", "b"], "embedding": [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]})
    listed.to_parquet(tmp_path / "listed.parquet", row_group_size=1)
    for name in ("flat.parquet", "flat.csv", "listed.parquet"):
        source = Source(tmp_path / name)
        assert source.ids == {"a", "b"}
        assert source.read("b")[0].tolist() == [[1, 4], [3, 6]]
        assert source.read("a")[0].tolist() == [[2, 5]]


def test_types_that_numpy_has_not(tmp_path: Path) -> None:
    tensors = {"a": torch.tensor([[1.5, 2.5]], dtype=torch.bfloat16)}
    save_file(tensors, tmp_path / "x.safetensors")
    torch.save(tensors, tmp_path / "x.pt")
    for name in ("x.safetensors", "x.pt"):
        assert Source(tmp_path / name).read("a")[0].tolist() == [[1.5, 2.5]]


REFUSED = [
    ("x.pkl", RUNS_CODE, "is a pickle, which may run code when it is read, so it is not"),
    ("x.pt", RUNS_CODE, "needs code of its own to be read, and none is run"),
    ("x.npz", RUNS_CODE, "cannot be read as a file .npz"),
    ("x.h5", RUNS_CODE, "cannot be read as HDF5"),
    ("x.parquet", RUNS_CODE, "cannot be read as parquet"),
    ("x.safetensors", RUNS_CODE, "cannot be read as safetensors"),
    ("x.csv", b"\xff\xfe\x00", "cannot be read as CSV"),
    ("x.csv", b"utt,f1\na,1\n", "needs a column of utterance ids, one of utterance_id, id"),
    ("x.csv", b"id,f1,label\na,1,0\n", "each is taken for a feature; found column 'label'"),
    ("x.csv", b"id,f1\na,one\n", "needs numbers in every column beside id"),
    ("x.wav", b"", "has none of their names; convert it"),
]


@pytest.mark.parametrize(("name", "content", "law"), REFUSED)
def test_what_is_no_features_is_refused_in_a_line(tmp_path: Path, name: str, content: bytes, law: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=law) as caught:
        Source(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_place_with_nothing_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no arrays; it should be a folder of"):
        Source(tmp_path)
    with pytest.raises(UserError, match="nothing does not exist"):
        Source(tmp_path / "nothing")


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_cut_or_changed_never_gives_other_features(
    few: Corpus, own: dict[str, Pack], tmp_path: Path, form: str
) -> None:
    place = export(own["audio"], form, tmp_path)
    file = next(iter(sorted(place.iterdir()))) if place.is_dir() else place
    whole = file.read_bytes()
    for part in (0.0, 0.1, 0.5, 0.9, 0.99):
        file.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(UserError, match=r"cannot be read|has no arrays|are not there|needs") as caught:
            read_back(few, "audio", place, tmp_path / "packs")
        assert "\n" not in str(caught.value)
