"""Derives all random seeds of a study from one, by name."""

import hashlib


def derived_seed(*names: str | int) -> int:
    """A seed in [0, 2^31) that depends on all names and their order, and on nothing else.

    Streams of random numbers with different names are independent, so adding a fold or an epoch does not change the
    random numbers of the others.
    """
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) >> 1
