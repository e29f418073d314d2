"""The manifest reader: what it accepts, and that everything else is a problem with file and line."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from study.corpus.readers.manifest import leaves_folder, scan
from study.corpus.utterance import Problem, Ratings, Utterance

HEADER = "file_name,utterance_id,label,text,speaker,group"


def write(folder: Path, *lines: str, name: str = "m.csv", encoding: str = "utf-8") -> Path:
    for audio in ("a.wav", "b.wav"):
        (folder / audio).touch()
    path = folder / name
    path.write_bytes("\n".join([*lines, ""]).encode(encoding))
    return path


def read(folder: Path, *lines: str, name: str = "m.csv") -> tuple[list[Utterance], list[Problem]]:
    return scan(write(folder, *lines, name=name))


def fatal(folder: Path, *lines: str, name: str = "m.csv") -> list[str]:
    """The fatal problems, each as `line: message`."""
    path = write(folder, *lines, name=name)
    return [str(p).removeprefix(f"{path}:").strip() for p in scan(path)[1] if p.fatal]


def test_a_faultless_manifest_has_no_problems(tiny_manifest: Path) -> None:
    utterances, problems = scan(tiny_manifest)
    assert problems == []
    first = utterances[0]
    assert (first.id, first.label, first.words, first.speaker, first.group) == (
        "a0",
        "calm",
        "show a says 0",
        "a0",
        "a",
    )
    assert first.audio == tiny_manifest.parent / "audio" / "a0.wav"
    assert first.where == f"{tiny_manifest}:2"
    assert (first.start, first.end, first.script, first.votes) == (None, None, "", {})
    assert len(utterances) == 12


def test_optional_columns_are_read(tmp_path: Path) -> None:
    utterances, problems = read(
        tmp_path,
        HEADER + ",start,end,script,votes",
        'a.wav,1,sad,"Oh, ""no""",s1,g1,0.5,1.25,scripted,"{""sad"": 2, ""happy"": 1}"',
    )
    assert problems == []
    assert utterances[0].words == 'Oh, "no"'
    assert (utterances[0].start, utterances[0].end, utterances[0].script) == (0.5, 1.25, "scripted")
    assert utterances[0].votes == {"sad": 2, "happy": 1}


@pytest.mark.parametrize(
    "header",
    [
        "file,key,emo,transcription,speaker,session",
        "wav,ID,emotion,Utterance,speaker,session",
        "path,utterance_id,Emotion,sentence,Speaker,GROUP",
        "\ufeffFile_Name , utterance_ID,LABEL,text,speaker,group",
    ],
)
def test_aliases_case_and_a_byte_order_mark_are_understood(tmp_path: Path, header: str) -> None:
    utterances, problems = read(tmp_path, header, "a.wav,1,sad,so sad,s1,g1")
    assert problems == []
    assert (utterances[0].id, utterances[0].label, utterances[0].words) == ("1", "sad", "so sad")
    assert (utterances[0].speaker, utterances[0].group) == ("s1", "g1")


def test_jsonl_means_the_same_as_csv(tmp_path: Path) -> None:
    row = {"wav": "a.wav", "key": 7, "emo": "sad", "sentence": "so\u2028sad", "speaker": None, "session": "g1"}
    row |= {"start": 0.5, "end": 2, "votes": {"sad": 3}}
    utterances, problems = read(tmp_path, json.dumps(row, ensure_ascii=False), "", name="m.jsonl")
    assert [p.message for p in problems] == [
        "there is no column speaker: whether a speaker is in two groups cannot be checked"
    ]
    assert utterances == [
        Utterance("7", tmp_path / "a.wav", "so sad", "sad", "unknown in g1", "g1", 0.5, 2.0, "", {"sad": 3})
    ]


@pytest.mark.parametrize("column", ["file_name", "label"])
def test_a_missing_column_is_named_with_those_found_and_its_aliases(tmp_path: Path, column: str) -> None:
    header = HEADER.replace("text", "also_other") if column == "file_name" else HEADER
    problems = fatal(tmp_path, header.replace(column, "other"), "a.wav,1,sad,x,s1,g1")
    assert len(problems) == 1
    assert f"1: there is no column {column} (also read as " in problems[0]
    assert "'other'" in problems[0]
    assert "'group'" in problems[0]


