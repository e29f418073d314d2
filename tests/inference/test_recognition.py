"""Words from speech: against the model called by hand, silent where nothing is said, kept from command to command."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import transformers
from rich.console import Console

from study.app.predict import EncoderPlaces, PredictOptions, predict
from study.app.transcribe import ManifestOptions, RecogniserOptions, manifest, transcribe
from study.corpus.options import CorpusOptions
from study.corpus.source import open_corpus
from study.corpus.utterance import Corpus
from study.errors import FAILED, FINISHED, UserError
from study.inference.recognition import Recogniser
from study.inference.recording import utterance_of
from study.inference.ser_model import SerModel
from study.inference.silence import is_silent

TinyRecogniser = Callable[[str], Path]
RATE_HZ = 16_000


def noise(path: Path, seconds: float, loudness: float = 0.1) -> Path:
    samples = loudness * np.random.default_rng(0).standard_normal(round(RATE_HZ * seconds))
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def ctc(tiny_recogniser: TinyRecogniser) -> Recogniser:
    return Recogniser(str(tiny_recogniser("ctc")))


def test_words_are_those_that_the_model_gives_by_hand(ctc: Recogniser, tmp_path: Path) -> None:
    path = noise(tmp_path / "a.wav", 1.0)
    samples, _ = soundfile.read(path, dtype="float32")
    folder = ctc.spec
    inputs = transformers.AutoFeatureExtractor.from_pretrained(folder)(
        samples, sampling_rate=RATE_HZ, return_tensors="pt"
    )
    with torch.inference_mode():
        best = transformers.AutoModelForCTC.from_pretrained(folder).eval()(**inputs).logits.argmax(-1)
    expected = transformers.AutoTokenizer.from_pretrained(folder).batch_decode(best)[0]
    assert expected
    assert ctc.words(utterance_of(path, None)) == " ".join(expected.split())


@pytest.mark.parametrize("family", ["ctc", "whisper"])
@pytest.mark.parametrize("seconds", [0.02, 42.0])
def test_very_short_and_long_recordings_are_read_by_every_kind(
    tiny_recogniser: TinyRecogniser, tmp_path: Path, family: str, seconds: float
) -> None:
    recogniser = Recogniser(str(tiny_recogniser(family)))
    words = recogniser.words(utterance_of(noise(tmp_path / "a.wav", seconds), None))
    assert words == " ".join(words.split())
    assert bool(words) or seconds < 1


def test_silence_has_no_words_and_a_short_sound_in_it_ends_that(ctc: Recogniser, tmp_path: Path) -> None:
    assert ctc.words(utterance_of(noise(tmp_path / "quiet.wav", 1.0, loudness=0.001), None)) == ""
    samples = torch.zeros(RATE_HZ)
    assert is_silent(samples, RATE_HZ)
    assert is_silent(samples[:100], RATE_HZ)
    samples[8000:9600] = 0.01
    assert not is_silent(samples, RATE_HZ)


def test_a_model_that_recognises_nothing_is_refused(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    recogniser = Recogniser(str(tiny_encoder("bert")))
    with pytest.raises(UserError, match="a speech recogniser"):
        recogniser.words(utterance_of(noise(tmp_path / "a.wav", 1.0), None))


def manifest_of(corpus: Corpus, folder: Path) -> Path:
    """The corpus as a manifest in its own folder, written by hand."""
    path = folder / "given.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "utterance_id", "label", "text", "speaker", "group"])
        for number, u in enumerate(corpus.utterances):
            label, group = ("sad", "glad")[number % 2], f"show{number % 3}"
            writer.writerow([u.audio.name, u.id, label, u.words, f"{group}-{number % 2}", group])
    return path


@pytest.fixture
def few(write_tones: Callable[..., Corpus], tmp_path: Path) -> Path:
    corpus = write_tones(tmp_path / "tones", size=8)
    return manifest_of(corpus, tmp_path / "tones")


def console() -> Console:
    return Console(file=io.StringIO(), width=400)


def output(of: Console) -> str:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue()


@pytest.mark.parametrize("place", ["tones/again.csv", "elsewhere/again.csv"])
def test_a_corpus_written_as_a_manifest_is_the_same_corpus(few: Path, tmp_path: Path, place: str) -> None:
    options, shown = CorpusOptions(corpus=str(few)), console()
    assert manifest(options, ManifestOptions(to=tmp_path / place), shown) == FINISHED
    outside = "--allow-outside-files" in output(shown)
    assert outside == place.startswith("elsewhere")
    again = open_corpus(CorpusOptions(corpus=str(tmp_path / place), allow_outside_files=outside), ("audio", "text"))
    before = open_corpus(options, ("audio", "text"))
    assert again.digest() == before.digest()
    assert [u.audio.resolve() for u in again.utterances] == [u.audio.resolve() for u in before.utterances]


def test_the_demo_as_a_manifest_is_the_demo(tmp_path: Path) -> None:
    assert manifest(CorpusOptions(), ManifestOptions(to=tmp_path / "demo.csv"), console()) == FINISHED
    again = open_corpus(CorpusOptions(corpus=str(tmp_path / "demo.csv"), allow_outside_files=True), ("audio", "text"))
    demo = open_corpus(CorpusOptions(), ("audio", "text"))
    assert sorted((u.id, u.label, u.words, u.speaker, u.group, u.script) for u in again.utterances) == sorted(
        (u.id, u.label, u.words, u.speaker, u.group, u.script) for u in demo.utterances
    )


def test_a_transcription_that_was_cut_short_goes_on_and_keeps_all_else(
    few: Path, tiny_recogniser: TinyRecogniser, tmp_path: Path
) -> None:
    asr = RecogniserOptions(asr=str(tiny_recogniser("ctc")))
    options = CorpusOptions(corpus=str(few))
    whole, cut = ManifestOptions(to=few.parent / "whole.csv"), ManifestOptions(to=few.parent / "cut.csv")
    assert transcribe(options, whole, asr, console()) == FINISHED

    good = (few.parent / "3.wav").read_bytes()
    (few.parent / "3.wav").write_bytes(b"RIFF no sound")
    shown = console()
    assert transcribe(options, cut, asr, shown) == FAILED
    assert "1 utterance could not be read; the others are kept" in output(shown)
    assert not cut.to.exists()
    begun = cut.to.with_name("cut.csv.unfinished")
    lines = begun.read_text().splitlines()
    assert len(lines) == 7
    begun.write_text("\n".join([*lines[:5], lines[5][:20]]))  # as a kill would leave it

    (few.parent / "3.wav").write_bytes(good)
    assert transcribe(options, cut, asr, console()) == FINISHED
    assert cut.to.read_bytes() == whole.to.read_bytes()
    assert not begun.exists()

    found, given = (open_corpus(CorpusOptions(corpus=str(path)), ("audio",)) for path in (whole.to, few))
    expected = Recogniser(asr.asr or "").words(found.utterances[0])
    assert found.utterances[0].words == expected
    unheard = [replace(u, words="", where="", audio=u.audio.resolve()) for u in found.utterances]
    assert unheard == [replace(u, words="", where="", audio=u.audio.resolve()) for u in given.utterances]


def test_what_is_there_is_not_overwritten(few: Path) -> None:
    with pytest.raises(UserError, match="--to expects a new file"):
        manifest(CorpusOptions(corpus=str(few)), ManifestOptions(to=few), console())
    with pytest.raises(UserError, match=r"--to expects a file that ends in \.csv"):
        manifest(CorpusOptions(corpus=str(few)), ManifestOptions(to=few.with_suffix(".txt")), console())
    with pytest.raises(UserError, match="--asr is needed"):
        transcribe(CorpusOptions(), ManifestOptions(to=few.with_name("x.csv")), RecogniserOptions(), console())


def test_lines_of_an_unfinished_transcription_that_are_none_are_passed_over(
    few: Path, tiny_recogniser: TinyRecogniser
) -> None:
    to = few.parent / "odd.csv"
    odd = [json.dumps(each) for each in (3, [], {"key": 1, "words": "a"}, {"key": "x"}, {"key": "x", "words": "y"})]
    to.with_name("odd.csv.unfinished").write_text("\n".join([*odd, "[" * 100_000, "\x00"]) + "\n")
    asr = RecogniserOptions(asr=str(tiny_recogniser("ctc")))
    assert transcribe(CorpusOptions(corpus=str(few)), ManifestOptions(to=to), asr, console()) == FINISHED


def test_words_that_are_not_given_are_recognised_and_shown(
    model: Path, manifest: Path, tiny_recogniser: TinyRecogniser, tmp_path: Path
) -> None:
    recording, asr = sorted(manifest.parent.rglob("*.wav"))[0], str(tiny_recogniser("ctc"))
    words = Recogniser(asr).words(utterance_of(recording, None))
    assert words
    by_ear, plain = SerModel.from_pretrained(model, asr=asr), SerModel.from_pretrained(model)
    assert by_ear(recording) == plain(recording, text=words)
    assert by_ear(recording, text="hello") == plain(recording, text="hello")
    with pytest.raises(UserError, match=r"or have them recognised with asr="):
        plain(recording)
    shown, places = console(), EncoderPlaces(asr=asr)
    assert predict(str(model), [str(recording)], tmp_path, PredictOptions(), places, shown) == FINISHED
    assert f"recognised: {words}" in output(shown)
    to = tmp_path / "found.csv"
    assert predict(str(model), [str(recording)], tmp_path, PredictOptions(csv=to), places, console()) == FINISHED
    with to.open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row["recognised"] == words
    assert float(row["score"]) == pytest.approx(by_ear(recording)[0]["score"], abs=1e-6)
    with pytest.raises(UserError, match="--text gives the words that --asr would recognise"):
        predict(str(model), [str(recording)], tmp_path, PredictOptions(text="a"), places, console())


def test_a_long_recording_is_recognised_window_by_window(
    model: Path, tiny_recogniser: TinyRecogniser, tmp_path: Path
) -> None:
    recognising = SerModel.from_pretrained(model, asr=str(tiny_recogniser("ctc")))
    found = recognising.predict(noise(tmp_path / "long.wav", 42.0))
    assert len(found.windows) == 5
    assert all(window.words for window in found.windows)
    assert found.words == " ".join(window.words or "" for window in found.windows)
