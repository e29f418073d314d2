"""Label presets against the published counts of IEMOCAP, and label maps against hostile files."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.corpus.labels import (
    EMOTIONS,
    IEMOCAP_CODES,
    IEMOCAP_COUNTS,
    PRESETS,
    class_order,
    expected_counts,
    iemocap_note,
    preset,
    read_label_map,
    relabel,
)
from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError


def utterance(id: str, label: str, group: str = "Session1", votes: dict[str, int] | None = None) -> Utterance:
    return Utterance(id, Path("x.wav"), "words", label, "s", group, votes=votes or {})


def full_release() -> list[Utterance]:
    """One utterance for each that the table says there is."""
    return [
        utterance(f"{session}-{label}-{i}", label, session)
        for session, row in IEMOCAP_COUNTS.items()
        for label, n in row.items()
        for i in range(n)
    ]


def test_the_table_of_seven_classes_adds_up_to_the_published_totals() -> None:
    # Totals by session and by class come from other tables of the literature than the cells do.
    assert [sum(row.values()) for row in IEMOCAP_COUNTS.values()] == [1390, 1365, 1561, 1531, 1640]
    by_class = {name: sum(row[name] for row in IEMOCAP_COUNTS.values()) for name in EMOTIONS}
    assert list(by_class.values()) == [1103, 595, 1041, 1084, 1708, 1849, 107]
    assert sum(by_class.values()) == 7487


def test_four_classes_hold_the_published_5531() -> None:
    counts = expected_counts("4")
    assert sum(counts.values()) == 5531
    sessions = [sum(n for (s, _), n in counts.items() if s == session) for session in IEMOCAP_COUNTS]
    assert sessions == [1085, 1023, 1151, 1031, 1241]
    assert sum(n for (_, label), n in counts.items() if label == "happy") == 595 + 1041


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_as_many_classes_as_it_is_called_after(name: str) -> None:
    assert len(preset(name).classes) == int(name)
    assert set(preset(name).mapping) <= set(EMOTIONS)
    assert set(preset(name).mapping.values()) == set(preset(name).classes)


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"--labels expects one of 7, 6, 5, 4; found '8'"):
        preset("8")


def test_every_emotion_has_a_code_of_iemocap() -> None:
    assert set(EMOTIONS) < set(IEMOCAP_CODES.values())


def test_relabelling_merges_drops_and_counts() -> None:
    given_utterances = [utterance("a", "excited"), utterance("b", "happy"), utterance("c", "fear"), utterance("d", "x")]
    kept, notes = relabel(given_utterances, preset("4").mapping)
    assert [(u.id, u.label) for u in kept] == [("a", "happy"), ("b", "happy")]
    assert notes == (
        "read as happy: 1 labelled excited",
        "dropped: 2 of 4 utterances, for their label: 1 fear, 1 x",
    )


def test_votes_are_merged_like_labels() -> None:
    kept, _ = relabel([utterance("a", "excited", votes={"excited": 2, "happy": 1, "fear": 1})], preset("4").mapping)
    assert kept[0].votes == {"happy": 3}


def test_known_emotions_keep_their_order_and_others_are_sorted() -> None:
    assert class_order(["sad", "angry", "sad", "happy"]) == ("angry", "happy", "sad")
    assert class_order(["sad", "angry", "bored"]) == ("angry", "bored", "sad")


@pytest.mark.parametrize("name", PRESETS)
def test_a_full_release_is_recognised_and_one_utterance_less_is_told(name: str) -> None:
    kept, _ = relabel(full_release(), preset(name).mapping)
    corpus = Corpus("IEMOCAP", preset(name).classes, kept)
    assert (iemocap_note(corpus, name) or "").startswith("class counts of all five sessions are those known")
    short = Corpus("IEMOCAP", preset(name).classes, kept[1:])
    assert "differ from those known of the full release: Session1 angry 228 instead of 229" in (
        iemocap_note(short, name) or ""
    )


def test_a_part_of_the_release_is_not_compared() -> None:
    assert iemocap_note(Corpus("IEMOCAP", EMOTIONS, (utterance("a", "sad"),)), "7") is None


def test_a_label_map_is_read(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_bytes(b'\xef\xbb\xbf{"exc": "happy", " hap": "happy "}')
    assert read_label_map(tmp_path / "map.json") == {"exc": "happy", "hap": "happy"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"a": 1}', '{"a": ""}', '{"a": "\\u001b[31m"}', "9" * 5000, "[" * 50_000]
)
def test_a_wrong_label_map_is_one_line_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_label_map(path)
    assert str(caught.value).startswith(f"{path}: a label map is a JSON object")
    assert "\n" not in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_label_map_or_a_user_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed_map.json"
    path.write_bytes(data)
    told = ""
    try:
        found = read_label_map(path)
    except UserError as error:
        told, found = str(error), {"-": "-"}
    assert "\n" not in told
    assert found
    assert all(found.values())
