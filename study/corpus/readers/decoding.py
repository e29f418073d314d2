"""Text files of corpora that are not quite in the encoding that they should be."""

from pathlib import Path

from study.corpus.utterance import Problem
from study.plurals import counted

REPLACEMENT = "\ufffd"


def decoded(data: bytes, path: Path) -> tuple[str, list[Problem]]:
    """The text of a UTF-8 file, and a remark that counts the bytes of another encoding.

    These become the replacement character, which is part of no word.
    """
    text = data.decode("utf-8", errors="replace")
    wrong = text.count(REPLACEMENT) - data.count(REPLACEMENT.encode())
    if not wrong:
        return text, []
    line = text[: text.index(REPLACEMENT)].count("\n") + 1
    message = f"{counted(wrong, 'byte')} not of UTF-8, read as {REPLACEMENT}; the words around them may be wrong"
    return text, [Problem(f"{path}:{line}", message, False, "bytes that are not UTF-8")]
