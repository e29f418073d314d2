"""Words without case and punctuation: what is compared where transcripts differ in how they are written."""

from __future__ import annotations

import re


def plain_words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without punctuation: "Don't!" gives ("don", "t")."""
    return tuple(re.findall(r"\w+", text.lower()))
