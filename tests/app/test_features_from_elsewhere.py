"""Features from elsewhere on the command line: out and in again, checked, refused, and told."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from study.app.cli import main, parsed_arguments
from study.app.extraction import studied_corpus, wanted_features
from study.app.options import settings_of
from study.app.planning import make_plan
from study.features.elsewhere.table import FORMS
from study.features.frame_rate import averaged
from study.features.pack import Pack
from study.record.plan import Plan

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(tiny_manifest: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command line for the manifest: exit code, and all that it prints, as one line."""
    monkeypatch.setenv("COLUMNS", "1000")

    def run(verb: str, *arguments: str) -> tuple[int, str]:
        place = ["--corpus", str(tiny_manifest), "--output", str(tiny_manifest.parent / "out")]
        code = main([verb, *(place if verb == "features" else [str(tiny_manifest)]), *arguments])
        return code, " ".join("".join(capsys.readouterr()).split())

    return run


@pytest.fixture
def exported(call: Call, tiny_manifest: Path) -> dict[str, Path]:
    """Our features of the manifest as files, by modality."""
    code, printed = call(
        "features", "--audio-encoder", "logmel", "--text-encoder", "hash", "--to", "npz", "--into",
        str(tiny_manifest.parent / "exported"),
    )  # fmt: skip
    assert code == 0
    return {name: Path(place) for name, place in re.findall(r"(audio|text) as npz: (\S+)", printed)}


def packs(printed: str) -> dict[str, Pack]:
    return {name: Pack.open(Path(path)) for name, path in re.findall(r"(audio|text): (\S+) \(", printed)}


def without_files(manifest: Path) -> None:
    """Take audio and words out of the manifest's corpus."""
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = [[("" if number == 3 and row[0] != "file_name" else cell) for number, cell in enumerate(row)]
                for row in csv.reader(file)]  # fmt: skip
    with manifest.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    for audio in (manifest.parent / "audio").iterdir():
        audio.unlink()


def test_features_come_back_without_audio_and_words(call: Call, exported: dict[str, Path], tiny_manifest: Path) -> None:
    own = packs(call("features", "--audio-encoder", "logmel", "--text-encoder", "hash")[1])
    without_files(tiny_manifest)
    places = ("--audio-features", str(exported["audio"]), "--text-features", str(exported["text"]))
    code, printed = call("features", "--variant", "self,self-cls", *places)
    assert code == 0
    assert f"audio features come from {exported['audio']}; whether what made them has seen these labels" in printed
    for name, pack in packs(printed).items():
        assert pack.ids == own[name].ids
        assert pack.frames.numpy().tobytes() == own[name].frames.numpy().tobytes()
    assert call("check", *places)[0] == 0
    assert call("check")[0] == 1


@pytest.mark.parametrize("form", ["npy", "npz"])
def test_video_features_need_no_films_and_are_the_third_stream(call: Call, tmp_path: Path, form: str) -> None:
    arrays = {f"{show}{number}": np.full((2 + number, 3), 1.0 + number) for show in "abc" for number in range(4)}
    place = tmp_path / ("seen" if form == "npy" else "seen.npz")
    if form == "npz":
        np.savez(place, **arrays)
    else:
        place.mkdir()
        for id, array in arrays.items():
            np.save(place / f"{id}.npy", array)
    options = ("--variant", "cross+video", "--audio-encoder", "logmel", "--text-encoder", "hash")
    code, printed = call("check", *options, "--video-features", str(place))
    assert (code, f"video features in {place}: 42 frames of 3 values" in printed) == (0, True), printed
    code, printed = call("features", *options, "--video-features", str(place))
    assert code == 0, printed
    (path,) = re.findall(r"video: (\S+) \(", printed)
    pack = Pack.open(Path(path))
    assert {id: pack.of(row).tolist() for row, id in enumerate(pack.ids)} == {k: v.tolist() for k, v in arrays.items()}
    code, printed = call("features", *options, "--video-features", str(place), "--video-encoder", "pixels")
    assert (code, "found --video-encoder too, leave one of them out" in printed) == (2, True)