@pytest.mark.parametrize(("separator", "noun"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_other_separators_are_read_where_the_header_makes_them_certain(
    tmp_path: Path, separator: str, noun: str
) -> None:
    rows = [HEADER, 'a.wav,1,sad,"so, sad",s1,g1']
    expected, _ = read(tmp_path, *rows)
    lines = [HEADER.replace(",", separator), separator.join(["a.wav", "1", "sad", "so, sad", "s1", "g1"])]
    utterances, problems = read(tmp_path, *lines)
    assert utterances == expected
    assert [(p.message, p.fatal) for p in problems] == [(f"columns are separated by {noun}: read so", False)]


def test_a_tsv_has_tabs(tmp_path: Path) -> None:
    utterances, problems = read(tmp_path, HEADER.replace(",", "\t"), "a.wav\t1\tsad\tx\ts1\tg1", name="m.tsv")
    assert (len(utterances), problems) == (1, [])


def test_an_uncertain_header_says_which_separator_it_seems_to_have(tmp_path: Path) -> None:
    (line,) = [p for p in fatal(tmp_path, "clip;who;what", "a.wav;1;sad") if "column label" in p]
    assert line.endswith("; found 'clip;who;what'; columns are separated by commas, and here it seems semicolons")


PUBLIC_HEADERS = {
    "MELD": ("Utterance,Speaker,Emotion,id,file,session", "so sad,s1,sad,1,a.wav,g1"),
    "MSP-Podcast": ("FileName,EmoClass,SpkrID,Split_Set,id,session", "a.wav,sad,s1,,1,g1"),
    "SpeechBrain": ("ID,duration,wav,spk_id,emo,wrd,session", "1,1.0,a.wav,s1,sad,so sad,g1"),
    "audformat": ("file,start,end,emotion,speaker,id,session", "a.wav,0 days,,sad,s1,1,g1"),
    "Common Voice": ("client_id,path,sentence,locale,emotion,id,session", "s1,a.wav,so sad,de,sad,1,g1"),
}


@pytest.mark.parametrize("corpus", PUBLIC_HEADERS)
def test_columns_of_public_corpora_are_known(tmp_path: Path, corpus: str) -> None:
    header, row = PUBLIC_HEADERS[corpus]
    (utterance,), _ = read(tmp_path, header, row.replace("0 days,,", "0 days 00:00:00,NaT,"))
    found = (utterance.id, utterance.audio.name, utterance.label, utterance.speaker, utterance.group)
    assert found == ("1", "a.wav", "sad", "s1", "g1")
    assert (utterance.start, utterance.end) == (None, None)


def test_without_ids_the_names_of_files_and_spans_are_the_ids(tmp_path: Path) -> None:
    utterances, problems = read(tmp_path, "file,emotion,speaker,start,end", "a.wav,sad,s1,0,1", "b.wav,calm,s2,,")
    assert [u.id for u in utterances] == ["a_0-1", "b"]
    assert (
        problems[0].message
        == "there is no column utterance_id (key, id, utt_id, segment_id): names of files are the ids"
    )


def test_spans_of_pandas_are_seconds(tmp_path: Path) -> None:
    row = "a.wav,1,sad,x,s1,g1,0 days 00:00:01.5,0 days 00:01:02"
    (utterance,), problems = read(tmp_path, HEADER + ",start,end", row)
    assert (utterance.start, utterance.end, problems) == (1.5, 62.0, [])


def test_times_of_another_recording_are_not_read_as_spans_and_that_is_said(tmp_path: Path) -> None:
    row = 'a.wav,1,sad,x,s1,g1,"00:16:16,059","00:16:21,731"'
    (utterance,), problems = read(tmp_path, HEADER + ",StartTime,EndTime", row)
    assert (utterance.start, utterance.end) == (None, None)
    assert [p.message for p in problems] == [
        "StartTime and EndTime are not in seconds but times such as '00:16:16,059': not read, each file is an utterance"
    ]
    assert "start is in seconds" in fatal(tmp_path, HEADER + ",start,end", row)[0]


def test_ratings_and_language_are_kept_and_a_bad_number_is_said(tmp_path: Path) -> None:
    header = HEADER + ",EmoVal,arousal,EmoDom,lang"
    (utterance,), problems = read(tmp_path, header, "a.wav,1,sad,x,s1,g1,2.5,high,,en")
    assert (utterance.ratings, utterance.language) == (Ratings(valence=2.5), "en")
    assert [(p.message, p.fatal) for p in problems] == [
        ("arousal is a number with a decimal point; found 'high'; not used", False)
    ]


def test_a_quote_that_swallows_rows_is_refused_with_both_lines(tmp_path: Path) -> None:
    rows = [f"a.wav,{n},sad,Hello {n},s{n},g{n}" for n in range(24)]
    rows[3] = 'a.wav,3,sad,"Hello 3,s3,g3'
    rows[8] = 'a.wav,8,sad,Hello 8",s8,g8'
    path = write(tmp_path, HEADER, *rows)
    utterances, problems = scan(path)
    assert [u.speaker for u in utterances] == [f"s{n}" for n in range(24) if not 3 <= n <= 8]
    (problem,) = [p for p in problems if p.fatal]
    assert problem.where == f"{path}:5"
    assert "line 6 is a row by itself: 'a.wav,4,sad,Hello 4,s4,g4'" in problem.message


@pytest.mark.parametrize("text", ["two\nlines", "one, two\nthree, four\n\nfive", "a list:\n1, 2, 3, 4, 5, 6, 7"])
def test_line_breaks_inside_a_text_are_read_where_no_line_is_a_row(tmp_path: Path, text: str) -> None:
    (utterance,), problems = read(tmp_path, HEADER, f'a.wav,1,sad,"{text}",s1,g1')
    assert (utterance.words, problems) == (" ".join(text.split()), [])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ('"label": NaN', "label is a string or a whole number; found nan"),
        ('"label": ["sad"]', "label is a string or a whole number; found ['sad']"),
        ('"label": 1.0', "label is a string or a whole number; found 1.0"),
        ('"label": true', "label is a string or a whole number; found True"),
        ('"label": {"sad": 1}', "label is a string or a whole number; found {'sad': 1}"),
        ('"label": "sad", "label": "calm"', "the key 'label' occurs twice"),
        ('"label": 1, "speaker": 2.5', "speaker is a string or a whole number; found 2.5"),
        ('"label": 1, "text": ["so", "sad"]', "text is a string; found ['so', 'sad']"),
        ('"label": 1, "start": true, "end": 2', "start is a number; found True"),
        ('"label": 1, "start": NaN, "end": 2', "start is in seconds, 0 or more, with a decimal point; found 'NaN'"),
        ('"label": 1, "votes": [1]', "votes is an object of counts by label; found [1]"),
    ],
)
def test_a_json_value_of_another_type_is_refused(tmp_path: Path, cells: str, expected: str) -> None:
    line = f'{{"file": "a.wav", "id": 1, "session": "g", {cells}}}'
    assert any(expected in problem for problem in fatal(tmp_path, line, name="m.jsonl"))


