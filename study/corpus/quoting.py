"""Short, printable forms of untrusted text for messages."""

LONGEST = 80


def quoted(found: object) -> str:
    """`found` as one short line of printable ASCII, with escapes for all other characters."""
    text = ascii(found)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def one_line(error: BaseException) -> str:
    """The message of an exception as one short line."""
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
