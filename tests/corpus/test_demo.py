"""What the demo corpus promises: intact files, IEMOCAP's shape, and a difficulty that leaves something to tune."""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import soundfile
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.preprocessing import StandardScaler

from study.corpus.demo import MANIFEST
from study.corpus.demo.casting import CLASSES, COUNTS, cast, read_sentences
from study.corpus.films import inspect_films
from study.corpus.options import CorpusOptions
from study.corpus.source import open_corpus

FOLDER = MANIFEST.parent
RATE_HZ = 16_000
WINDOW, HOP, N_BANDS = 640, 160, 32
CHANCE = 1 / len(CLASSES)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with MANIFEST.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def recordings(rows: list[dict[str, str]]) -> list[np.ndarray]:
    audio = []
    for row in rows:
        samples, rate_hz = soundfile.read(FOLDER / row["file_name"])
        assert rate_hz == RATE_HZ, row
        assert samples.ndim == 1, row
        audio.append(samples)
    return audio


def test_every_file_is_listed_with_its_checksum() -> None:
    listed = dict(reversed(line.split("  ")) for line in (FOLDER / "CHECKSUMS.sha256").read_text("utf-8").splitlines())
    present = {f"{kind}/{path.name}" for kind in ("audio", "video") for path in (FOLDER / kind).iterdir()}
    present |= {"manifest.csv"}
    assert set(listed) == present
    for name, checksum in listed.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == checksum, name


def test_the_manifest_is_the_plan_of_the_committed_script(rows: list[dict[str, str]]) -> None:
    plan = cast(read_sentences(FOLDER / "sentences.csv"))
    columns = ("utterance_id", "label", "text", "speaker", "group", "script")
    assert [[row[name] for name in columns] for row in rows] == [
        [getattr(line, name) for name in columns] for line in plan
    ]
    assert [row["file_name"] for row in rows] == [f"audio/{line.utterance_id}.ogg" for line in plan]


def test_the_whole_corpus_is_at_most_8_megabytes() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 8_000_000


def test_the_films_are_at_most_3_megabytes_and_every_utterance_has_its_seconds_of_one() -> None:
    assert sum(path.stat().st_size for path in (FOLDER / "video").iterdir()) <= 3_000_000
    found = inspect_films(open_corpus(CorpusOptions(), ("video",)).utterances)
    assert not found.faults
    assert (found.summary.n_with, found.summary.n_without, found.summary.sizes) == (719, 0, {(64, 64): 719})


def test_ids_are_unique_and_no_text_is_empty(rows: list[dict[str, str]]) -> None:
    assert len({row["utterance_id"] for row in rows}) == len(rows) == 719
    assert all(row["text"].strip() for row in rows)


def test_classes_are_as_uneven_as_announced_in_every_session(rows: list[dict[str, str]]) -> None:
    found = Counter((row["group"], row["label"]) for row in rows)
    announced = {(group, label): n for group in COUNTS for label, n in zip(CLASSES, COUNTS[group], strict=True)}
    assert found == announced
    assert sorted(COUNTS) == ["Ses01", "Ses02", "Ses03", "Ses04", "Ses05"]


def test_every_speaker_is_surprised_at_least_three_times(rows: list[dict[str, str]]) -> None:
    surprised = Counter(row["speaker"] for row in rows if row["label"] == "surprise")
    assert len(surprised) == 10
    assert min(surprised.values()) >= 3


def test_two_speakers_per_session_who_stay_in_it(rows: list[dict[str, str]]) -> None:
    sessions = defaultdict(set)
    for row in rows:
        sessions[row["speaker"]].add(row["group"])
    assert {speaker: sorted(groups) for speaker, groups in sessions.items()} == {
        f"{number}{letter}": [f"Ses{number:02d}"] for number in range(1, 6) for letter in "FM"
    }


