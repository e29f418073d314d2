"""How a study divides a corpus, before there is a plan: what it holds out, its folds, and the sizes of their parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from study.app.output import plain_table
from study.app.settings import protocol_of
from study.corpus.holding_out import HoldingOut

DIVIDED = ("training", "validation", "test")


def holding_out_of(given: Mapping[str, Any]) -> HoldingOut:
    """What a study with these terms `given` holds out.

    Raises:
        UserError: the protocol refuses one of them.
    """
    protocol, wanted = protocol_of(given), given.get("folds")
    return HoldingOut(lambda corpus: protocol.regroup(corpus, wanted), lambda groups: protocol.divide(groups, wanted))


def division_table(
    folds: Sequence[Mapping[str, Any]], utterances: Iterable[tuple[str, str]], classes: Sequence[str]
) -> Table:
    """The utterances of every part of every fold by class, given the group and the label of each utterance."""
    counts = Counter(utterances)
    table = plain_table("fold", "part", *map(escape, classes), "all", right=(*map(escape, classes), "all"))
    for fold in folds:
        for part in DIVIDED:
            own = [sum(counts[group, name] for group in fold[part]) for name in classes]
            table.add_row(str(fold["number"]), part, *map(str, own), str(sum(own)))
    return table
