"""The IEMOCAP reader against a miniature release with every trap, and against damaged copies of it."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from study.corpus.check import check
from study.corpus.options import CorpusOptions
from study.corpus.readers.iemocap import clean_words, count_votes, scan
from study.corpus.utterance import Problem, Utterance
from study.errors import UserError


@pytest.fixture(scope="module")
def found(iemocap_release: Path) -> dict[str, Utterance]:
    utterances, problems = scan(iemocap_release)
    # Each of the ten transcriptions has one such byte.
    assert [problem.kind for problem in problems] == ["bytes that are not UTF-8"] * 10
    return {utterance.id: utterance for utterance in utterances}


@pytest.fixture
def damaged(iemocap_release: Path, tmp_path: Path) -> Path:
    """A copy of Session1 alone, to be damaged."""
    shutil.copytree(iemocap_release / "Session1", tmp_path / "release" / "Session1")
    return tmp_path / "release"


def labels_of(release: Path) -> Path:
    return release / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"


def fatal(release: Path) -> list[Problem]:
    return [problem for problem in scan(release)[1] if problem.fatal]


def test_every_labelled_utterance_is_read_once_whatever_its_label(found: dict[str, Utterance]) -> None:
    assert len(found) == 5 * (2 * 14 + 2 * 2)
    labels = [u.label for u in found.values()]
    assert labels.count("undecided") == labels.count("fear") == 10
    assert labels.count("surprise") == labels.count("angry") == 20


def test_speaker_is_the_last_field_of_the_id(found: dict[str, Utterance]) -> None:
    assert found["Ses01F_impro01_M000"].speaker == "1M"
    assert found["Ses01F_impro01_F000"].speaker == "1F"
    assert found["Ses05M_script01_1_F001"].speaker == "5F"
    assert len({u.speaker for u in found.values()}) == 10


def test_session_comes_from_its_folder_although_a_parent_is_called_session(found: dict[str, Utterance]) -> None:
    assert {u.group for u in found.values()} == {"Session1", "Session2", "Session3", "Session4", "Session5"}
    assert all(u.group[-1] == u.id[4] for u in found.values())
    assert "Session9" in str(found["Ses01F_impro01_M000"].audio)


def test_words_keep_their_colons_and_lose_their_tags(found: dict[str, Utterance]) -> None:
    assert found["Ses02F_impro01_F000"].words == "Listen: Get out of my house right now in session 2"
    assert clean_words(" [LAUGHTER] Oh: [BREATHING]  well [x] ") == "Oh: well [x]"


def test_bytes_that_are_not_utf_8_are_replaced(found: dict[str, Utterance]) -> None:
    assert found["Ses02F_impro01_F002"].words.startswith("It\ufffds so: What a lovely")


def test_an_utterance_of_tags_alone_keeps_empty_words(found: dict[str, Utterance]) -> None:
    assert found["Ses03M_script01_1_F005"].words == ""
    assert sum(u.words == "" for u in found.values()) == 10


def test_script_is_read_from_the_id(found: dict[str, Utterance]) -> None:
    assert {u.script for id, u in found.items() if "impro" in id} == {"improvised"}
    assert {u.script for id, u in found.items() if "script" in id} == {"scripted"}


def test_votes_are_the_external_annotators_choices_and_not_their_comments(found: dict[str, Utterance]) -> None:
    assert found["Ses01F_impro01_F000"].votes == {"angry": 2, "other": 1}
    assert found["Ses01F_impro01_M900"].votes == {"happy": 1, "neutral": 1}
    assert count_votes(("C-E1:\tHappiness; Excited;\t(or anger; or fear)", "C-E2: nothing known")) == {
        "excited": 1,
        "happy": 1,
    }


def test_audio_files_are_the_utterances(found: dict[str, Utterance]) -> None:
    assert all(u.audio.is_file() and u.audio.stem == u.id and u.start is None for u in found.values())


def test_where_names_the_label_file_and_line(found: dict[str, Utterance]) -> None:
    path, line = found["Ses01F_impro01_F002"].where.rsplit(":", 1)
    assert "Ses01F_impro01_F002" in Path(path).read_text().splitlines()[int(line) - 1]


def test_the_folder_above_the_release_does_too(iemocap_release: Path, found: dict[str, Utterance]) -> None:
    utterances, problems = scan(iemocap_release.parent)
    assert {u.id for u in utterances} == set(found)
    assert {problem.kind for problem in problems} == {"bytes that are not UTF-8"}


def test_a_folder_without_sessions_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no IEMOCAP release at .*: expected Session1 \.\.\. Session5"):
        scan(tmp_path)


def test_missing_sessions_are_reported(damaged: Path) -> None:
    problems = [problem for problem in scan(damaged)[1] if problem.kind == "sessions"]
    assert [p.message.split(";")[0] for p in problems] == [f"there is no Session{n}" for n in (2, 3, 4, 5)]
    assert not fatal(damaged)


def test_a_missing_wav_is_a_problem_with_file_and_line_where_a_class_needs_it(damaged: Path) -> None:
    (damaged / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav").unlink()
    (damaged / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F002.wav").unlink()
    (damaged / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M900.wav").unlink()
    missing = [p for p in check(CorpusOptions(corpus=str(damaged))).problems if p.kind == "missing audio files"]
    # M900 is undecided, and no preset needs it.
    assert [("F002" in p.message, "M000" in p.message, p.fatal) for p in missing] == [
        (True, False, True),
        (False, True, True),
    ]
    lines = labels_of(damaged).read_text().splitlines()
    for problem in missing:
        path, line = problem.where.rsplit(":", 1)
        assert path == str(labels_of(damaged))
        assert problem.message.split()[0] in lines[int(line) - 1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[1.0 - 2.0]\tSes01F_impro01_F000\tneu\t[2, 2, 2]", "labelled twice"),
        ("[1.0 - 2.0] Ses01F_impro01_F050 neu", "tabs"),
        ("[1.0 - 2.0]\t../../../etc/passwd\tneu\t[2, 2, 2]", "expected an id"),
        ("[1.0 - 2.0]\tSes01F_impro02_F050\tneu\t[2, 2, 2]", "ids of dialogue Ses01F_impro01"),
        ("[1.0 - 2.0]\tSes01F_impro01_F050\tbor\t[2, 2, 2]", "expected a label among ang, hap"),
        ("1.0 - 2.0]\tSes01F_impro01_F050\tneu\t[2, 2, 2]", "expected `[` at the start"),
    ],
)
def test_a_broken_label_line_is_fatal_and_the_rest_is_read(damaged: Path, line: str, expected: str) -> None:
    before = len(scan(damaged)[0])
    text = labels_of(damaged).read_text()
    labels_of(damaged).write_text(text + line + "\n")
    problems = fatal(damaged)
    assert [expected in p.message for p in problems] == [True]
    assert problems[0].where == f"{labels_of(damaged)}:{len(text.splitlines()) + 1}"
    assert len(scan(damaged)[0]) == before


def test_a_dialogue_in_the_folder_of_another_session_is_fatal(damaged: Path) -> None:
    (damaged / "Session1").rename(damaged / "Session2")
    utterances, problems = scan(damaged)
    assert utterances == []
    assert {p.message.split(";")[0] for p in problems if p.fatal} == {
        "expected ids of dialogue Ses01F_impro01 in Session2",
        "expected ids of dialogue Ses01M_script01_1 in Session2",
    }


def test_windows_line_ends_change_nothing(damaged: Path, found: dict[str, Utterance]) -> None:
    labels_of(damaged).write_bytes(labels_of(damaged).read_bytes().replace(b"\n", b"\r\n"))
    utterances = scan(damaged)[0]
    assert {(u.id, u.label, u.words, *u.votes.items()) for u in utterances} == {
        (u.id, u.label, u.words, *u.votes.items()) for u in found.values() if u.group == "Session1"
    }


def test_an_utterance_without_transcription_is_reported_and_has_no_words(damaged: Path) -> None:
    (damaged / "Session1/dialog/transcriptions/Ses01F_impro01.txt").unlink()
    utterances, problems = scan(damaged)
    kinds = [p.kind for p in problems]
    assert kinds.count("missing transcriptions") == 2 * 7 + 2
    assert kinds.count("text files") == 1
    assert {u.words for u in utterances if "impro01" in u.id} == {""}


def test_a_second_transcription_does_not_replace_the_first(damaged: Path) -> None:
    path = damaged / "Session1/dialog/transcriptions/Ses01F_impro01.txt"
    path.write_bytes(path.read_bytes() + b"Ses01F_impro01_M000 [1-2]: other words\nwhat is this\n")
    utterances, problems = scan(damaged)
    endings = [p.message.split(";")[-1] for p in problems if p.kind == "transcription lines"]
    assert endings == [" the first are used", " the line is not used"]
    assert next(u.words for u in utterances if u.id == "Ses01F_impro01_M000").startswith("Get out")


def test_a_session_without_labels_is_fatal(damaged: Path) -> None:
    shutil.rmtree(damaged / "Session1/dialog/EmoEvaluation")
    assert ["label folder cannot be read" in p.message for p in fatal(damaged)] == [True]


def test_a_pipe_in_place_of_a_label_file_does_not_block(damaged: Path) -> None:
    labels_of(damaged).unlink()
    os.mkfifo(labels_of(damaged))
    assert any(p.where == str(labels_of(damaged)) for p in scan(damaged)[1])


HOSTILE = st.one_of(
    st.binary(max_size=80),
    st.sampled_from(
        [b"[", b"\t", b"\n", b"\r", b"C-E1:", b"(", b"Ses01F_impro01_F000", b"neu", b"[1 - 2]", b": ", b"\xff", b"\x00"]
    ),
)


@settings(deadline=None)
@given(labels=st.lists(HOSTILE, max_size=12).map(b"".join), said=st.lists(HOSTILE, max_size=12).map(b"".join))
@example(labels=b"[1 - 2]\tSes01F_impro01_F000\tneu", said=b"Ses01F_impro01_F000 [1-2]: a")
@example(labels=b"[" + b" \t" * 50_000 + b"x", said=b"[" * 100_000)
def test_any_bytes_are_utterances_or_problems(
    tmp_path_factory: pytest.TempPathFactory, labels: bytes, said: bytes
) -> None:
    root = tmp_path_factory.getbasetemp() / "fuzzed_release"
    for folder, data in (("EmoEvaluation", labels), ("transcriptions", said)):
        (root / "Session1/dialog" / folder).mkdir(parents=True, exist_ok=True)
        (root / "Session1/dialog" / folder / "Ses01F_impro01.txt").write_bytes(data)
    utterances, problems = scan(root)
    turns = sum(line.startswith(b"[") for line in labels.split(b"\n"))
    fatal_lines = {p.where for p in problems if p.fatal}
    # Every block is an utterance or a fatal problem; utterances without audio are both.
    assert len(utterances) <= turns <= len({u.where for u in utterances} | fatal_lines)
    for utterance in utterances:
        utterance.words.encode()
        assert utterance.id in utterance.audio.name
