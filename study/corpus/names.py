"""Names as they are compared: labels, speakers and groups that look the same are the same."""

import re
import unicodedata

from study.corpus.quoting import quoted

# Small letters of other scripts that cannot be told from Latin ones by eye, and these: typed by another keyboard.
LOOKALIKES = str.maketrans("асеһіјорѕухԁԛԝαοινυχ", "acehijopsyxdqwaoivux")
# What a program may write of one number: 1, 01, 1.0.
_WHOLE = re.compile(r"0*(\d+)(?:\.0*)?", re.ASCII)


def plain_name(text: str) -> str:
    """A name in composed Unicode (NFC), without invisible characters, with single spaces.

    What is taken away cannot be seen: zero-width characters, byte order marks, marks of direction; spaces of any kind
    become one usual space. Case is kept.
    """
    seen = "".join(each for each in text if unicodedata.category(each) != "Cf")
    return " ".join(unicodedata.normalize("NFC", seen).split())


def folded_name(text: str) -> str:
    """A name as it is compared to find second spellings.

    Without case and differences of form, such as of wide letters (NFKC); letters that look like Latin ones are these,
    and a whole number is one however it is written.
    """
    folded = unicodedata.normalize("NFKC", plain_name(text)).casefold().translate(LOOKALIKES)
    number = _WHOLE.fullmatch(folded)
    return number[1] if number else folded


def shown_name(text: str) -> str:
    """A name for a message about spellings: with escapes where a letter of it only looks like a Latin one."""
    return quoted(text) if text.casefold().translate(LOOKALIKES) != text.casefold() else text