def test_speaker_is_the_last_field_of_the_id(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert row["speaker"] == row["utterance_id"][4] + row["utterance_id"].split("_")[-1][0]
    assert any(row["utterance_id"][5] != row["speaker"][1] for row in rows)


def test_scripted_sentences_are_in_every_session_and_improvised_ones_in_one(rows: list[dict[str, str]]) -> None:
    groups = defaultdict(Counter)
    kinds = defaultdict(set)
    for row in rows:
        groups[row["text"]][row["group"]] += 1
        kinds[row["text"]].add(row["script"])
    assert all(len(kind) == 1 for kind in kinds.values())
    for text, kind in kinds.items():
        assert groups[text] == dict.fromkeys(COUNTS, 1) if kind == {"scripted"} else groups[text].total() == 1, text
    assert {"scripted", "improvised"} == set().union(*kinds.values())


def test_every_recording_lasts_between_0_4_and_8_seconds(recordings: list[np.ndarray]) -> None:
    seconds = np.array([len(samples) / RATE_HZ for samples in recordings])
    assert seconds.min() >= 0.4
    assert seconds.max() <= 8.0
    assert 1.5 < seconds.mean() < 3.0


def test_every_recording_is_audible_and_hardly_any_clips(recordings: list[np.ndarray]) -> None:
    peaks = np.array([np.abs(samples).max() for samples in recordings])
    assert peaks.min() > 0.03
    assert np.mean(peaks > 0.99) < 0.01


# ----------------------------------------------------------------------------------------------------------------
# Difficulty: cheap features and logistic regression, trained on three sessions and tested on a fourth.


@dataclass(frozen=True)
class Problem:
    labels: np.ndarray
    groups: np.ndarray
    averages: np.ndarray  # mean and standard deviation over frames
    course: np.ndarray  # mean of the second half of the frames minus mean of the first
    words: csr_matrix


@pytest.fixture(scope="module")
def problem(rows: list[dict[str, str]], recordings: list[np.ndarray]) -> Problem:
    frames = [_frames(samples) for samples in recordings]
    halves = [np.array_split(one, 2) for one in frames]
    bags = HashingVectorizer(n_features=4096, token_pattern=r"[\w']+|[!?]", alternate_sign=False)
    return Problem(
        labels=np.array([CLASSES.index(row["label"]) for row in rows]),
        groups=np.array([row["group"] for row in rows]),
        averages=np.array([np.concatenate([one.mean(0), one.std(0)]) for one in frames]),
        course=np.array([second.mean(0) - first.mean(0) for first, second in halves]),
        words=bags.transform([row["text"] for row in rows]),
    )


def _frames(samples: np.ndarray) -> np.ndarray:
    """Log mel bands, log energy, log pitch and voicing, 100 frames a second."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(windows, 1024)) ** 2
    likeness = np.fft.irfft(power, axis=1)[:, :266]
    energy = likeness[:, 0]
    lags = 32 + likeness[:, 32:].argmax(axis=1)
    voiced = (likeness[np.arange(len(lags)), lags] > 0.5 * energy) & (energy > 0.003 * energy.max())
    pitch = np.log(RATE_HZ / lags)
    pitch = np.where(voiced, pitch, np.median(pitch[voiced]) if voiced.any() else 5.0)
    return np.column_stack([np.log(power @ _mel_bands() + 1e-4), np.log(energy + 1e-4), pitch, voiced])


def _mel_bands() -> np.ndarray:
    mel = np.linspace(2595 * np.log10(1 + 60 / 700), 2595 * np.log10(1 + 7600 / 700), N_BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    hertz = np.fft.rfftfreq(1024, 1 / RATE_HZ)[:, None]
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling))


def _predicted(problem: Problem, features: Callable[[np.ndarray], np.ndarray | csr_matrix], c: float) -> np.ndarray:
    """Out-of-fold classes; `features` is given the training mask and gives features of every utterance."""
    predicted = np.full_like(problem.labels, -1)
    sessions = sorted(COUNTS)
    for number, test in enumerate(sessions):
        validation = sessions[(number + 1) % len(sessions)]
        train = (problem.groups != test) & (problem.groups != validation)
        table = features(train)
        model = LogisticRegression(C=c, class_weight="balanced", max_iter=1000)
        model.fit(table[train], problem.labels[train])
        held_out = problem.groups == test
        predicted[held_out] = model.predict(table[held_out])
    return predicted


def _standardised(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    return StandardScaler().fit(values[train]).transform(values)


@pytest.fixture(scope="module")
def predictions(problem: Problem) -> dict[str, np.ndarray]:
    voice = np.hstack([problem.averages, problem.course])
    return {
        "text": _predicted(problem, lambda train: problem.words, 1.0),
        "audio": _predicted(problem, lambda train: _standardised(problem.averages, train), 0.03),
        "audio in time": _predicted(problem, lambda train: _standardised(voice, train), 0.03),
        "fusion": _predicted(
            problem, lambda train: hstack([0.1 * _standardised(voice, train), problem.words]).tocsr(), 1.0
        ),
    }


@pytest.fixture(scope="module")
def uwa(problem: Problem, predictions: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: balanced_accuracy_score(problem.labels, predicted) for name, predicted in predictions.items()}


def test_words_alone_and_voice_alone_are_far_above_chance_and_far_from_solved(uwa: dict[str, float]) -> None:
    assert 2.5 * CHANCE < uwa["text"] < 0.55
    assert 2.5 * CHANCE < uwa["audio"] < 0.55


def test_fusion_is_clearly_best_and_far_from_the_ceiling(uwa: dict[str, float]) -> None:
    assert max(uwa["text"], uwa["audio"]) + 0.08 < uwa["fusion"] < 0.70
    assert uwa["audio in time"] + 0.02 < uwa["fusion"]


def test_the_course_of_the_voice_tells_more_than_its_averages(uwa: dict[str, float]) -> None:
    assert uwa["audio in time"] > uwa["audio"] + 0.04


def test_fusion_finds_some_of_every_class(problem: Problem, predictions: dict[str, np.ndarray]) -> None:
    recalls = confusion_matrix(problem.labels, predictions["fusion"], normalize="true").diagonal()
    assert recalls.min() > CHANCE


def test_the_close_pairs_are_the_most_confused(problem: Problem, predictions: dict[str, np.ndarray]) -> None:
    rates = confusion_matrix(problem.labels, predictions["fusion"], normalize="true")
    both_ways = {
        frozenset((CLASSES[i], CLASSES[j])): rates[i, j] + rates[j, i] for i in range(len(CLASSES)) for j in range(i)
    }
    most = sorted(both_ways, key=lambda pair: -both_ways[pair])[:2]
    assert set(most) == {frozenset(("angry", "frustrated")), frozenset(("happy", "excited"))}
