"""Text files are read and written as UTF-8, whatever the locale of the machine."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("study", "models", "search_spaces")


def calls_that_follow_the_locale(source: str) -> Iterator[int]:
    """Lines of calls that read or write text without naming an encoding.

    A linter finds these calls only where it can infer that the object is a path; here names and arguments decide.
    """
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or any(keyword.arg == "encoding" for keyword in call.keywords):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        arguments = call.args[1:] if isinstance(call.func, ast.Name) else call.args
        constants = [argument.value for argument in arguments[:1] if isinstance(argument, ast.Constant)]
        mode = next((str(word) for word in constants), "")
        if (
            (name == "read_text" and not call.args)
            or (name == "write_text" and len(call.args) < 2)
            or (name == "open" and mode and set(mode) <= set("rwax+t"))
            or (name == "open" and isinstance(call.func, ast.Name) and not mode)
            or any(k.arg == "text" and ast.unparse(k.value) == "True" for k in call.keywords)
        ):
            yield call.lineno


@pytest.mark.parametrize("package", PACKAGES)
def test_every_text_file_is_utf_8(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in calls_that_follow_the_locale(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("call", "follows"),
    [
        ("path.read_text()", True),
        ("path.read_text(errors='replace')", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.write_text(text)", True),
        ("path.write_text(text, encoding='utf-8')", False),
        ("path.open('w')", True),
        ("path.open('rb')", False),
        ("open(path)", True),
        ("open(path, 'a')", True),
        ("open(path, 'ab')", False),
        ("subprocess.run(command, text=True)", True),
        ("Line(text=words)", False),
        ("Pack.open(path)", False),
    ],
)
def test_only_calls_without_an_encoding_are_found(call: str, follows: bool) -> None:
    assert bool(list(calls_that_follow_the_locale(call))) == follows
