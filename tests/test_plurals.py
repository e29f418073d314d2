"""Numbers with their nouns."""

import pytest

from study.plurals import counted


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [(0, "epoch", "0 epochs"), (1, "class", "1 class"), (7, "class", "7 classes"), (10_039, "file", "10,039 files")],
)
def test_a_number_has_its_noun_in_singular_or_plural(number: int, noun: str, text: str) -> None:
    assert counted(number, noun) == text
