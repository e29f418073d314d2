"""The readers of corpora as they are distributed: their rules and traps on miniature releases."""

import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from study.app.division import holding_out_of
from study.corpus.check import check
from study.corpus.folds import leave_one_group_out
from study.corpus.options import CorpusOptions
from study.corpus.readers import cremad, emodb, meld, msp_improv, msp_podcast, ravdess
from study.corpus.readers.files import repaired_text
from study.corpus.readers.table import READERS
from study.corpus.source import open_corpus, read_source
from study.corpus.utterance import Problem, Utterance
from study.errors import UserError
from study.features.audio import encode_audio
from study.features.logmel import LogMel
from tests.plugins.clips import cut_off, write_clip
from tests.plugins.miniature_corpora import (
    LFS,
    MELD_FOLDERS,
    MINIATURES,
    write_cremad,
    write_emodb,
    write_meld,
    write_msp_improv,
    write_msp_podcast,
    write_ravdess,
    write_wav,
)


def by_id(found: list[Utterance]) -> dict[str, Utterance]:
    assert len({utterance.id for utterance in found}) == len(found)
    return {utterance.id: utterance for utterance in found}


def messages(problems: list[Problem] | tuple[Problem, ...], kind: str) -> list[str]:
    return [problem.message for problem in problems if problem.kind == kind]


@pytest.fixture
def meld_root(tmp_path: Path) -> Path:
    return write_meld(tmp_path / "MELD.Raw")


# MELD


def test_dialogue_ids_of_meld_restart_in_each_split_so_ids_carry_the_split(meld_root: Path) -> None:
    found = by_id(meld.scan(meld_root)[0])
    assert len(found) == 12
    assert Counter(u.split for u in found.values()) == {"train": 4, "validation": 4, "test": 4}
    one = found["dev_dia1_utt0"]
    assert (one.label, one.speaker, one.group, one.split) == ("happy", "Joey", "S08E02", "validation")
    assert one.audio == meld_root / "dev" / "dev_splits_complete" / "dia1_utt0.mp4"
    assert {u.group for u in found.values()} == {"S08E01", "S08E02", "S08E03"}


@pytest.mark.parametrize("above", [True, False])
def test_meld_is_found_in_the_folder_above_and_with_its_clips_beside_the_tables(meld_root: Path, above: bool) -> None:
    whole = meld.scan(meld_root)[0]
    if not above:
        (meld_root / "test" / "output_repeated_splits_test").rename(meld_root / "output_repeated_splits_test")
    again = meld.scan(meld_root.parent if above else meld_root)[0]
    assert again == whole if above else [u.id for u in again] == [u.id for u in whole]
    assert all(utterance.audio.is_file() for utterance in again)


def test_windows_quotes_in_words_of_meld_are_repaired_and_counted(meld_root: Path) -> None:
    utterances, problems = meld.scan(meld_root)
    assert {u.words for u in utterances if u.id.startswith("dev") and u.label == "happy"} == {
        "It’s joy in dev, dialogue 0",
        "It’s joy in dev, dialogue 1",
    }
    found = messages(problems, "encoding")
    assert len(found) == 1
    assert "in 2 rows, the first 2;" in found[0]


def test_both_time_formats_of_meld_are_read_and_a_wrong_time_is_a_remark(meld_root: Path) -> None:
    assert messages(meld.scan(meld_root)[1], "times of clips") == []
    table = meld_root / "dev_sent_emo.csv"
    table.write_bytes(table.read_bytes().replace(b"00:16:21,731", b"00:16:15,731", 1))
    found = messages(meld.scan(meld_root)[1], "times of clips")
    assert ["'00:16:16,059' to '00:16:15,731'" in message for message in found] == [True]


def test_clips_of_meld_that_no_row_names_are_counted_and_not_read(meld_root: Path) -> None:
    found = messages(meld.scan(meld_root)[1], "files that are not read")
    assert found == ["1 file not read, the first 'final_videos_testdia0_utt0.mp4': no row of the table names them"]