def test_whole_numbers_are_labels(tmp_path: Path) -> None:
    lines = [
        '{"file": "a.wav", "id": 1, "session": 3, "label": 1}',
        '{"file": "a.wav", "id": 2, "session": "3", "label": "1"}',
    ]
    utterances, _ = read(tmp_path, *lines, name="m.jsonl")
    assert [(u.label, u.group) for u in utterances] == [("1", "3"), ("1", "3")]


@pytest.mark.parametrize("label", ["s\u200bad", "\ufeffsad", "sad\u00a0", "sa\u00add", "\u2066sad\u2069"])
def test_labels_that_look_alike_are_one_class_and_that_is_counted(tmp_path: Path, label: str) -> None:
    utterances, problems = read(tmp_path, HEADER, "a.wav,1,sad,x,s1,g1", f"b.wav,2,{label},x,s2,g2")
    assert {u.label for u in utterances} == {"sad"}
    said = [p.message for p in problems]
    # A space of any kind at the end is white space around a cell, as ever.
    assert len(said) == (0 if label.endswith("\u00a0") else 1)
    assert all("label has invisible characters" in line and "in 1 row" in line for line in said)


def test_composed_and_decomposed_letters_are_one_name(tmp_path: Path) -> None:
    rows = ["a.wav,1,sad,x,Zo\u00eb,g1", "b.wav,2,sad,x,Zoe\u0308,g1"]
    utterances, problems = read(tmp_path, HEADER, *rows)
    assert {u.speaker for u in utterances} == {"Zo\u00eb"}
    assert [p.kind for p in problems] == ["invisible characters"]


