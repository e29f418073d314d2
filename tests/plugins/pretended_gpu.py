"""A pretended GPU: tensors that say they are on one and compute on the CPU, while operations and waits are counted.

It shows on any machine that the path of a GPU computes the same numbers, how many operations the host issues for a
step, where it would wait for the GPU, which operations would not be deterministic there, and whether two streams are in
order.
It shows nothing of time or memory, and what it believes of PyTorch's kernels is written in this file.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

from tests.plugins import pretended_kernels

CUDA = torch.device("cuda", 0)
# Operations that take memory and start nothing on a GPU.
ALLOCATIONS = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view"}
# The size of the result, or the result itself, has to be known to the host.
WAITING = {
    *("_local_scalar_dense", "nonzero", "masked_select", "unique_consecutive", "_unique2", "unique_dim"),
    *("is_nonzero", "equal", "allclose", "bincount"),
}
# Of the list in the documentation of torch.use_deterministic_algorithms, what models might use; those of PyTorch's
# backward passes among them. Each adds with atomic operations, or says that it is not deterministic on CUDA.
NOT_DETERMINISTIC = {
    *("index_add", "index_add_", "scatter_add", "scatter_add_", "scatter_reduce", "scatter_reduce_", "put_"),
    *("cumsum", "bincount", "histc", "kthvalue", "median", "embedding_dense_backward", "_embedding_bag"),
    *("_scaled_dot_product_efficient_attention_backward", "_scaled_dot_product_flash_attention_backward"),
    *("nll_loss2d_forward", "grid_sampler_2d_backward", "upsample_linear1d_backward", "_ctc_loss_backward"),
}


@dataclass
class Counts:
    """What a GPU would have been asked for: operations by name, and where the host would have waited."""

    operations: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    uploads: int = 0
    not_deterministic: set[str] = field(default_factory=set)

    def clear(self) -> None:
        """Begin to count anew."""
        self.operations.clear()
        self.waits.clear()
        self.not_deterministic.clear()
        self.uploads = 0

    def figures(self) -> dict[str, int]:
        """The three numbers of a step."""
        return {
            "operations": self.operations.total(),
            "waits": self.waits.total(),
            "uploads": self.uploads,
        }


class Stream:
    """A pretended CUDA stream, which knows up to when it has waited for each other one."""

    def __init__(self, device: Any = None) -> None:
        self.waited: dict[Stream, int] = {}

    def wait_stream(self, other: "Stream") -> None:
        self.waited[other] = next(CLOCK)


CLOCK, MAIN = count(), Stream()


class OnGpu(torch.Tensor):
    """A tensor of the pretended GPU: `held` has its numbers, `made` the stream and time of the last operation on it."""

    held: Tensor
    made: tuple[Stream, int]

    @staticmethod
    def __new__(cls, held: Tensor, made: tuple[Stream, int] | None = None) -> "OnGpu":
        # To PyTorch's core it is a tensor of the CPU; what asks for its device gets the pretended one from `_Mode`.
        return torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype
        )

    def __init__(self, held: Tensor, made: tuple[Stream, int] | None = None) -> None:
        self.held, self.made = held, made or (MAIN, next(CLOCK))

    def record_stream(self, stream: Any) -> None:
        assert Gpu.active is not None
        Gpu.active.recorded.add((_memory(self), stream))

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert Gpu.active is not None, "a tensor of a pretended GPU is used without it"
        return Gpu.active.run(func, args, kwargs or {})


class Gpu:
    """The state of a pretended GPU."""

    active: "Gpu | None" = None

    def __init__(self) -> None:
        self.counts, self.stream = Counts(), MAIN
        # Memory that another stream than its own reads, and what was said to be read there; kept, so that no address
        # comes twice.
        self.read: dict[tuple[int, Stream], Any] = {}
        self.recorded: set[tuple[int, Stream]] = set()

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Compute an operation on the numbers, count it, and wrap what comes out."""
        name = func._schema.name.removeprefix("aten::")
        tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, Tensor)]
        ours = [each for each in tensors if isinstance(each, OnGpu)]
        self._require_order(ours)
        self._require_one_device(name, args, tensors)
        views = any(each.alias_info and not each.alias_info.is_write for each in func._schema.returns)
        if not views and name not in ALLOCATIONS:
            self._count(name, args, kwargs)
        compute = pretended_kernels.KERNELS.get(name, func)
        out = compute(*tree_map(_held, args), **tree_map(_held, kwargs))
        made = ours[0].made if views else (self.stream, next(CLOCK))
        if func._schema.is_mutable:
            for each in ours:
                each.made = made
        known = {id(each.held): each for each in ours}

        def wrapped(value: Any) -> Any:
            """A result of the operation; what was changed in place stays the tensor that it was."""
            if not isinstance(value, Tensor):
                return value
            return known[id(value)] if id(value) in known else OnGpu(value, made)

        return tree_map(wrapped, out)

    def _count(self, name: str, args: Any, kwargs: Any) -> None:
        self.counts.operations[name] += 1
        indices = args[1] if name.removesuffix("_") in ("index", "index_put") else ()
        if (
            name in WAITING
            or any(each is not None and each.dtype in (torch.bool, torch.uint8) for each in indices)
            or (name == "repeat_interleave" and kwargs.get("output_size") is None)
            or (name == "segment_reduce" and not kwargs.get("unsafe"))
            or (name == "copy_" and not isinstance(args[0], OnGpu))
        ):
            self.wait(name)
        accumulates = name.startswith("index_put") and (kwargs.get("accumulate") or (len(args) > 3 and args[3]))
        split_keys = name == "_efficient_attention_backward" and kwargs.get("num_splits_key") != 1
        if name in NOT_DETERMINISTIC or accumulates or split_keys:
            self.counts.not_deterministic.add(name)

    def _require_one_device(self, name: str, args: Any, tensors: list[Tensor]) -> None:
        """Tensors of the host stop a GPU's operation, but for single numbers, indices and copies."""
        hosts = [each for each in tensors if not isinstance(each, OnGpu) and each.dim()]
        if hosts and name in ("index", "index_put", "index_put_"):
            self.upload(pinned=False, where=f"{name} by an index of the host")
        elif hosts and torch._C._current_graph_task_id() >= 0:
            # A gradient that nothing has, as zeros: PyTorch's core makes them where it takes the tensor to be.
            self.counts.operations["zeros"] += len(hosts)
        elif hosts and name == "copy_":
            if isinstance(args[0], OnGpu):
                self.upload(pinned=False, where="copy_")
        else:
            assert not hosts, f"{name} takes tensors of the host and of the GPU"

    def _require_order(self, tensors: list[OnGpu]) -> None:
        """What another stream has made is read only after waiting for it, and that stream must know of its reader."""
        for each in tensors:
            stream, time = each.made
            if stream is self.stream:
                continue
            assert self.stream.waited.get(stream, -1) > time, "a stream reads what another has not finished"
            if not (each.is_leaf and each.requires_grad):  # parameters outlive every step
                self.read[_memory(each), self.stream] = each.held.untyped_storage()

    def upload(self, pinned: bool, where: str) -> None:
        """Count a copy to the GPU, for which the host waits unless it is from pinned memory and may go on."""
        self.counts.uploads += 1
        if not pinned:
            self.wait(where)

    def wait(self, where: str) -> None:
        """Count a wait."""
        self.counts.waits[where] += 1

    @contextmanager
    def on_stream(self, stream: Stream) -> Iterator[None]:
        """Issue operations on `stream`."""
        before, self.stream = self.stream, stream
        yield
        self.stream = before


