"""The table of losses: what training minimises. A new one is a row here and one in `search_spaces/losses.py`.

Class frequencies, votes and the shares of pairs are those of the training part of the fold alone. A loss is used in
training alone: predictions are the softmax of the model's own logits, and nothing is selected or stopped by its value,
which cannot be compared between losses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from search_spaces.losses import JOIN
from search_spaces.recipe import Recipe
from study.training.batches import FoldData, Part

# Below this, 1 - p is rounding, and its power of less than 1 has no finite slope at 0.
SMALLEST_MISS = 1e-7


@dataclass(frozen=True)
class Criterion:
    """The training loss of a fold run, a function of logits and of the places of their utterances in the part.

    Attributes:
        targets: a class index for each utterance, or its share of every class.
        weight: of each class; None for equal ones.
        offset: what is added to the logits in training, by class; None for nothing.
        gamma: the focal exponent, 0 for cross-entropy.
        superclasses: 1 where a class belongs to a superclass; None without the auxiliary loss.
        superclass_weight: the weight of the auxiliary loss.
    """

    targets: Int[Tensor, " utterances"] | Float[Tensor, "utterances classes"]
    weight: Float[Tensor, " classes"] | None = None
    offset: Float[Tensor, " classes"] | None = None
    gamma: float = 0.0
    superclasses: Float[Tensor, "classes superclasses"] | None = None
    superclass_weight: float = 0.0

    def __call__(self, logits: Float[Tensor, "batch classes"], index: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The mean loss of a batch."""
        targets = self.targets.index_select(0, index)
        adjusted = logits if self.offset is None else logits + self.offset
        loss = focal_loss(adjusted, targets, self.weight, self.gamma)
        if self.superclasses is None:
            return loss
        return loss + self.superclass_weight * superclass_loss(adjusted, targets, self.superclasses)


def focal_loss(
    logits: Float[Tensor, "batch classes"],
    targets: Int[Tensor, " batch"] | Float[Tensor, "batch classes"],
    weight: Float[Tensor, " classes"] | None = None,
    gamma: float = 0.0,
) -> Float[Tensor, ""]:
    """The mean over the batch of the sum over classes of -target * weight * (1 - p)^gamma * log p.

    With gamma 0 it is PyTorch's cross-entropy, which divides by the sum of weights where targets are class indices.

    Source: Lin, Goyal, Girshick, He, Dollár, "Focal loss for dense object detection", ICCV 2017, equation 4. Departure:
    targets may be shares of several classes.
    """
    if not gamma:
        return nn.functional.cross_entropy(logits, targets, weight=weight)
    log_p = logits.log_softmax(1)
    missed = (-torch.expm1(log_p)).clamp_min(SMALLEST_MISS)
    shares = shares_of(targets, logits.shape[1])
    weighted = shares if weight is None else shares * weight
    return -(weighted * missed**gamma * log_p).sum(1).mean()


def superclass_loss(
    logits: Float[Tensor, "batch classes"],
    targets: Int[Tensor, " batch"] | Float[Tensor, "batch classes"],
    superclasses: Float[Tensor, "classes superclasses"],
) -> Float[Tensor, ""]:
    """The cross-entropy of superclasses, whose probability is the sum of their classes' probabilities."""
    log_p = torch.logsumexp(logits.log_softmax(1).unsqueeze(2) + superclasses.log(), dim=1)
    return -((shares_of(targets, logits.shape[1]) @ superclasses) * log_p).sum(1).mean()


def shares_of(
    targets: Int[Tensor, " batch"] | Float[Tensor, "batch classes"], n_classes: int
) -> Float[Tensor, "batch classes"]:
    """Targets as shares of every class."""
    return targets if targets.is_floating_point() else nn.functional.one_hot(targets, n_classes).float()


def criterion_of(recipe: Recipe, data: FoldData) -> Criterion:
    """The loss that a recipe names, with the frequencies, votes and pairs of the fold's training part."""
    found = Criterion(data.training.labels)
    for name in recipe.loss.split(JOIN):
        found = LOSSES[name](found, recipe, data)
    # Beside the logits, where a step reads them without a copy.
    return replace(found, targets=found.targets.to(data.training.device))


def class_counts(part: Part, n_classes: int) -> Int[Tensor, " classes"]:
    """Utterances of each class."""
    return torch.bincount(part.labels, minlength=n_classes)


