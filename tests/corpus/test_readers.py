"""The table of corpus layouts: what every row keeps, and that a new row is all that a new layout needs."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from study.corpus.check import check
from study.corpus.known_counts import KnownCounts
from study.corpus.manifest_writer import write_manifest
from study.corpus.options import CorpusOptions
from study.corpus.readers.table import READERS, Reader, descriptions, reader_of
from study.corpus.source import open_corpus
from study.corpus.utterance import NO_FILE, Problem, Utterance
from study.errors import UserError
from tests.plugins.miniature_corpora import MINIATURES

# A layout of another kind, as in acted corpora: one folder, and everything but the words in the name of a file.
EMOTION_LETTERS = {"W": "angry", "F": "happy", "T": "sad", "N": "neutral", "L": "bored"}


def recognises_acted(path: Path) -> bool:
    return os.path.isdir(path / "takes")


def scan_acted(path: Path, allow_outside: bool = False) -> tuple[list[Utterance], list[Problem]]:
    """Files such as takes/03a01F.wav: speaker 03, sentence a01, emotion F."""
    utterances, problems = [], []
    for file in sorted((path / "takes").iterdir()):
        speaker, sentence, letter = file.stem[:2], file.stem[2:5], file.stem[5:6]
        if letter in EMOTION_LETTERS:
            utterances.append(
                Utterance(file.stem, file, sentence, EMOTION_LETTERS[letter], speaker, speaker, where=str(file))
            )
        else:
            problems.append(Problem(str(file), f"expected an emotion letter; found {letter!r}", False, "names"))
    return utterances, problems


ACTED = Reader(
    description="a folder of acted speech (takes/03a01F.wav)",
    recognises=recognises_acted,
    scan=scan_acted,
    corpus_name=lambda path: path.name,
    default_labels="4",
    known=KnownCounts({"": dict.fromkeys(EMOTION_LETTERS.values(), 3)}, speakers=3),
    words_note="one sentence alone",
)


@pytest.fixture
def acted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus in the new layout, three speakers by five emotions and a file with a wrong name, and the row for it."""
    (tmp_path / "acted" / "takes").mkdir(parents=True)
    for stem in [*(f"{speaker}a01{letter}" for speaker in ("03", "08", "09") for letter in EMOTION_LETTERS), "10a01X"]:
        soundfile.write(tmp_path / "acted" / "takes" / f"{stem}.wav", np.full(1600, 0.1), 16_000)
    monkeypatch.setitem(READERS, "acted", ACTED)
    return tmp_path / "acted"


def test_a_corpus_opens_through_a_new_row(acted: Path) -> None:
    corpus = open_corpus(CorpusOptions(corpus=str(acted)))
    assert corpus.name == "acted"
    assert corpus.counts() == {"angry": 3, "happy": 3, "sad": 3, "neutral": 3}
    assert corpus.groups() == ("03", "08", "09")
    assert corpus.notes == (
        f"{acted}/takes/10a01X.wav: expected an emotion letter; found 'X'",
        "dropped: 3 of 15 utterances, for their label: 3 bored",
        "label counts are those known of the full release (15 utterances)",
        "one sentence alone",
    )


def test_a_preset_or_a_label_map_replaces_the_default_of_the_row(acted: Path) -> None:
    assert open_corpus(CorpusOptions(corpus=str(acted), labels="5")).classes == ("angry", "happy", "sad", "neutral")
    label_map = acted / "map.json"
    label_map.write_text('{"angry": "angry", "sad": "sad"}', encoding="utf-8")
    mapped = open_corpus(CorpusOptions(corpus=str(acted), label_map=label_map))
    assert mapped.counts() == {"angry": 3, "sad": 3}
    assert "label counts are those known of the full release (15 utterances)" in mapped.notes


def test_check_reads_the_new_layout(acted: Path) -> None:
    report = check(CorpusOptions(corpus=str(acted)))
    assert report.corpus is not None
    assert report.corpus.name == "acted"
    assert report.audio.seconds == (0.1,) * 12
    assert [problem.kind for problem in report.problems if problem.where.endswith("10a01X.wav")] == ["names"]


def test_a_count_that_differs_is_a_note_and_a_finding_whatever_labels_are_chosen(acted: Path) -> None:
    (acted / "takes" / "03a01L.wav").unlink()
    differing = "counts that differ from those of the full release"
    for labels in ("4", "5"):
        report = check(CorpusOptions(corpus=str(acted), labels=labels))
        assert [(p.message, p.fatal) for p in report.problems if p.kind == differing] == [
            ("bored 2 instead of 3", False)
        ]
        note = "label counts differ from those known of the full release: bored 2 instead of 3"
        assert report.corpus is not None
        assert note in report.corpus.notes


