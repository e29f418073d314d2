"""The names of whole searches: a variant's first has its name, "cross", the others are "cross~2", "cross~3" and on.

A study treats every search as it treats a variant: ledger, progress, trackers and report know it by its name.
"""

SIGN = "~"


def search_name(variant: str, number: int) -> str:
    """The name of a variant's search; numbers count from 1.

    >>> search_name("cross", 1), search_name("cross", 2)
    ('cross', 'cross~2')
    """
    return variant if number == 1 else f"{variant}{SIGN}{number}"


def variant_of(search: str) -> str:
    """The variant that a search is of.

    >>> variant_of("cross~2")
    'cross'
    """
    return search.partition(SIGN)[0]


def number_of(search: str) -> int:
    """Which of its variant's searches it is, from 1.

    >>> number_of("cross"), number_of("cross~2")
    (1, 2)
    """
    return int(search.partition(SIGN)[2] or 1)
