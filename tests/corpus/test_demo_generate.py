"""What the script behind the demo corpus promises: the same bytes again, the words as written, errors in one line."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from study.corpus.demo import MANIFEST, espeak, faces, film, generate, ogg
from study.corpus.demo.casting import CLASSES, Sentence, cast, read_sentences
from study.corpus.demo.prosody import SPEAKERS, STYLES, manner, marked
from study.corpus.utterance import Utterance, Video
from study.corpus.utterance_film import UtteranceFilm, read_films
from study.errors import UserError

FOLDER = MANIFEST.parent


def _tone_as_ogg() -> bytes:
    buffer = io.BytesIO()
    tone = 0.3 * np.sin(np.arange(16_000) * 0.1)
    soundfile.write(buffer, tone, 16_000, format="OGG", subtype="OPUS")
    return buffer.getvalue()


def test_the_same_audio_gives_the_same_bytes_once_the_serial_is_chosen() -> None:
    assert ogg.with_serial(_tone_as_ogg(), 5) == ogg.with_serial(_tone_as_ogg(), 5)
    assert ogg.with_serial(_tone_as_ogg(), 5) != ogg.with_serial(_tone_as_ogg(), 6)


def test_another_serial_leaves_the_audio_as_it_was() -> None:
    original = _tone_as_ogg()
    changed = ogg.with_serial(original, 123_456_789)
    assert changed != original
    # The decoder drops every page whose checksum is wrong, so equal audio means right checksums.
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(changed))[0], soundfile.read(io.BytesIO(original))[0])


def test_the_original_serial_gives_back_the_original_bytes() -> None:
    original = _tone_as_ogg()
    assert ogg.with_serial(original, int.from_bytes(original[14:18], "little")) == original


@pytest.mark.parametrize("sounds", STYLES)
def test_marks_stand_before_words_and_change_none(sounds: str) -> None:
    text = "I've seen it, have you?"
    spoken = marked(text, manner(np.random.default_rng(0), SPEAKERS["1F"], sounds))
    assert [piece.split("A", 1)[1] for piece in spoken.split(" ")] == text.split()
    assert all(piece.startswith("\x01") for piece in spoken.split(" "))


def test_surprise_rises_and_frustration_falls() -> None:
    def rise(sounds: str) -> float:
        drawn = [manner(np.random.default_rng(seed), SPEAKERS["1F"], sounds)[1] for seed in range(50)]
        return float(np.mean(drawn))

    assert rise("surprise") > 40 > 10 > rise("neutral") > -10 > rise("frustrated")


def test_too_few_sentences_are_reported_in_one_line() -> None:
    with pytest.raises(UserError, match=r"sentences\.csv has none left") as caught:
        cast([Sentence("scripted", "open", "Well.")])
    assert "\n" not in str(caught.value)


def test_a_missing_synthesiser_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match="demo-audio") as caught:
        espeak.synthesise([])
    assert "\n" not in str(caught.value)


def test_an_impossible_folder_is_reported_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert generate.main(["--out", str(tmp_path / "file")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_manifest_constant_costs_no_heavy_import() -> None:
    code = "import sys, study.corpus.demo as d; print(d.MANIFEST.exists(), 'numpy' in sys.modules)"
    root = FOLDER.parents[2]
    answer = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["True", "False"]


def test_speaking_again_gives_the_committed_audio() -> None:
    pytest.importorskip("espeakng_loader")
    lines = cast(read_sentences(FOLDER / "sentences.csv"))[:24]
    with MANIFEST.open(encoding="utf-8", newline="") as file:
        names = [row["file_name"] for row in csv.DictReader(file)]
    for line, audio, name in zip(lines, generate.speak(lines), names, strict=False):
        committed, _ = soundfile.read(FOLDER / name)
        assert len(audio) == len(committed), line
        # Opus is lossy: the same recording, not the same samples.
        assert np.corrcoef(audio, committed)[0, 1] > 0.9, line


def test_filming_a_speaker_again_gives_the_committed_bytes_of_pictures_and_spans(tmp_path: Path) -> None:
    (tmp_path / "audio").symlink_to(FOLDER / "audio")
    with MANIFEST.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["speaker"] == "4M"]
    number = 7  # in the order of speakers, so that looks and faces are those of the whole corpus
    with MANIFEST.open(encoding="utf-8", newline="") as file:
        places = {row["utterance_id"]: index for index, row in enumerate(csv.DictReader(file))}
    again = [{**row, **dict.fromkeys(film.COLUMNS, "")} for row in rows]
    (tmp_path / "video").mkdir()
    film.write_film(tmp_path, number, "4M", [(places[row["utterance_id"]], row) for row in again])
    assert again == rows
    given = [Utterance(row["utterance_id"], Path(), "", "", "", "", video=_film_of(row, FOLDER)) for row in rows[:8]]
    made = [Utterance(row["utterance_id"], Path(), "", "", "", "", video=_film_of(row, tmp_path)) for row in rows[:8]]
    for one, other in zip(read_films(given), read_films(made), strict=True):
        assert isinstance(one, UtteranceFilm)
        assert isinstance(other, UtteranceFilm)
        # The encoder is lossy and may be of another version: the same faces, not the same pixels.
        assert np.abs(one.pictures.astype(float) - other.pictures).mean() < 3


def _film_of(row: dict[str, str], folder: Path) -> Video:
    return Video(folder / row["video"], float(row["video_start"]), float(row["video_end"]))


@pytest.mark.parametrize("label", CLASSES)
def test_faces_of_a_class_show_it_most_often_and_others_too(label: str) -> None:
    drawn = [faces.shown(np.random.default_rng(seed), label) for seed in range(400)]
    share = drawn.count(label) / 400
    assert 0.4 < share < 0.8
    assert len(set(drawn)) > 2