def _held(value: Any) -> Any:
    return value.held if isinstance(value, OnGpu) else value


def _memory(tensor: OnGpu) -> int:
    return tensor.held.untyped_storage().data_ptr()


class _Gru(torch.autograd.Function):
    """cuDNN's recurrent layer: one operation forward and one backward."""

    @staticmethod
    def forward(ctx: Any, gpu: Gpu, frames: OnGpu, start: OnGpu, *weights: OnGpu) -> tuple[Tensor, Tensor]:
        gpu._require_order([frames, start])
        gpu.counts.operations["_cudnn_rnn"] += 1
        inputs = [each.held.detach().requires_grad_() for each in (frames, *weights)]
        with torch.enable_grad():
            outputs, last = torch._VF.gru(inputs[0], start.held, inputs[1:], True, 1, 0.0, True, False, True)
        ctx.gpu, ctx.kept = gpu, (inputs, outputs)
        made = gpu.stream, next(CLOCK)
        return OnGpu(outputs.detach(), made), OnGpu(last.detach(), made)

    @staticmethod
    def backward(ctx: Any, grad: OnGpu, _: Any) -> tuple[Tensor | None, ...]:
        ctx.gpu.counts.operations["_cudnn_rnn_backward"] += 1
        inputs, outputs = ctx.kept
        frames, *weights = (OnGpu(each) for each in torch.autograd.grad(outputs, inputs, grad.held))
        return None, frames, None, *weights


