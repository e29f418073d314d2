"""What trained an epoch, in the words of the ledger: a fall to the CPU or to the host's memory is among them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from study.precision import PRECISION

CPU, FALLEN, ON_HOST = "CPU", "CPU, as its GPU cannot be used", "in the host's memory"


def device_words(device: torch.device, wants_gpu: bool, on_host: Sequence[str]) -> str:
    """The device in words.

    `wants_gpu` is whether Ray gave the run a GPU; `on_host` are the streams whose features had no room on it.
    """
    if device.type == "cpu":
        return FALLEN if wants_gpu else CPU
    gathered = f", features of {', '.join(on_host)} {ON_HOST}" if on_host else ""
    return f"{torch.cuda.get_device_name(device)}, {PRECISION}{gathered}"
