"""Names as they are compared: labels, speakers and groups that look the same are the same."""

import unicodedata


def plain_name(text: str) -> str:
    """A name in composed Unicode (NFC), without invisible characters, with single spaces.

    What is taken away cannot be seen: zero-width characters, byte order marks, marks of direction; spaces of any kind
    become one usual space. Case is kept.
    """
    seen = "".join(each for each in text if unicodedata.category(each) != "Cf")
    return " ".join(unicodedata.normalize("NFC", seen).split())


def folded_name(text: str) -> str:
    """A name without case and without differences of form, such as of wide letters (NFKC): to find second spellings."""
    return unicodedata.normalize("NFKC", plain_name(text)).casefold()
