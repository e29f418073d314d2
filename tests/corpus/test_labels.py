"""Label presets, relabelling and the order of classes, and label maps against hostile files."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.corpus.labels import (
    EMOTIONS,
    PRESETS,
    class_order,
    preset,
    read_label_map,
    relabel,
)
from study.corpus.utterance import Utterance
from study.errors import UserError


def utterance(id: str, label: str, group: str = "Session1", votes: dict[str, int] | None = None) -> Utterance:
    return Utterance(id, Path("x.wav"), "words", label, "s", group, votes=votes or {})


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_as_many_classes_as_it_is_called_after(name: str) -> None:
    assert len(preset(name).classes) == int(name)
    assert set(preset(name).mapping) <= set(EMOTIONS)
    assert set(preset(name).mapping.values()) == set(preset(name).classes)


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"--labels expects one of 7, 6, 5, 4; found '8'"):
        preset("8")


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


@settings(deadline=None)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_label_map_or_a_user_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed_map.json"
    path.write_bytes(data)
    message = ""
    try:
        found = read_label_map(path)
    except UserError as error:
        message, found = str(error), {"-": "-"}
    assert "\n" not in message
    assert found
    assert all(found.values())
