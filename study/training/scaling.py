"""How frames are standardised: mean and deviation of each dimension over the training set."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from study.features.pack import Pack

# More frames than this do not change a mean or a deviation noticeably.
STATISTICS_FRAMES = 200_000


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each dimension of one modality, from training utterances only."""

    mean: Float[Tensor, " dim"]
    deviation: Float[Tensor, " dim"]

    def on(self, device: torch.device) -> "Scaling":
        """This scaling with its tensors on `device`."""
        return Scaling(self.mean.to(device), self.deviation.to(device))


def scaling_of(pack: Pack, rows: Int[Tensor, " utterances"]) -> Scaling:
    """The scaling of the frames of the utterances at `rows` of a pack, at least one."""
    first, last = pack.offsets[rows].tolist(), pack.offsets[rows + 1].tolist()
    # Every n-th frame of every utterance: a sample that is not random, and so is equal in all workers.
    step = max(1, (sum(last) - sum(first)) // STATISTICS_FRAMES)
    sample = [pack.frames[a:b:step] for a, b in zip(first, last, strict=True)]
    n_frames = sum(map(len, sample))
    # One utterance at a time: the sample of a large corpus as one tensor of doubles would take gigabytes.
    mean, variance = torch.zeros(2, pack.dim, dtype=torch.float64)
    for frames in sample:
        mean += frames.sum(0, dtype=torch.float64) / n_frames
    for frames in sample:
        variance += (frames.double() - mean).square().sum(0) / n_frames
    deviation = variance.sqrt()
    # A constant dimension is zero after centring; it is not divided by its deviation of zero.
    deviation[deviation < 1e-6] = 1.0
    return Scaling(mean.float(), deviation.float())