def test_a_label_of_nothing_but_invisible_characters_is_empty(tmp_path: Path) -> None:
    assert "label is empty" in fatal(tmp_path, HEADER, "a.wav,1,\u200b,x,s1,g1")[0]


def test_speakers_without_a_name_are_not_one_person(tmp_path: Path) -> None:
    rows = ["a.wav,1,sad,x,Unknown,g1", "b.wav,2,sad,x,unknown,g2", "a.wav,3,sad,x,ann,g2"]
    utterances, problems = read(tmp_path, HEADER, *rows)
    assert [u.speaker for u in utterances] == ["unknown in g1", "unknown in g2", "ann"]
    assert [p.message for p in problems] == [
        "2 rows name no speaker ('Unknown'): in each group these count as one unknown"
    ]


def test_a_json_object_without_a_required_key_is_a_problem_of_its_line(tmp_path: Path) -> None:
    good = '{"file": "a.wav", "id": 1, "label": "sad", "group": "g", "speaker": "s"}'
    problems = fatal(tmp_path, good, '{"file": "a.wav", "id": 2, "group": "g"}', name="m.jsonl")
    assert [p.split(" (")[0] for p in problems] == ["2: there is no column label"]


def test_two_columns_of_one_meaning_are_reported_and_the_standard_one_is_read(tmp_path: Path) -> None:
    utterances, problems = read(tmp_path, "session," + HEADER, "other,a.wav,1,sad,x,s1,g1")
    assert utterances[0].group == "g1"
    assert [p.message for p in problems] == [
        "column 1 ('session') is also an alias of group; column 7 ('group') is read"
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a.wav,1,sad,x,s1", "expected 6 cells as in the header; found 5"),
        ("a.wav,1,sad,so,sad,s1,g1", "expected 6 cells as in the header; found 7"),
        ('a.wav,1,sad,"so"sad,s1,g1', "cannot be read as CSV"),
        ('a.wav,1,sad,"so sad,s1,g1', "a quote that opens here is never closed"),
        (f'a.wav,1,sad,"{"x" * 200_000}",s1,g1', "cannot be read as CSV"),
        (",1,sad,x,s1,g1", "file_name is empty"),
        ("a.wav,,sad,x,s1,g1", "utterance_id is empty"),
        ("a.wav,1, ,x,s1,g1", "label is empty"),
        ("a.wav,1,sad,x,s1,", "group is empty"),
        ("a.wav,1,sad\x00,x,s1,g1", "label holds bytes"),
        ("a.wav,1,sad,x\x00,s1,g1", "text holds bytes"),
        ("a.wav,1,\x1b[31msad,x,s1,g1", "label holds bytes that are not UTF-8 text or control characters: '\\x1b"),
        ("a.wav,0,sad,x,s1,g1", "'0' occurs twice, first at"),
    ],
)
def test_a_bad_row_is_one_problem_with_its_line_and_the_others_are_read(
    tmp_path: Path, row: str, expected: str
) -> None:
    good = "a.wav,0,sad,x,s1,g1"
    assert fatal(tmp_path, HEADER, good) == []
    problems = fatal(tmp_path, HEADER, good, row)
    assert len(problems) == 1
    assert problems[0].startswith(f"3: {expected}") or expected in problems[0].removeprefix("3: ")
    assert "0" in [u.id for u in scan(tmp_path / "m.csv")[0]]


