"""The losses that can be chosen, and the search space of each. What they compute is in `study/training/losses.py`.

A loss is one part, or several of different kinds joined by "+": "balanced+soft". Imports nothing, so that the command
line reads the table at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

# How the parameter that chooses a loss is named, and what stands between its parts.
LOSS, JOIN = "loss", "+"


@dataclass(frozen=True)
class LossPart:
    """A row of the table.

    Attributes:
        description: one line for `--help`.
        kind: what it changes. A loss has at most one part of each kind, and plain cross-entropy has no other.
        number: the field of the recipe that it reads, and the range in which that is searched; None for nothing.
        needs_votes: whether it reads the annotators' votes.
        needs_pairs: whether it reads the pairs of classes that are often confused.
    """

    description: str
    kind: Literal["alone", "emphasis", "targets", "auxiliary"]
    number: tuple[str, float, float] | None = None
    needs_votes: bool = False
    needs_pairs: bool = False


LOSS_PARTS: Mapping[str, LossPart] = {
    "ce": LossPart("cross-entropy, the published loss", "alone"),
    "balanced": LossPart("all classes weigh alike, however rare", "emphasis"),
    "logit_adjusted": LossPart(
        "class frequencies are added to the logits, in training alone", "emphasis", ("logit_tau", 0.25, 2.0)
    ),
    "focal": LossPart("utterances that are predicted well weigh less", "emphasis", ("focal_gamma", 0.5, 4.0)),
    "smoothing": LossPart("a share of every label goes to all classes", "targets", ("label_smoothing", 0.02, 0.3)),
    "soft": LossPart(
        "a share of every label goes by the annotators' votes", "targets", ("soft_labels", 0.1, 1.0), needs_votes=True
    ),
    "pairs": LossPart(
        "a share of a label goes to the class that it is often confused with",
        "targets",
        ("pair_smoothing", 0.05, 0.5),
        needs_pairs=True,
    ),
    "superclass": LossPart(
        "classes that are often confused count as one, too",
        "auxiliary",
        ("superclass_weight", 0.1, 1.0),
        needs_pairs=True,
    ),
}
LOSSES_LAW = (
    f"names of {', '.join(LOSS_PARTS)}, several with commas; those that change different things may be joined, as in "
    f"balanced{JOIN}soft, but ce stands alone, and none is there twice"
)


def losses_of(text: str) -> tuple[str, ...]:
    """The losses that a text names."""
    return tuple(each.strip() for each in text.split(","))


def are_losses(names: Sequence[str]) -> bool:
    """Whether each of the names is a loss: parts of the table, of kinds that go together, and none is there twice."""
    if not all(isinstance(name, str) and _is_loss(name.split(JOIN)) for name in names):
        return False
    return len({frozenset(name.split(JOIN)) for name in names}) == len(names)


def parts_of(losses: Sequence[str]) -> list[LossPart]:
    """The parts of which losses are made."""
    return [LOSS_PARTS[part] for loss in losses for part in loss.split(JOIN)]


def need_votes(losses: Sequence[str]) -> bool:
    """Whether one of the losses reads votes."""
    return any(part.needs_votes for part in parts_of(losses))


def need_pairs(losses: Sequence[str]) -> bool:
    """Whether one of the losses reads confused pairs."""
    return any(part.needs_pairs for part in parts_of(losses))


def _is_loss(parts: Sequence[str]) -> bool:
    if not set(parts) <= set(LOSS_PARTS):
        return False
    kinds = [LOSS_PARTS[part].kind for part in parts]
    return len(set(kinds)) == len(kinds) and ("alone" not in kinds or len(kinds) == 1)
