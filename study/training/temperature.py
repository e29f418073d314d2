"""Temperature scaling: logits divided by one number, which makes probabilities less or more sure.

Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# A share that was rounded to 0 has no logarithm.
SMALLEST = 1e-12


def scaled_by(
    temperature: float, probabilities: Float[np.ndarray, "utterances classes"]
) -> Float[np.ndarray, "utterances classes"]:
    """The probabilities of logits that are divided by `temperature`; the most probable class stays so."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST)) / temperature
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))