def test_wrong_bytes_condemn_only_their_row(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, "a.wav,1,sad,caf\xe9,s1,g1", "b.wav,2,sad,cafe,s1,g1", encoding="latin-1")
    utterances, problems = scan(path)
    assert [u.id for u in utterances] == ["2"]
    assert [p.where for p in problems] == [f"{path}:2"]
    assert "text holds bytes that are not UTF-8" in problems[0].message


def test_a_line_number_counts_lines_inside_quotes(tmp_path: Path) -> None:
    problems = fatal(tmp_path, HEADER, 'a.wav,1,sad,"two\nlines",s1,g1', "a.wav,2,,x,s1,g1")
    assert [p[:2] for p in problems] == ["4:"]


def test_every_problem_is_found_and_not_only_the_first(tmp_path: Path) -> None:
    rows = [f"a.wav,{i},,x,s1,g1" for i in range(50)]
    assert len(fatal(tmp_path, HEADER, *rows)) == 50


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ("x,1", "start is in seconds"),
        ("0,1,5", "expected"),
        ("0,nan", "end is in seconds"),
        ("-1,2", "start is in seconds"),
        ("0,inf", "end is in seconds"),
        ("2,1", "end must be later than start; found 2 to 1"),
        ("1,1", "end must be later than start"),
        ("1,", "start and end go together"),
        (",1", "start and end go together"),
    ],
)
def test_a_wrong_span_is_fatal(tmp_path: Path, span: str, expected: str) -> None:
    problems = fatal(tmp_path, HEADER + ",start,end", f"a.wav,1,sad,x,s1,g1,{span}")
    assert [expected in p for p in problems] == [True]


def test_wrong_votes_and_scripts_are_left_out_and_reported(tmp_path: Path) -> None:
    utterances, problems = read(
        tmp_path,
        HEADER + ",script,votes",
        "a.wav,1,sad,x,s1,g1,read,[1]",
        'a.wav,2,sad,x,s1,g1,,"{""sad"": true}"',
    )
    assert [(p.kind, p.fatal) for p in problems] == [("script", False), ("votes", False), ("votes", False)]
    assert [(u.script, u.votes) for u in utterances] == [("", {}), ("", {})]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (HEADER.encode(), "no rows below its header"),
        (HEADER.encode("utf-16"), "found UTF-16"),
    ],
)
def test_a_manifest_without_rows_is_one_fatal_problem(tmp_path: Path, text: bytes, expected: str) -> None:
    (tmp_path / "m.csv").write_bytes(text)
    utterances, problems = scan(tmp_path / "m.csv")
    assert utterances == []
    assert [(expected in p.message, p.fatal) for p in problems] == [(True, True)]


def test_a_pipe_is_no_manifest_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.csv")
    assert [p.message for p in scan(tmp_path / "m.csv")[1]] == ["there is no such file"]


@pytest.mark.parametrize("line", ["{", "[1]", "1", "9" * 5000, "[" * 100_000, '{"file": "\\ud800", "id": 1, "emo": 1}'])
def test_a_broken_json_line_is_fatal_with_its_line(tmp_path: Path, line: str) -> None:
    good = '{"file": "a.wav", "id": 1, "label": "sad", "group": "g", "speaker": "s"}'
    problems = fatal(tmp_path, good, line, name="m.jsonl")
    assert [p[:2] for p in problems] == ["2:"]


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../a.wav", "x/../../a.wav", "..\\a.wav", "C:\\a.wav", "\\a.wav", ".."]
)
def test_a_path_out_of_the_folder_is_fatal_unless_allowed(tmp_path: Path, name: str) -> None:
    assert leaves_folder(name)
    problems = fatal(tmp_path, HEADER, f"{name},1,sad,x,s1,g1")
    assert ["pass --allow-outside-files" in p for p in problems] == [True]


@pytest.mark.parametrize("name", ["a.wav", "./a.wav", "x/../a.wav", "..a/b.wav", "x//a.wav"])
def test_a_path_below_the_folder_is_none_of_these(name: str) -> None:
    assert not leaves_folder(name)


