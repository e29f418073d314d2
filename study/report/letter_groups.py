"""Groups of systems as letters: two systems share a letter exactly if they are not told apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from string import ascii_lowercase


def letter_groups(names: Sequence[str], apart: Collection[frozenset[str]]) -> dict[str, tuple[str, ...]]:
    """By letter, the largest sets of `names` that have no pair of `apart` in them, each in the order of `names`.

    The set whose first member is first has the letter a.

    Source: Piepho, An algorithm for a letter-based representation of all-pairwise comparisons, J. Computational and
        Graphical Statistics 13 (2004): every set with both of a pair is split in two, and what is part of another is
        dropped.
    """
    place = {name: number for number, name in enumerate(names)}
    sets = {frozenset(names)}
    for pair in apart:
        split = [own for each in sets for own in ([each - {name} for name in pair] if pair <= each else [each])]
        sets = {each for each in split if not any(each < other for other in split)}
    ordered = sorted(sorted(place[name] for name in each) for each in sets)
    members = [tuple(names[at] for at in places) for places in ordered]
    return dict(zip(_letters(len(members)), members, strict=True))


def letters_of(name: str, groups: Mapping[str, Sequence[str]]) -> str:
    """The letters of the groups that a system is in, side by side."""
    return "".join(letter for letter, members in groups.items() if name in members)


def _letters(number: int) -> list[str]:
    """a to z, then A1, A2 and so on."""
    return [*ascii_lowercase[:number], *(f"A{n}" for n in range(1, number - len(ascii_lowercase) + 1))]
