"""How a study's folds are read: what was tested, validated and trained together, and which blocks are tested.

A block is what a fold holds out as one: a session, or several groups that were merged. Under protocol nested a run
holds out a pair of blocks and is used twice: tested on the first and selected on the second, and swapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.record.plan import Plan

Division = Mapping[str, Any]


def folds_as_planned(plan: Plan) -> list[Division]:
    """The folds as they are."""
    return list(plan.folds)


def folds_and_swapped(plan: Plan) -> list[Division]:
    """The folds, then each of them with test and validation swapped."""
    return [*plan.folds, *({**fold, "test": fold["validation"], "validation": fold["test"]} for fold in plan.folds)]


def blocks_of(divisions: Sequence[Division]) -> list[tuple[str, ...]]:
    """The groups of every block that is tested, each block once."""
    return list(dict.fromkeys(tuple(division["test"]) for division in divisions))


def block_name(block: Sequence[str]) -> str:
    """A block as reports name it, "Ses01" or "show1+show4"."""
    return "+".join(block)


@dataclass(frozen=True)
class Role:
    """One of the two uses of the run of `fold`: `test_block` is tested, `validation_block` selects."""

    test_block: int
    validation_block: int
    fold: int

    @property
    def swapped(self) -> bool:
        """Whether the fold's parts change places: its test part is the earlier block of the pair."""
        return self.validation_block < self.test_block


def roles(plan: Plan) -> list[Role]:
    """Both uses of every run of a nested study, by test block and validation block."""
    number = {block: place for place, block in enumerate(blocks_of(folds_and_swapped(plan)))}
    found = []
    for fold, division in enumerate(plan.folds):
        first, second = (number[tuple(division[part])] for part in ("test", "validation"))
        found += [Role(first, second, fold), Role(second, first, fold)]
    return sorted(found, key=lambda role: (role.test_block, role.validation_block))
