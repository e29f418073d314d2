"""Divides a corpus into folds: each group is the test set once, another whole group validates, the others train."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from study.errors import UserError

MAX_FOLDS = 5


@dataclass(frozen=True)
class Fold:
    """One division of a corpus: the groups (sessions) of each part. No group is in two parts."""

    number: int
    test: tuple[str, ...]
    validation: tuple[str, ...]
    training: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The fold as a plan has it, with lists of groups."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def leave_one_group_out(sizes: Mapping[str, int]) -> tuple[Fold, ...]:
    """One fold per held-out block of groups, given the number of utterances in each group.

    Up to five groups are a block each. More are merged into five blocks of about equal size (groups from the
    largest to the smallest, each into the block that is smallest so far), so that the cost of a study does not
    grow with the number of shows or speakers. Block t tests, the next block (cyclically) validates, all others train.

    Raises:
        UserError: fewer than three groups.
    """
    blocks = _blocks(sizes)
    following = [(number, (number + 1) % len(blocks)) for number in range(len(blocks))]
    return tuple(_fold(blocks, number, *held_out) for number, held_out in enumerate(following))


def group_pairs(sizes: Mapping[str, int]) -> tuple[Fold, ...]:
    """One fold per unordered pair of blocks of groups: five blocks make ten.

    The training set depends on the pair alone, so one run serves two folds: tested on the first block and validated
    on the second, and the reverse. The blocks are those of `leave_one_group_out`; of a pair the earlier one
    is the fold's `test`.

    Raises:
        UserError: fewer than three groups.
    """
    blocks = _blocks(sizes)
    pairs = combinations(range(len(blocks)), 2)
    return tuple(_fold(blocks, number, *held_out) for number, held_out in enumerate(pairs))


def merged_blocks(sizes: Mapping[str, int], most: int) -> list[tuple[str, ...]]:
    """The groups in at most `most` blocks of about equal numbers of utterances, in order of name."""
    if len(sizes) <= most:
        return [(group,) for group in sorted(sizes)]
    blocks: list[list[str]] = [[] for _ in range(most)]
    for group in sorted(sizes, key=lambda name: (-sizes[name], name)):
        smallest = min(blocks, key=lambda block: sum(sizes[name] for name in block))
        smallest.append(group)
    return sorted(tuple(sorted(block)) for block in blocks)


def _blocks(sizes: Mapping[str, int]) -> list[tuple[str, ...]]:
    if len(sizes) < 3:
        raise UserError(
            f"cross-validation needs at least 3 groups (sessions, shows, ...) for training, validation and test; "
            f"found {len(sizes)}: {', '.join(sorted(sizes))}; give the utterances a `group` column with more groups"
        )
    return merged_blocks(sizes, MAX_FOLDS)


def _fold(blocks: list[tuple[str, ...]], number: int, test: int, validation: int) -> Fold:
    training = [group for other, block in enumerate(blocks) if other not in (test, validation) for group in block]
    return Fold(number, blocks[test], blocks[validation], tuple(sorted(training)))