def test_speakers_of_meld_that_splits_share_are_counted_and_its_own_division_or_the_option_accepts_them(
    meld_root: Path,
) -> None:
    report = check(CorpusOptions(corpus=str(meld_root)))
    assert messages(report.problems, "speakers in two splits") == [
        "3 of 3 speakers are in more than one split of the release"
    ]
    refused = messages(report.problems, "speakers in two groups")
    assert (report.fatal, len(refused)) == (True, 3)
    assert "use the corpus's own division with --protocol split, or accept it with --allow-shared" in refused[0]
    allowed = check(CorpusOptions(corpus=str(meld_root), allow_shared_speakers=True))
    assert messages(allowed.problems, "speakers in two groups")[0].startswith(
        "3 of 3 speakers are in training and test"
    )
    divided = check(CorpusOptions(corpus=str(meld_root)), holding_out=holding_out_of({"protocol": "split"}))
    assert divided.corpus is not None
    assert "3 speakers in test and train alike: A Waiter, Joey, Monica" in divided.corpus.notes
    assert (allowed.fatal, divided.fatal) == (False, False)


def test_a_split_of_meld_that_is_not_there_is_named(meld_root: Path) -> None:
    (meld_root / "test_sent_emo.csv").unlink()
    utterances, problems = meld.scan(meld_root)
    assert {u.split for u in utterances} == {"train", "validation"}
    assert messages(problems, "splits") == ["there is no test_sent_emo.csv; going on without it"]


def test_broken_absent_silent_and_overlong_clips_of_meld_are_named_and_left_out_on_demand(meld_root: Path) -> None:
    folder = meld_root / MELD_FOLDERS["train"]
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 32_000).astype(np.float32)
    cut_off(write_clip(folder / "dia0_utt0.mp4", noise, 16_000), 0.5)
    (meld_root / MELD_FOLDERS["dev"] / "dia1_utt1.mp4").unlink()
    write_clip(meld_root / MELD_FOLDERS["test"] / "dia1_utt1.mp4", None)
    write_clip(meld_root / MELD_FOLDERS["test"] / "dia1_utt0.mp4", np.zeros(8000, np.float32), 16_000)
    write_clip(meld_root / MELD_FOLDERS["test"] / "dia0_utt1.mp4", np.zeros(610 * 8000, np.float32), 8000, film=False)
    write_clip(meld_root / MELD_FOLDERS["test"] / "dia0_utt0.mp4", 0.1 * noise[:8000].repeat(45), 8000)
    for skip, fatal in ((False, True), (True, False)):
        options = CorpusOptions(corpus=str(meld_root), skip_missing=skip, allow_shared_speakers=True)
        problems = check(options).problems
        broken = messages(problems, "audio files that cannot be decoded")
        assert [re.search(r"dia\d_utt\d", message)[0] for message in broken] == ["dia1_utt1", "dia0_utt0"]  # type: ignore[index]
        assert "it has no audio track" in broken[0]
        assert [message[:13] for message in messages(problems, "missing audio files")] == ["dev_dia1_utt1"]
        assert [message[:14] for message in messages(problems, "silent utterances")] == ["test_dia1_utt0"]
        assert "test_dia0_utt1 lasts 610 s" in messages(problems, "utterances too long")[0]
        assert messages(problems, "utterances far longer than most")[0].startswith(
            "test_dia0_utt0 lasts 45 s, the median"
        )
        assert any(p.fatal for p in problems) is fatal
    corpus = open_corpus(CorpusOptions(corpus=str(meld_root), skip_missing=True))
    left = {u.id for u in meld.scan(meld_root)[0]} - {u.id for u in corpus.utterances}
    assert left == {"train_dia0_utt0", "dev_dia1_utt1", "test_dia1_utt1", "test_dia0_utt1"}
    assert [note.split(" (")[0] for note in corpus.notes if "--skip-missing" in note] == [
        "left out by --skip-missing: 1 of 12 utterances without audio file",
        "left out by --skip-missing: 3 of 11 utterances whose audio cannot be decoded or is too long",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b",joy,", b",glee,", "Emotion is one of neutral, joy"),
        (b",0,0,8,", b",../0,0,8,", "Dialogue_ID is a number; found '../0'"),
        (b",0,1,8,", b",0,0,8,", "dev_dia0_utt0 is labelled twice"),
        (b"Dialogue_ID", b"Dialog", "found none called Dialogue_ID"),
        (b",8,2,", b",8,2,2,", "expected 11 cells; found 12"),
    ],
)
def test_a_wrong_row_of_meld_is_fatal_with_its_line(meld_root: Path, old: bytes, new: bytes, expected: str) -> None:
    table = meld_root / "dev_sent_emo.csv"
    table.write_bytes(table.read_bytes().replace(old, new, 1))
    found = [problem for problem in meld.scan(meld_root)[1] if problem.fatal]
    assert [(expected in p.message, p.where.startswith(f"{table}:")) for p in found] == [(True, True)]


