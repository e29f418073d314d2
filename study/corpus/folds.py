"""Divides a corpus into folds: each group is the test set once, another whole group validates, the others train."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from study.errors import UserError

MAX_FOLDS = 5
# Of `--folds`: every speaker is tested by itself.
SPEAKER = "speaker"
# What `--folds` may be: a number of blocks, or SPEAKER; None for the usual number.
Folds = int | str | None


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


@dataclass(frozen=True)
class Groups:
    """What is held out as a whole: how many utterances each group has, and its homes.

    Homes are the groups that the corpus gives, of which a group of the study is a part: the session of a speaker.
    """

    sizes: Mapping[str, int]
    homes: Mapping[str, frozenset[str]]

    @staticmethod
    def of(utterances: Iterable[tuple[str, str]]) -> "Groups":
        """The groups of utterances, given the group and the home of each."""
        sizes: dict[str, int] = defaultdict(int)
        homes: dict[str, set[str]] = defaultdict(set)
        for group, home in utterances:
            sizes[group] += 1
            homes[group].add(home)
        return Groups(dict(sizes), {group: frozenset(own) for group, own in homes.items()})

    def partner(self, group: str) -> str | None:
        """The other group of the same home, if there is exactly one: the speaker's partner in its session."""
        together = [other for other in sorted(self.sizes) if self.homes[other] == self.homes[group] and other != group]
        return together[0] if len(self.homes[group]) == len(together) == 1 else None


def cross_validation(groups: Groups, folds: Folds) -> tuple[Fold, ...]:
    """The folds of a study that holds out blocks in turn.

    Raises:
        UserError: there are too few groups, or fewer than `folds`.
    """
    if folds == SPEAKER:
        return leave_one_speaker_out(groups)
    return leave_one_group_out(groups.sizes, _number(folds))


def cross_validation_by_pairs(groups: Groups, folds: Folds) -> tuple[Fold, ...]:
    """The folds of a study that holds out every pair of blocks.

    Raises:
        UserError: there are too few groups, or fewer than `folds`.
    """
    return group_pairs(groups.sizes, _number(folds))


def leave_one_group_out(sizes: Mapping[str, int], n_blocks: int | None = None) -> tuple[Fold, ...]:
    """One fold per held-out block of groups, given the number of utterances in each group.

    Up to five groups are a block each. More are merged into five blocks, or `n_blocks`, of about equal size (groups
    from the largest to the smallest, each into the block that is smallest so far), so that the cost of a study does not
    grow with the number of shows or speakers. Block t tests, the next block (cyclically) validates, all others train.

    Raises:
        UserError: fewer than three groups, or fewer than `n_blocks`.
    """
    blocks = _blocks(sizes, n_blocks)
    following = [(number, (number + 1) % len(blocks)) for number in range(len(blocks))]
    return tuple(_fold(blocks, number, *held_out) for number, held_out in enumerate(following))


def leave_one_speaker_out(groups: Groups) -> tuple[Fold, ...]:
    """One fold per speaker, given groups that are speakers: the partner in the speaker's session validates.

    So no other utterance of that session is trained on. Where a session has more or fewer than two speakers, the next
    speaker in order of name, cyclically, validates.

    Raises:
        UserError: fewer than three speakers.
    """
    speakers = sorted(groups.sizes)
    if len(speakers) < 3:
        raise UserError(
            f"--folds {SPEAKER} needs at least 3 speakers for training, validation and test; found {len(speakers)}: "
            f"{', '.join(speakers)}"
        )
    blocks = [(speaker,) for speaker in speakers]
    place = {speaker: number for number, speaker in enumerate(speakers)}
    partners = [groups.partner(speaker) or speakers[(place[speaker] + 1) % len(speakers)] for speaker in speakers]
    return tuple(_fold(blocks, number, number, place[partner]) for number, partner in enumerate(partners))


def group_pairs(sizes: Mapping[str, int], n_blocks: int | None = None) -> tuple[Fold, ...]:
    """One fold per unordered pair of blocks of groups: five blocks make ten.

    The training set depends on the pair alone, so one run serves two folds: tested on the first block and validated
    on the second, and the reverse. The blocks are those of `leave_one_group_out`; of a pair the earlier one
    is the fold's `test`.

    Raises:
        UserError: fewer than three groups, or fewer than `n_blocks`.
    """
    blocks = _blocks(sizes, n_blocks)
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


def _number(folds: Folds) -> int | None:
    return folds if isinstance(folds, int) else None


def _blocks(sizes: Mapping[str, int], n_blocks: int | None) -> list[tuple[str, ...]]:
    if len(sizes) < 3:
        raise UserError(
            f"cross-validation needs at least 3 groups (sessions, shows, ...) for training, validation and test; "
            f"found {len(sizes)}: {', '.join(sorted(sizes))}; give the utterances a `group` column with more groups"
        )
    if n_blocks is not None and n_blocks > len(sizes):
        raise UserError(f"--folds expects at most the number of groups of the corpus, {len(sizes)}; found {n_blocks}")
    return merged_blocks(sizes, n_blocks or MAX_FOLDS)


def _fold(blocks: Sequence[tuple[str, ...]], number: int, test: int, validation: int) -> Fold:
    training = [group for other, block in enumerate(blocks) if other not in (test, validation) for group in block]
    return Fold(number, blocks[test], blocks[validation], tuple(sorted(training)))
