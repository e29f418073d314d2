"""Digests of what features are computed from: features are found again by them."""

import hashlib
from collections.abc import Sequence


def digest(texts: Sequence[str]) -> str:
    """sha256 of texts in their order."""
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()
