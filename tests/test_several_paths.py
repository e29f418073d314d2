"""Paths as they are typed: with a kind before them, relative, from the home folder, and with colons of their own."""

from pathlib import Path

import pytest

from study.option import Option
from study.several_paths import absolute, kind_and_path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("meld:my/folder", ("meld", "my/folder")),
        ("MSP-Podcast:x", ("msp-podcast", "x")),
        ("meld:a:b", ("meld", "a:b")),
        ("meld:~/x", ("meld", "~/x")),
        ("my/folder", ("", "my/folder")),
        ("my/show:1.csv", ("", "my/show:1.csv")),
        ("/data/meld:x", ("", "/data/meld:x")),
        ("C:\\corpus", ("", "C:\\corpus")),
        ("meld:", ("", "meld:")),
        (":x", ("", ":x")),
        ("show:1.csv", ("", "show:1.csv")),
        ("", ("", "")),
    ],
)
def test_a_kind_is_separated_from_the_path_after_it(tmp_path: Path, text: str, found: tuple[str, str]) -> None:
    (tmp_path / "show:1.csv").touch()
    assert kind_and_path(text, tmp_path) == found


def test_a_path_that_was_typed_is_made_absolute_after_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    with_kind, without = Option("--corpus", "", has_kind=True), Option("--place", "")
    for text, found in {"a/../b": "/base/b", "~/c": "/home/ann/c", "/d": "/d"}.items():
        assert absolute(with_kind, text, Path("/base")) == found
        assert absolute(with_kind, f"meld:{text}", Path("/base")) == f"meld:{found}"
    assert absolute(without, "meld:x", Path("/base")) == "/base/meld:x"
    monkeypatch.chdir(tmp_path)
    assert absolute(with_kind, "meld:x") == f"meld:{tmp_path}/x"