def test_check_and_features_tell_what_is_wrong_and_what_is_not_used(
    call: Call, tiny_manifest: Path, tmp_path: Path
) -> None:
    place = tmp_path / "f"
    place.mkdir()
    for id in [*(f"{show}{number}" for show in "abc" for number in range(4)), "[red]other"]:
        np.save(place / f"{id}.npy", np.ones((2, 3)) if id != "a1" else np.ones((2, 4)))
    code, printed = call("check", "--audio-features", str(place))
    assert code == 1
    assert "1 of 12 utterances have another dimension than most, which have 3 (a1: 4); mend them" in printed
    assert "audio features of 1 ids ([red]other)" in printed
    code, printed = call("features", "--variant", "audio", "--audio-features", str(place))
    assert code == 2
    assert "audio features of every utterance are needed in" in printed
    np.save(place / "a1.npy", np.ones(3))
    code, printed = call("features", "--variant", "audio", "--audio-features", str(place))
    assert code == 0
    assert "audio features of 1 ids ([red]other)" in printed
    code, printed = call("check", "--audio-features", str(place), "--text-encoder", "hash")
    assert code == 0
    assert "text by hash: about " in printed
    assert "audio by" not in printed
    code, printed = call("check", "--audio-features", str(place), "--audio-layer", "2,last")
    assert (code, "found --audio-layer too, leave one of them out" in printed) == (2, True)


