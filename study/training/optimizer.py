"""AdamW without PyTorch's compiler.

`torch.optim` imports `torch._dynamo`, with sympy and 850 modules, to keep the compiler off its own methods. Nothing
here compiles: without it a worker begins more than a second of CPU time earlier and is some 70 MB smaller.
"""

from collections.abc import Callable
from typing import Any

import torch


def plain(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method that PyTorch wrapped for its compiler; `method` itself where it did not wrap it."""
    return getattr(method, "__wrapped__", method)


class AdamW(torch.optim.AdamW):
    """The same optimiser, with the same arithmetic and state."""

    add_param_group = plain(torch.optim.Optimizer.add_param_group)
    zero_grad = plain(torch.optim.Optimizer.zero_grad)
    state_dict = plain(torch.optim.Optimizer.state_dict)
    load_state_dict = plain(torch.optim.Optimizer.load_state_dict)
    # What the wrapper does besides: no gradients are kept of the step itself.
    step = torch.no_grad()(plain(torch.optim.AdamW.step))