class _Mode(TorchFunctionMode):
    """Lets tensors of the pretended GPU say where they are, and copies go there and back."""

    def __init__(self, gpu: Gpu) -> None:
        super().__init__()
        self.gpu = gpu
        self.pinned: set[int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        first = args[0] if args else None
        if func == PROPERTIES["device"]:
            return CUDA if isinstance(first, OnGpu) else func(*args)
        if func == PROPERTIES["is_cuda"]:
            return isinstance(first, OnGpu)
        if name == "pin_memory":
            return self._pin(first)
        if name in ("to", "cpu", "cuda") and isinstance(first, Tensor):
            return self._moved(name, args, kwargs)
        if kwargs.get("pin_memory"):
            return self._pin(func(*args, **{**kwargs, "pin_memory": False}))
        if name == "gru" and isinstance(first, OnGpu):
            return _Gru.apply(self.gpu, first, args[1], *args[2])
        if _is_cuda(kwargs.get("device")):
            return self._made(name, func(*args, **{**kwargs, "device": "cpu"}))
        return func(*args, **kwargs)

    def _pin(self, tensor: Tensor) -> Tensor:
        self.pinned.add(tensor.untyped_storage().data_ptr())
        return tensor

    def _moved(self, name: str, args: Any, kwargs: Any) -> Any:
        tensor, *given = args
        target = next((each for each in (*given, kwargs.get("device")) if isinstance(each, str | torch.device)), None)
        there = name == "cuda" or (target is not None and torch.device(target).type == "cuda")
        back = name == "cpu" or (target is not None and torch.device(target).type == "cpu")
        if there and not isinstance(tensor, OnGpu):
            free = tensor.untyped_storage().data_ptr() in self.pinned and kwargs.get("non_blocking", False)
            self.gpu.upload(pinned=free, where=f"{name} of memory that is not pinned, or blocking")
            self.gpu.counts.operations["upload"] += 1
            return OnGpu(tensor.detach().clone(), (self.gpu.stream, next(CLOCK)))
        if back and isinstance(tensor, OnGpu):
            self.gpu.wait(f"{name} to the host")
            return tensor.held.detach().clone()
        if there or back:
            return tensor
        return getattr(torch.Tensor, name)(*args, **kwargs)

    def _made(self, name: str, tensor: Any) -> Any:
        """A new tensor of the GPU: from numbers of the host, or filled there."""
        if name in ("tensor", "as_tensor"):
            self.gpu.upload(pinned=False, where=f"{name} of numbers of the host")
        if not name.startswith("empty"):
            self.gpu.counts.operations[name] += 1
        return tensor if isinstance(tensor, OnGpu) else OnGpu(tensor, (self.gpu.stream, next(CLOCK)))


PROPERTIES = {"device": torch.Tensor.device.__get__, "is_cuda": torch.Tensor.is_cuda.__get__}  # type: ignore[attr-defined]


def _is_cuda(device: Any) -> bool:
    return isinstance(device, str | torch.device) and torch.device(device).type == "cuda"


@contextmanager
def pretended_gpu() -> Iterator[Counts]:
    """Let `torch.device("cuda")` be the pretended GPU, and give its counts."""
    gpu = Gpu()
    with ExitStack() as stack:
        for target, name, value in _replaced(gpu):
            stack.enter_context(patch.object(target, name, value))
        stack.enter_context(_Mode(gpu))
        Gpu.active = gpu
        try:
            yield gpu.counts
        finally:
            Gpu.active = None
    assert gpu.read.keys() <= gpu.recorded, "a stream reads memory that another may take back: record_stream is missing"


def _replaced(gpu: Gpu) -> Iterator[tuple[Any, str, Any]]:
    """What PyTorch does otherwise for a tensor that it does not know, or without a GPU."""
    import torch.nn.utils.clip_grad as clipping
    from torch.optim import optimizer
    from torch.utils import _foreach_utils as foreach

    def on_cuda(group: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: {(CUDA, kind): own for (_, kind), own in group(*args, **kwargs).items()}

    yield torch.__future__, "_overwrite_module_params_on_conversion", True
    # A view of a parameter in inference mode is no tensor that a wrapper can hold.
    yield torch._C, "_InferenceMode", lambda mode: torch.no_grad()
    yield nn.RNNBase, "flatten_parameters", lambda self: None
    for module in (foreach, optimizer):
        yield module, "_foreach_supported_types", [Tensor, nn.Parameter, OnGpu]
    yield clipping, "_group_tensors_by_device_and_dtype", on_cuda(clipping._group_tensors_by_device_and_dtype)
    yield clipping, "_has_foreach_support", lambda tensors, device: True
    yield clipping, "_device_has_foreach_support", lambda device: True
    yield torch.cuda, "current_stream", lambda device=None: gpu.stream
    yield torch.cuda, "Stream", Stream
    yield torch.cuda, "stream", gpu.on_stream
