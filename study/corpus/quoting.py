"""Short, printable forms of untrusted text for messages."""

from pathlib import Path

LONGEST = 80
LONGEST_PATH = 300
LONGEST_ERROR = 400  # libraries name files in theirs, and what is wrong comes after the name


def quoted(found: object) -> str:
    """`found` as one short line of printable ASCII, with escapes for all other characters."""
    text = ascii(found)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def one_line(error: BaseException) -> str:
    """The message of an exception as one short line."""
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_ERROR else text[: LONGEST_ERROR - 3] + "..."


def path_text(path: Path) -> str:
    """A path of untrusted names as printable text, its end where it is too long."""
    text = ascii(str(path))[1:-1] if not str(path).isprintable() else str(path)
    return text if len(text) <= LONGEST_PATH else "..." + text[3 - LONGEST_PATH :]
