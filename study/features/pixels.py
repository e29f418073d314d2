"""Features of pictures without weights: small grey pictures, and how each differs from the one before."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

SIDE = 16
# Of red, green and blue in brightness, ITU-R BT.601.
LUMA = (0.299, 0.587, 0.114)


class Pixels:
    """Frames of 256 brightnesses in 0..1, row by row, and 256 differences to the picture before, 0 in the first.

    A picture is brought to 16 x 16 by averaging, whatever its shape. Nothing is normalised per utterance, and no face
    is looked for.
    """

    dim = 2 * SIDE * SIDE

    @property
    def identity(self) -> Mapping[str, object]:
        """The name and version of these features."""
        return {"name": "pixels", "version": 1, "layer": "last", "dtype": "float32"}

    def load(self) -> None:
        """Does nothing: there are no weights."""

    def encode(self, pictures: UInt8[Tensor, "time height width 3"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance, one for each picture."""
        small = [torch.nn.functional.adaptive_avg_pool2d(_brightness(each)[None], SIDE).flatten() for each in pictures]
        grey = torch.stack(small)
        return torch.cat([grey, grey.diff(dim=0, prepend=grey[:1])], dim=1)


def _brightness(picture: UInt8[Tensor, "height width 3"]) -> Float[Tensor, "height width"]:
    return (picture.float() / 255) @ torch.tensor(LUMA)