# CREMA-D, RAVDESS, EmoDB


def test_names_of_cremad_say_speaker_words_and_emotion(tmp_path: Path) -> None:
    utterances, problems = cremad.scan(write_cremad(tmp_path))
    found = by_id(utterances)
    one = found["1001_IEO_SAD_LO"]
    assert (one.words, one.label, one.speaker, one.group, one.script) == (
        *("It's eleven o'clock", "sad", "1001", "1001"),
        "scripted",
    )
    assert "1002_ITH_SAD_X" in found
    assert len(found) == 11
    assert [Path(p.where).name for p in problems if p.kind == "names of files"] == ["1001_XYZ_ANG_HI.wav"]
    assert messages(problems, "silent utterances")[0].startswith("1076_MTI_SAD_XX has no sound in the release")
    assert cremad.scan(tmp_path / "AudioWAV")[0] == utterances


def test_pointers_of_git_lfs_in_cremad_are_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    root = write_cremad(tmp_path)
    for file in (root / "AudioWAV").glob("1*.wav"):
        file.write_text(LFS, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        open_corpus(CorpusOptions(corpus=str(root)))
    assert str(caught.value).startswith(f"{root}/AudioWAV: 12 of 12 audio files are pointers of Git LFS")
    assert "run `git lfs pull`" in str(caught.value)
    assert len([problem for problem in check(CorpusOptions(corpus=str(root))).problems if problem.fatal]) == 1


def test_of_ravdess_the_audio_of_speech_is_read_and_other_films_and_songs_are_counted(tmp_path: Path) -> None:
    utterances, problems = ravdess.scan(write_ravdess(tmp_path))
    found = by_id(utterances)
    assert len(found) == 15
    one = found["03-01-06-01-02-01-24"]
    assert (one.words, one.label, one.speaker) == ("Dogs are sitting by the door", "fear", "24")
    assert Counter(u.label for u in utterances) == dict.fromkeys(("neutral", "calm", "angry", "fear", "surprise"), 3)
    not_read = messages(problems, "files that are not read")
    assert ["3 files not read" in message for message in not_read] == [True, True]
    assert [message.partition(": ")[2] for message in not_read] == [
        "films of no utterance, or its second one",
        "songs are no speech",
    ]
    assert [Path(p.where).name for p in problems if p.kind == "names of files"] == ["03-01-09-01-01-01-01.wav"]


def test_ravdess_is_found_in_the_folder_of_its_archive_once(tmp_path: Path) -> None:
    write_ravdess(tmp_path / "Audio_Speech_Actors_01-24")
    assert len(ravdess.scan(tmp_path)[0]) == 15
    write_ravdess(tmp_path)
    assert len(by_id(ravdess.scan(tmp_path)[0])) == 15


def test_letters_of_emodb_are_german_words(tmp_path: Path) -> None:
    utterances, problems = emodb.scan(write_emodb(tmp_path))
    assert {u.id[5]: u.label for u in utterances} == {
        "W": "angry",  # Wut
        "L": "bored",  # Langeweile
        "E": "disgust",  # Ekel
        "A": "fear",  # Angst
        "F": "happy",  # Freude
        "T": "sad",  # Trauer
        "N": "neutral",
    }
    assert {u.words for u in utterances} == {"Heute abend könnte ich es ihm sagen."}
    assert {u.speaker for u in utterances} == {u.group for u in utterances} == {"03", "08", "16"}
    assert [Path(p.where).name for p in problems] == ["03a04Xb.wav"]


def test_a_folder_wav_of_other_files_is_not_emodb(tmp_path: Path) -> None:
    write_wav(tmp_path / "wav" / "hello.wav")
    assert not emodb.recognises(tmp_path)


# MSP-Podcast, MSP-IMPROV


def test_codes_splits_and_words_of_msp_podcast(tmp_path: Path) -> None:
    utterances, problems = msp_podcast.scan(write_msp_podcast(tmp_path))
    assert [u.label for u in utterances] == "angry sad happy neutral contempt angry other undecided".split()
    assert [u.split for u in utterances] == [
        *("train", "train", "validation", "Test1", "Test1", "train", "Test2", "validation")
    ]
    assert utterances[0].words == "Well, this is number 0."
    assert messages(problems, "withheld labels") == [
        "labels are withheld of 1 utterance, which are left out: 1 of 'Test3'"
    ]


def test_the_unknown_speaker_of_msp_podcast_is_not_one_person(tmp_path: Path) -> None:
    utterances, problems = msp_podcast.scan(write_msp_podcast(tmp_path))
    unknown = [u for u in utterances if "unknown" in u.speaker]
    assert [u.speaker for u in unknown] == ["unknown in MSP-PODCAST_0000", "unknown in MSP-PODCAST_0001"]
    assert all(u.group == u.speaker for u in utterances)
    assert messages(problems, "unknown speakers")[0].startswith("2 utterances by unknown speakers")


def test_msp_podcast_leaves_out_what_is_no_emotion_and_says_so(tmp_path: Path) -> None:
    corpus = open_corpus(CorpusOptions(corpus=str(write_msp_podcast(tmp_path))))
    assert corpus.classes == ("angry", "contempt", "happy", "neutral", "sad")
    assert "dropped: 2 of 8 utterances, for their label: 1 other, 1 undecided" in corpus.notes


def test_names_of_msp_podcast_do_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    table = write_msp_podcast(tmp_path) / "Labels" / "labels_consensus.csv"
    table.write_bytes(table.read_bytes().replace(b"MSP-PODCAST_0000_0001.wav", b"../../secret.wav", 1))
    found = [problem for problem in msp_podcast.scan(tmp_path)[1] if problem.fatal]
    assert ["FileName is the name of a file" in problem.message for problem in found] == [True]


def test_turns_of_msp_improv(tmp_path: Path) -> None:
    utterances, problems = msp_improv.scan(write_msp_improv(tmp_path))
    found = by_id(utterances)
    assert len(found) == 18
    one = found["MSP-IMPROV-S02H-M03-R-MM02"]
    assert (one.label, one.speaker, one.group, one.script, one.words) == (
        *("happy", "M03", "session3", "scripted"),
        "Turn 1 of M in 3",
    )
    assert one.votes == {"angry": 1, "other": 1}
    assert found["MSP-IMPROV-S01A-F01-T-FM01"].script == "improvised"
    assert all(u.audio.is_file() for u in utterances)
    assert messages(problems, "missing transcriptions")[0].startswith("6 utterances have no transcription")
    assert all(not problem.fatal for problem in problems)


def test_both_spellings_of_msp_improv_and_sessions_without_the_folder_audio_are_read(tmp_path: Path) -> None:
    root = write_msp_improv(tmp_path)
    whole = msp_improv.scan(root)[0]
    (root / "Evalution.txt").rename(root / "Evaluation.txt")
    for session in (root / "Audio").iterdir():
        session.rename(root / session.name)
    again = msp_improv.scan(root)[0]
    assert [u.id for u in again] == [u.id for u in whole]
    assert all(u.audio.is_file() for u in again)


@pytest.mark.parametrize("line", ["UTD-IMPROV-../x.avi; N;", "UTD-IMPROV-S01A-F01-P-FM09.avi; Q;", "UTD-"])
def test_a_wrong_line_of_msp_improv_is_fatal(tmp_path: Path, line: str) -> None:
    table = write_msp_improv(tmp_path) / "Evalution.txt"
    table.write_text(table.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    assert [problem.kind for problem in msp_improv.scan(tmp_path)[1] if problem.fatal] == ["malformed lines"]


def test_every_row_of_the_table_has_a_miniature_release() -> None:
    assert READERS.keys() == {*MINIATURES, "iemocap", "manifest"}


@pytest.mark.parametrize("name", MINIATURES)
def test_a_study_of_any_release_has_features_of_every_utterance_and_folds(name: str, tmp_path: Path) -> None:
    """What a study of `--variant audio --audio-encoder logmel` does before its first epoch."""
    corpus = open_corpus(CorpusOptions(corpus=f"{name}:{MINIATURES[name](tmp_path)}"), ("audio",))
    encoded = list(encode_audio(LogMel(), corpus.utterances))
    assert [one for one in encoded if isinstance(one, UserError)] == []
    assert len(encoded) == len(corpus.utterances)
    folds = leave_one_group_out(Counter(utterance.group for utterance in corpus.utterances))
    assert sorted(group for fold in folds for group in fold.test) == list(corpus.groups())


# The published totals of each corpus, from other tables than the counts of labels.


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("meld", {"train": 9989, "validation": 1109, "test": 2610}),
        ("cremad", {"": 7442}),
        ("ravdess", {"": 1440}),
        ("emodb", {"": 535}),
        ("msp-improv", {"": 7798}),
    ],
)
def test_known_counts_add_up_to_the_published_totals(name: str, total: dict[str, int]) -> None:
    known = READERS[name].known
    assert known is not None
    assert {part: sum(row.values()) for part, row in known.counts.items()} == total


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x93Oh\x94, it\x92s 5\x80 \x97 done\x85", "“Oh”, it’s 5€ — done…"),
        ("Ärger “so”".encode(), "Ärger “so”"),
        ("it\x92s".encode(), "it’s"),
        (b"\xef\xbb\xbfplain", "plain"),
        (b"\xe9t\xe9 \xff", "été ÿ"),
        (b"\x81", "\ufffd"),
    ],
)
def test_bytes_of_windows_1252_in_utf_8_are_read_as_what_they_stand_for(data: bytes, text: str) -> None:
    assert repaired_text(data)[0] == text