def test_labels_that_are_no_emotions_are_left_out_and_counted_unless_a_label_map_names_them(
    acted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = replace(ACTED, default_labels=None, no_emotions=frozenset({"bored"}))
    monkeypatch.setitem(READERS, "acted", row)
    corpus = open_corpus(CorpusOptions(corpus=str(acted)))
    assert corpus.classes == ("angry", "happy", "sad", "neutral")
    assert "dropped: 3 of 15 utterances, for their label: 3 bored" in corpus.notes
    label_map = acted / "map.json"
    label_map.write_text('{"bored": "bored", "sad": "sad"}', encoding="utf-8")
    assert open_corpus(CorpusOptions(corpus=str(acted), label_map=label_map)).counts() == {"bored": 3, "sad": 3}


def test_a_refusal_lists_the_new_layout_with_the_others(acted: Path) -> None:
    with pytest.raises(UserError) as caught:
        open_corpus(CorpusOptions(corpus=str(acted / "nowhere")))
    *others, last = (reader.description for reader in READERS.values())
    assert last == "a folder of acted speech (takes/03a01F.wav)"
    assert str(caught.value) == (
        f"a corpus is {', '.join(others)} or {last}; found nothing at {acted}/nowhere; leave it out for the demo"
    )


def test_a_refusal_names_the_corpus_that_is_there_above_or_inside(acted: Path) -> None:
    description = READERS["acted"].description
    for named, near in (
        (acted / "takes", f"{acted} is {description}"),
        (f"meld:{acted}", f"{acted} is {description}"),
        (acted.parent, f"{acted} is {description}"),
        (acted.parent / "nowhere", "leave it out for the demo"),
    ):
        with pytest.raises(UserError) as caught:
            open_corpus(CorpusOptions(corpus=str(named)))
        assert str(caught.value).rpartition("; ")[2] == near


def test_each_corpus_is_recognised_by_its_own_row_alone(
    iemocap_release: Path, tiny_manifest: Path, acted: Path, tmp_path: Path
) -> None:
    releases = {name: write(tmp_path / name) for name, write in MINIATURES.items()}
    corpora = {"iemocap": iemocap_release, "manifest": tiny_manifest, "acted": acted, **releases}
    for name, path in corpora.items():
        assert [key for key, reader in READERS.items() if reader.recognises(path)] == [name]
        assert reader_of(path) is READERS[name]
    assert reader_of(iemocap_release.parent) is READERS["iemocap"]


@pytest.fixture(params=[*MINIATURES, "iemocap", "manifest"])
def release(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A row of the table and a miniature corpus of its layout, for each row."""
    own = {"iemocap": "iemocap_release", "manifest": "tiny_manifest"}
    if request.param in own:
        return request.param, request.getfixturevalue(own[request.param])
    return request.param, MINIATURES[request.param](tmp_path / "release")


def test_any_corpus_is_checked_without_a_problem_that_stops_a_study(release: tuple[str, Path]) -> None:
    name, path = release
    # The characters of MELD speak in all episodes.
    report = check(CorpusOptions(corpus=str(path), allow_shared_speakers=name == "meld"))
    assert [problem for problem in report.problems if problem.fatal] == []
    assert report.corpus is not None
    assert report.corpus.digest() == open_corpus(CorpusOptions(corpus=str(path))).digest()
    assert len(report.audio.seconds) == len(report.corpus.utterances)
    words_note = READERS[name].words_note
    assert (words_note in report.corpus.notes) is bool(words_note)
    assert len(report.corpus.groups()) >= 3


def test_a_kind_before_the_path_gives_the_same_corpus(release: tuple[str, Path]) -> None:
    name, path = release
    assert open_corpus(CorpusOptions(corpus=f"{name}:{path}")) == open_corpus(CorpusOptions(corpus=str(path)))
    for other in READERS.keys() - {name}:
        with pytest.raises(UserError, match=f"^{other}:PATH expects {re.escape(READERS[other].description)}; found a "):
            open_corpus(CorpusOptions(corpus=f"{other}:{path}"))


def test_the_manifest_of_any_corpus_gives_the_same_corpus(release: tuple[str, Path], tmp_path: Path) -> None:
    corpus = open_corpus(CorpusOptions(corpus=str(release[1])))
    target = tmp_path / "written" / "manifest.csv"
    target.parent.mkdir()
    outside = write_manifest(target, corpus)
    again = open_corpus(CorpusOptions(corpus=str(target), allow_outside_files=outside))
    assert again.digest() == corpus.digest()
    assert again.classes == corpus.classes
    for one, other in zip(corpus.utterances, again.utterances, strict=True):
        video = replace(one.video, file=other.video.file)
        assert replace(one, audio=other.audio, video=video, where=other.where) == other
        assert one.audio.samefile(other.audio)
        assert (one.video.file == NO_FILE) is (other.video.file == NO_FILE)
        assert one.video.file == NO_FILE or one.video.file.samefile(other.video.file)


def test_a_release_whose_files_are_all_damaged_is_a_problem_and_no_exception(
    release: tuple[str, Path], tmp_path: Path
) -> None:
    name, path = release
    copy = tmp_path / "copy"
    shutil.copytree(path if path.is_dir() else path.parent, copy)
    for file in [each for each in copy.rglob("*") if each.is_file()]:
        file.write_bytes(b"\x00\xff\n" * 20)
    source = copy if path.is_dir() else copy / path.name
    assert READERS[name].recognises(source)
    assert check(CorpusOptions(corpus=str(source))).fatal


@pytest.mark.parametrize("name", READERS)
def test_a_path_that_is_no_corpus_is_not_recognised_and_raises_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "sound.wav").touch()
    os.mkfifo(tmp_path / "pipe.csv")
    places = ("", "nowhere", "nowhere.csv", "folder.csv", "sound.wav", "pipe.csv", "x" * 5000, "zero\0.csv")
    assert [place for place in places if READERS[name].recognises(tmp_path / place)] == []


@pytest.mark.parametrize("name", READERS)
def test_a_row_is_described_and_found_under_its_key(name: str) -> None:
    assert READERS[name].description in descriptions()
    assert READERS[name].description.startswith(("a ", "an "))