def mixed(found: Criterion, share: float, other: Float[Tensor, "utterances classes"]) -> Criterion:
    """The criterion whose targets are (1 - share) the label and share `other`; 0 changes nothing."""
    if not share:
        return found
    return replace(found, targets=(1 - share) * shares_of(found.targets, other.shape[1]) + share * other)


def _unchanged(found: Criterion, recipe: Recipe, data: FoldData) -> Criterion:
    return found


def _balanced(found: Criterion, recipe: Recipe, data: FoldData) -> Criterion:
    """Weights n / (k n_c) for n utterances of k classes that occur, n_c of the class: every class counts alike."""
    counts = class_counts(data.training, data.n_classes)
    weight = len(data.training) / ((counts > 0).sum() * counts.clamp_min(1)) * (counts > 0)
    return replace(found, weight=weight.to(data.training.device))


def _logit_adjusted(found: Criterion, recipe: Recipe, data: FoldData) -> Criterion:
    """Logits plus tau times the logarithm of the class frequencies, in training alone.

    The model's own logits are then those of classes of equal frequency. They are what predicts: nothing is subtracted
    afterwards. A class without training utterances counts as one.

    Source: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 10.
    """
    counts = class_counts(data.training, data.n_classes).clamp_min(1)
    offset = recipe.logit_tau * (counts / counts.sum()).log()
    return replace(found, offset=offset.to(data.training.device))


def _focal(found: Criterion, recipe: Recipe, data: FoldData) -> Criterion:
    return replace(found, gamma=recipe.focal_gamma)


def _smoothing(found: Criterion, recipe: Recipe, data: FoldData) -> Criterion:
    """A share of the target in equal parts for all classes."""
    uniform = torch.full((len(data.training), data.n_classes), 1 / data.n_classes)
    return mixed(found, recipe.label_smoothing, uniform)


def _soft(found: Criterion, recipe: Recipe, data: FoldData) -> Criterion:
    """A share of the target in proportion to the votes; where there are none, all of it is the label's."""
    assert data.training.votes is not None, "a study with this loss keeps the votes"
    return mixed(found, recipe.soft_labels, data.training.votes)


def _pairs(found: Criterion, recipe: Recipe, data: FoldData) -> Criterion:
    """A share of the target for both classes of the label's pair, in proportion to how often they occur."""
    counts = class_counts(data.training, data.n_classes)
    spread = torch.eye(data.n_classes)
    for pair in map(list, data.pairs):
        if total := counts[pair].sum():
            spread[pair] = 0.0
            spread[torch.tensor(pair).unsqueeze(1), torch.tensor(pair)] = counts[pair] / total
    return mixed(found, recipe.pair_smoothing, spread[data.training.labels])


def _superclass(found: Criterion, recipe: Recipe, data: FoldData) -> Criterion:
    """An auxiliary loss of superclasses: a pair is one, and so is every other class.

    A class's probability is that of its superclass times its own within it, so with cross-entropy the sum is (1 +
    weight) times the superclasses' loss and once the loss within pairs: to leave the pair costs more than to choose
    the wrong one of it. Superclasses are summed class probabilities and have no head of their own, because a head that
    prediction drops would change the predictions only through what it shares with the model; a model of one's own
    need give nothing but logits for it, and a model folder is as without it.

    Source: Bertinetto et al., "Making better mistakes", CVPR 2020, hierarchical cross-entropy, for a tree of two
    levels. Departure: the weight is searched, where theirs falls exponentially with depth.
    """
    if not recipe.superclass_weight:
        return found
    members = torch.eye(data.n_classes)
    for one, other in data.pairs:
        members[other, one] = 1.0
    kept = [number for number in range(data.n_classes) if number not in {other for _, other in data.pairs}]
    superclasses = members[:, kept].to(data.training.device)
    return replace(found, superclasses=superclasses, superclass_weight=recipe.superclass_weight)


# The parts of `search_spaces.losses.LOSS_PARTS` as changes of a criterion.
LOSSES: dict[str, Callable[[Criterion, Recipe, FoldData], Criterion]] = {
    "ce": _unchanged,
    "balanced": _balanced,
    "logit_adjusted": _logit_adjusted,
    "focal": _focal,
    "smoothing": _smoothing,
    "soft": _soft,
    "pairs": _pairs,
    "superclass": _superclass,
}