def test_an_empty_wav_is_named_and_left_out_on_demand(tmp_path: Path) -> None:
    root = write_emodb(tmp_path)
    soundfile.write(root / "wav" / "03a04Wb.wav", np.zeros(0), 16_000)
    assert (
        "holds no samples"
        in messages(check(CorpusOptions(corpus=str(root))).problems, "audio files that cannot be decoded")[0]
    )
    assert len(open_corpus(CorpusOptions(corpus=str(root), skip_missing=True)).utterances) == 20


@pytest.mark.parametrize(
    ("name", "words"), [("msp-podcast", "Transcripts"), ("msp-improv", "Human_transcriptions/All_human_transcriptions")]
)
def test_transcripts_of_msp_with_bytes_that_are_not_utf_8_are_counted(tmp_path: Path, name: str, words: str) -> None:
    root = MINIATURES[name](tmp_path / "it")
    file = min((root / words).glob("*.txt"))
    file.write_bytes(b"it\x92s fine")
    (problem,) = [p for p in read_source(CorpusOptions(corpus=str(root))).problems if p.kind == "encoding"]
    assert f"in 1 transcript, the first '{file.name}'" in problem.message
    (utterance,) = [u for u in read_source(CorpusOptions(corpus=str(root))).utterances if u.id == file.stem]
    assert utterance.words == "it\u2019s fine"


def test_a_recording_in_the_folders_of_two_actors_is_refused_by_check_and_run(tmp_path: Path) -> None:
    root = write_ravdess(tmp_path / "it")
    name = "03-01-05-01-02-01-02.wav"
    shutil.copyfile(root / "Actor_02" / name, root / "Actor_01" / name)
    found = check(CorpusOptions(corpus=str(root)))
    assert [p.message.split(",")[0] for p in found.problems if p.fatal] == [f"{name[:-4]} is labelled twice"]
    with pytest.raises(UserError, match="is labelled twice, first at"):
        open_corpus(CorpusOptions(corpus=str(root)))