def test_outside_files_can_be_allowed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = write(tmp_path / "in", HEADER, "../out.wav,1,sad,x,s1,g1", f"{tmp_path}/out.wav,2,sad,x,s1,g1")
    (tmp_path / "out.wav").touch()
    utterances, problems = scan(path, allow_outside=True)
    assert problems == []
    assert all(u.audio.samefile(tmp_path / "out.wav") for u in utterances)


def test_fold_goes_before_group_and_divided_groups_are_reported(tmp_path: Path) -> None:
    utterances, problems = read(
        tmp_path, HEADER + ",fold", "a.wav,1,sad,x,s1,g1,0", "a.wav,2,sad,x,s2,g1,1", "a.wav,3,sad,x,s2,g2,1"
    )
    assert [u.group for u in utterances] == ["0", "1", "1"]
    assert [(p.message, p.fatal) for p in problems] == [("group g1 is in folds 0, 1", False)]


def test_without_group_every_speaker_is_a_group(tmp_path: Path) -> None:
    utterances, problems = read(tmp_path, "file,id,label,text,speaker", "a.wav,1,sad,x,s1", "a.wav,2,sad,x,s2")
    assert [u.group for u in utterances] == ["s1", "s2"]
    assert [(p.message, p.fatal) for p in problems] == [
        ("there is no column group: every speaker is a group of its own", False)
    ]


def test_without_any_unit_to_hold_out_the_manifest_is_refused(tmp_path: Path) -> None:
    problems = fatal(tmp_path, "file,id,label,text,split", "a.wav,1,sad,x,train")
    assert len(problems) == 1
    assert "add `group` with the session, show or recording of each row" in problems[0]


def test_splits_are_read_under_their_common_names_and_do_not_define_what_is_held_out(tmp_path: Path) -> None:
    named = {"train": "train", "DEV": "validation", "valid": "validation", "test": "test", "Test2": "Test2", "": ""}
    rows = (f"a.wav,{number},sad,x,s1,g1,{name}" for number, name in enumerate(named))
    utterances, problems = read(tmp_path, HEADER + ",split", *rows)
    assert [u.split for u in utterances] == list(named.values())
    assert [u.group for u in utterances] == ["g1"] * len(named)
    law = "column split is what --protocol split holds out; other protocols hold out every group once"
    assert [(p.message, p.fatal) for p in problems] == [(law, False)]


def test_without_texts_words_are_empty_and_that_is_reported(tmp_path: Path) -> None:
    utterances, problems = read(tmp_path, "file,id,label,speaker,group", "a.wav,1,sad,s1,g1")
    assert utterances[0].words == ""
    assert [(p.fatal, "only audio can be used" in p.message) for p in problems] == [(False, True)]


FRAGMENTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            HEADER.encode() + b"\n",
            b"a.wav,1,sad,x,s,g\n",
            b'"',
            b",",
            b"\n",
            b"\r",
            b"\x00",
            b"\xff",
            b"../x,2,a,b,c,d\n",
        ]
    ),
    st.sampled_from(
        [b'{"file": "a.wav", "id": 1, "label": "x", "group": 2, "votes": {"a": -1}}\n', b"{", b"[", b"null"]
    ),
)


@settings(deadline=None)
@given(data=st.lists(FRAGMENTS, max_size=10).map(b"".join), suffix=st.sampled_from([".csv", ".tsv", ".jsonl"]))
@example(data=HEADER.encode() + b"\n" + b'"' * 300_001, suffix=".csv")
@example(data=b'{"file": "a", "id": "b", "label": "c", "group": [' + b"[" * 100_000, suffix=".jsonl")
def test_any_bytes_are_utterances_or_problems(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzzed{suffix}"
    path.write_bytes(data)
    utterances, problems = scan(path)
    assert utterances or any(p.fatal for p in problems)
    for problem in problems:
        assert problem.where.startswith(str(path))
        assert len(problem.message) < 1000
        assert "\n" not in str(problem)
    for utterance in utterances:
        "".join((utterance.id, utterance.words, utterance.label, utterance.speaker, utterance.group)).encode()
    assert len({u.id for u in utterances}) == len(utterances)
