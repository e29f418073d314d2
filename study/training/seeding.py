"""All randomness of a study from one seed, by name."""

import hashlib


def derived_seed(*names: str | int) -> int:
    """A seed in [0, 2^31) that depends on every name and their order, the same on every machine.

    Streams of random numbers that bear different names are independent of each other, so adding a fold or an
    epoch does not shift the numbers of another.
    """
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) >> 1
