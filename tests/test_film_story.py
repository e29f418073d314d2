"""A miniature release with films runs cross+video from its dialogues to a model folder that predicts on an mp4."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from study.corpus.utterance import NO_VIDEO, Corpus, Video
from study.errors import UserError
from study.features.pack import Pack
from study.features.pixels import SIDE
from study.inference.batch import key_of
from study.inference.export import export
from study.inference.inputs import items_of
from study.inference.mlflow_loader import ServedModel
from study.inference.page import answer, one_of, recording_boxes
from study.inference.predictor import Predictor
from study.inference.recording import utterance_of
from study.inference.selected import select
from study.inference.ser_model import SerModel
from study.record.folder import StudyFolder
from study.record.plan import Plan
from tests.plugins.clips import tone, write_clip
from tests.plugins.exportable_study import write_exportable
from tests.plugins.films import grey, write_film

LEFT, RIGHT = 60, 180
WORDS = "Get out of my house"


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, write_release: Callable[..., Path]
) -> tuple[StudyFolder, Corpus]:
    folder = tmp_path_factory.mktemp("story")
    release = write_release(folder / "IEMOCAP_full_release", utterances_per_speaker=8)
    both = np.concatenate([grey(LEFT), grey(RIGHT)], axis=1)
    for labels in sorted(release.glob("Session*/dialog/EmoEvaluation/Ses*.txt")):
        films = labels.parents[1] / "avi" / "DivX"
        write_film(films / f"{labels.stem}.avi", lambda seconds: both, 8.5, 4)
        (films / f"._{labels.stem}.avi").write_bytes(b"\x00\x05\x16\x07")
    options = ("--variant", "cross+video", "--video-encoder", "pixels", "--labels", "4", "--epochs", "1")
    return write_exportable(folder / "out", release, *options)


@pytest.fixture(scope="module")
def model(finished: tuple[StudyFolder, Corpus], tmp_path_factory: pytest.TempPathFactory) -> SerModel:
    folder, corpus = finished
    to = tmp_path_factory.mktemp("models") / "seeing"
    export(
        select(folder, "cross+video"), corpus, to,
        weights="folds", license=None, trust_remote_code=False, on_progress=lambda *_: None,
    )  # fmt: skip
    return SerModel.from_pretrained(to)


def learning_to_lack(model: SerModel, *streams: str) -> SerModel:
    """The model with the vectors that those have which lacked these streams in training: here the mean frame."""
    own = model._predictor.model
    tensors = {name.replace(".model.", ".model.model."): value for name, value in own.tensors.items()}
    for number in range(len(own.config.members)):
        for name in streams:
            tensors[f"members.{number}.model.vectors.{name}"] = torch.zeros(own.config.streams[name].dim)
    return SerModel(Predictor(replace(own, config=replace(own.config, missing=streams), tensors=tensors)))


def test_every_speaker_has_the_pictures_of_their_own_half(finished: tuple[StudyFolder, Corpus]) -> None:
    folder, corpus = finished
    pack = Pack.open(Path(Plan.read(folder).pack("video")))
    ids = [utterance.id for utterance in corpus.utterances]
    for row, id in zip(pack.rows(ids).tolist(), ids, strict=True):
        frames = pack.of(row)
        assert len(frames) == 5  # of 1.95 s
        shade = LEFT if id[5] == id.rpartition("_")[2][0] else RIGHT
        assert float(frames[:, : SIDE * SIDE].float().mean()) * 255 == pytest.approx(shade, abs=4)


def test_the_page_takes_a_recording_where_the_model_needs_no_film(model: SerModel, tmp_path: Path) -> None:
    def boxes(own: SerModel) -> list[str]:
        return [each.label for each in recording_boxes(own)]

    partly = learning_to_lack(model, "video")
    assert boxes(model) == ["film"]
    assert boxes(partly) == ["film", "or a recording without a film"]
    recording = str(write_clip(tmp_path / "a.m4a", tone(1.0), film=False))
    assert one_of([None, recording]) == one_of([recording, None]) == recording
    assert one_of([None, None]) is None
    with pytest.raises(UserError, match="empty one of the boxes"):
        one_of([recording, recording])
    assert [note.partition(":")[0] for note in answer(partly, recording, WORDS).notes] == ["no film"]
    with pytest.raises(UserError, match="film"):
        answer(model, recording, WORDS)


def test_a_model_predicts_on_sound_and_pictures_of_one_file(model: SerModel, tmp_path: Path) -> None:
    sound = tone(2.0, rate_hz=16_000)
    dark, light = (
        write_film(tmp_path / f"{shade}.mp4", lambda seconds, shade=shade: grey(shade), 2.0, 5, samples=sound)  # type: ignore[misc]
        for shade in (30, 220)
    )
    found = [model.predict(path, text=WORDS).probabilities for path in (dark, light, dark)]
    assert found[0] == found[2]
    assert np.abs(np.subtract(found[0], found[1])).max() > 1e-4
    assert sum(found[0]) == pytest.approx(1)


def test_what_lacks_sound_or_pictures_is_refused_in_one_line(
    model: SerModel, tmp_path: Path, iemocap_release: Path
) -> None:
    wav = next(iemocap_release.glob("Session1/sentences/wav/*/Ses*.wav"))
    silent = write_film(tmp_path / "silent.mp4", lambda seconds: grey(90), 1.0, 5)
    m4a = write_clip(tmp_path / "a.m4a", tone(1.0), film=False)
    laws = {wav: r"reads film, and \S*wav has none; give a file with pictures", m4a: "film, and a.m4a has none; give a"}
    for path, expected in {**laws, silent: r"speech, and silent.mp4 has none; give a recording with sound"}.items():
        with pytest.raises(UserError, match=expected) as caught:
            model.predict(path, text=WORDS)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"variant cross\+video reads sound and film, and no recording is given"):
        model.predict(None, text=WORDS)


def test_a_file_without_pictures_or_sound_lacks_them_where_the_model_has_learned_to(
    model: SerModel, tmp_path: Path
) -> None:
    able = learning_to_lack(model, "audio", "video")
    m4a = write_clip(tmp_path / "a.m4a", tone(1.0), film=False)
    silent = write_film(tmp_path / "silent.mp4", lambda seconds: grey(90), 1.0, 5)
    for path, noun, same in (
        (m4a, "film", replace(utterance_of(m4a, WORDS), video=NO_VIDEO)),
        (silent, "speech", replace(utterance_of(silent, WORDS), audio=Path())),
    ):
        found = able.predict(path, text=WORDS)
        assert found.notes == (f"no {noun}: the model was trained to do without {noun}, and does worse without",)
        assert found.probabilities == able._predictor.predict(same).probabilities
    whole = write_film(tmp_path / "a.mp4", lambda seconds: grey(90), 1.0, 5, samples=tone(1.0, rate_hz=16_000))
    assert able.predict(whole, text=WORDS).notes == ()
    assert able.predict(whole, text=WORDS).probabilities == model.predict(whole, text=WORDS).probabilities
    (tmp_path / "b.mp4").write_text("no film")
    with pytest.raises(UserError, match="cannot be decoded"):
        able.predict(tmp_path / "b.mp4", text=WORDS)


def test_a_served_model_gets_sound_and_picture_of_a_film_that_is_in_the_request(
    model: SerModel, tmp_path: Path
) -> None:
    film = write_film(tmp_path / "a.mp4", lambda seconds: grey(200), 1.0, 5, samples=tone(1.0, rate_hz=16_000))
    content = base64.b64encode(film.read_bytes()).decode()
    rows = pandas.DataFrame([{"audio": f"data:video/anything;base64,{content}", "text": WORDS}])
    (row,) = ServedModel(model).predict(rows).to_dict("records")
    shares = model.predict(film, text=WORDS).probabilities
    assert [row[f"p_{label}"] for label in model.labels] == list(shares)
    assert row["note"] == ""


def test_rows_of_a_manifest_may_have_their_film_elsewhere(
    model: SerModel, tmp_path: Path, iemocap_release: Path
) -> None:
    wav = next(iemocap_release.glob("Session1/sentences/wav/*/Ses*.wav"))
    write_film(tmp_path / "f.mp4", lambda seconds: grey(90), 3.0, 5)
    rows = ["file_name,text,video,video_start,video_end", f"{wav},x,f.mp4,1,2", f"{wav},x,,,", f"{wav},x,f.mp4,2,1"]
    (tmp_path / "m.csv").write_text("\n".join(rows))
    predictor = model._predictor
    first, second, third = items_of([str(tmp_path / "m.csv")], None, predictor.config)
    assert first.utterance is not None
    assert first.utterance.video == Video(tmp_path / "f.mp4", 1.0, 2.0)
    assert sum(predictor.predict(first.utterance).probabilities) == pytest.approx(1)
    keys = [key_of(first, "m", None), key_of(replace(first, utterance=second.utterance), "m", None)]
    write_film(tmp_path / "f.mp4", lambda seconds: grey(200), 3.0, 5)  # a row of another film is predicted again
    assert len({*keys, key_of(first, "m", None)}) == 3
    assert second.utterance is not None
    with pytest.raises(UserError, match="reads film"):
        predictor.predict(second.utterance)
    assert (third.utterance, third.reason) == (None, "video_end must be later than video_start; found 2 to 1")
