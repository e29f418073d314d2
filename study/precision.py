"""The arithmetic of a process that computes on a GPU, set in one place: precision, order of sums, memory."""

from __future__ import annotations

import os
from typing import Any

# What results depend on: the plan's environment and the record of an epoch on a GPU name it.
PRECISION = "float32 without TF32"
# Of the user's environment, either of these keeps PyTorch's allocator as the user wants it.
ALLOCATOR_VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")


def fix_precision() -> None:
    """Let matrix products, convolutions and recurrent layers on a GPU compute in float32, by algorithms in fixed order.

    By default PyTorch's linear layers do so, and cuDNN's recurrent layers and convolutions round their inputs to the 10
    bits of TF32. Of `torch.backends.cudnn`, the setting for all does not reach those that have a value of their own.
    """
    import torch

    backends: Any = torch.backends  # these settings have no types
    for each in (backends.cuda.matmul, backends.cudnn.rnn, backends.cudnn.conv):
        each.fp32_precision = "ieee"
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    # cuBLAS has equal results in every run only with a workspace of its own for each stream; read at its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def grow_segments() -> None:
    """Let PyTorch's memory on a GPU grow in place: every batch has other sizes, which leave gaps in fixed segments."""
    import torch

    if not any(name in os.environ for name in ALLOCATOR_VARIABLES):
        torch._C._accelerator_setAllocatorSettings("expandable_segments:True")