def test_layers_are_written_each_once_whatever_their_names(
    call: Call, tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    model = tiny_encoder("wavlm")
    encoders = f"{model}:1,{model}:last,{model.parent}/./{model.name}:last"  # the last is the second by another name
    into = ("--to", "npz", "--into", str(tmp_path / "e"))
    code, printed = call("features", "--variant", "audio", "--audio-encoder", encoders, *into)
    places = re.findall(r"audio as npz: (\S+)", printed)
    assert (code, len(set(places))) == (0, len(places)) == (0, 2)
    for place in places:
        assert call("features", "--variant", "audio", "--audio-features", place)[0] == 0


def test_weighted_layers_are_not_written_and_nothing_is_extracted_for_them(
    call: Call, tiny_encoder: Callable[[str], Path], tiny_manifest: Path, tmp_path: Path
) -> None:
    encoder = ("--audio-encoder", str(tiny_encoder("wavlm")), "--audio-layer", "last,weighted:2")
    code, printed = call("features", "--variant", "audio", *encoder, "--to", "npz", "--into", str(tmp_path / "e"))
    assert code == 2
    assert "exported layer by layer, found weighted layers, whose 2 bands each model mixes" in printed
    assert not list((tiny_manifest.parent / "out" / "features").glob("*.safetensors"))
    assert not list((tmp_path / "e").glob("*"))


def test_several_places_and_a_rate_below_their_own(call: Call, exported: dict[str, Path], tmp_path: Path) -> None:
    own = Pack.open(Path(packs_line(call("features", "--variant", "audio", "--audio-encoder", "logmel")[1])[0]))
    (tmp_path / "b,c").mkdir()
    for id in own.ids:
        np.save(tmp_path / "b,c" / f"{id}.npy", 2 * own.of(own.ids.index(id)).numpy())
    places = ("--audio-features", f"{exported['audio']},{tmp_path / 'b,c'}", "--feature-rate", "50")
    code, printed = call("check", *places)
    assert code == 0
    total = len(own.frames)
    for place in (exported["audio"], tmp_path / "b,c"):
        assert f"audio features in {place}: {total} frames (50 a second, so 1 s in all) of 43 values" in printed
    code, printed = call("features", "--variant", "audio", *places, "--frame-rate", "50,25")
    assert code == 0, printed
    assert printed.count("50 frames a second; whether what made them") == 2
    whole, half, twice, half_twice = (Pack.open(Path(path)) for path in packs_line(printed))
    assert torch.equal(whole.frames, own.frames)
    assert torch.equal(twice.frames, 2 * own.frames)
    for row in range(len(own.ids)):
        torch.testing.assert_close(half.of(row), averaged(own.of(row).float(), 2).half())
    assert torch.equal(half_twice.offsets, half.offsets)
    code, printed = call("features", "--variant", "audio", *places[:-1], "30", "--frame-rate", "25")
    assert (code, "--audio-features has 30 per second; found 25, choose none" in printed) == (2, True)
    np.savez(tmp_path / "same.npz", **{id: own.of(row).numpy() for row, id in enumerate(own.ids)})
    code, printed = call("features", "--variant", "audio", "--audio-features", f"{places[1]},{tmp_path / 'same.npz'}")
    assert (code, "are different features, found the same in" in printed) == (2, True)


def packs_line(printed: str) -> list[str]:
    return re.findall(r"audio: (\S+) \(", printed)


def test_a_stream_that_the_features_lack_is_refused_before_the_search(call: Call, tmp_path: Path) -> None:
    place = tmp_path / "f"
    place.mkdir()
    for id in (f"{show}{number}" for show in "abc" for number in range(4)):
        np.save(place / f"{id}.npy", np.ones((2, 3)))
    code, printed = call(
        "features", "--variant", "self-cls", "--audio-encoder", "logmel", "--text-features", str(place)
    )
    assert code == 2
    assert "one vector per utterance is needed" in printed


@pytest.mark.parametrize(
    ("arguments", "law"),
    [
        ("--audio-features x --audio-encoder logmel", "found --audio-encoder too, leave one of them out"),
        ("--audio-features x --frame-rate 25", "found --frame-rate too, leave one of them out"),
        ("--variant audio --audio-features /no/such", "/no/such does not exist"),
        ("--audio-encoder logmel --text-encoder hash --to pickle", "--to expects one of npy, npz, hdf5, parquet"),
        ("--audio-encoder logmel --text-encoder hash --into x", "--into expects --to"),
    ],
)
def test_what_does_not_go_together_is_refused(call: Call, arguments: str, law: str) -> None:
    code, printed = call("features", *arguments.split())
    assert (code, law in printed) == (2, True), printed


def test_every_form_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")
    assert all(f"`{form}`" in page for form in FORMS)
    suffixes = [suffix for row in FORMS.values() for suffix in row.suffixes]
    assert all(f"`{suffix}`" in page or suffix.strip(".") in FORMS for suffix in suffixes)


def test_the_study_is_another_one_where_a_value_changed_and_the_same_in_another_form(
    exported: dict[str, Path], tiny_manifest: Path, tmp_path: Path
) -> None:
    def plan_of(place: Path) -> Plan:
        line = ["run", "--variant", "audio", "--corpus", str(tiny_manifest), "--audio-features", str(place)]
        settings, console = settings_of(parsed_arguments([*line, "--output", str(tmp_path / "o")])), Console(quiet=True)
        corpus = studied_corpus(settings, console)
        features = wanted_features(corpus, settings)
        assert not (tmp_path / "o").exists()  # the content is known before anything is extracted
        choices = {modality: [each.choice for each in own] for modality, own in features.items()}
        return make_plan(settings, corpus, choices, "own")

    with np.load(exported["audio"]) as file:
        arrays = dict(file)
    first = plan_of(exported["audio"])
    for id, array in arrays.items():
        (tmp_path / "folder").mkdir(exist_ok=True)
        np.save(tmp_path / "folder" / f"{id}.npy", array.astype(np.float64))
    assert first.differences(plan_of(tmp_path / "folder")) == []
    np.save(tmp_path / "folder" / "b2.npy", arrays["b2"] * 2)
    (change,) = first.differences(plan_of(tmp_path / "folder"))
    assert re.fullmatch(r"audio features was features [0-9a-f]{12}, now features [0-9a-f]{12}", change)
