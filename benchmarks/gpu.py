"""A training step on a GPU: `python -m benchmarks.gpu`.

Everywhere it counts what a step asks of a GPU, on the pretended one of the tests. Where there is a GPU it also
measures: rates of its matrix products, the step's time and memory, and equality with the CPU and of two runs. The part
that measures has not run yet: no GPU was at hand when it was written. It measures neither several runs at once nor
CUDA MPS.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import machine, synthetic
from models.fusion import FusionConfig
from models.mdre import MDREConfig
from search_spaces.recipe import Recipe
from study.features.pack import Pack
from study.precision import PRECISION, fix_precision, grow_segments
from study.training.batches import FoldData, fold_data
from study.training.loop import Training, begin, train_unscored
from study.variants import VARIANTS
from tests.plugins.step_counts import counts_of_step

ROWS: dict[str, tuple[str, Any]] = {
    "self": ("self", FusionConfig()),
    "cross": ("cross", FusionConfig()),
    "mdre": ("mdre", MDREConfig()),
    "audio": ("audio", FusionConfig()),
    "self, linear": ("self", FusionConfig(context="linear")),
    "cross, linear": ("cross", FusionConfig(context="linear")),
    "mdre, two layers": ("mdre", MDREConfig(n_layers=2)),
}
BATCH_SIZES = (32, 128)
UTTERANCES, SEED, STEPS = 320, 1, 20
MATMUL_SIZE, COPY_BYTES = 8192, 2**30


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, measure where there is a GPU, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(1)
    there = torch.cuda.is_available()
    figures: dict[str, Any] = {"device": torch.cuda.get_device_name() if there else None, "counts": counts()}
    if there:
        figures |= measured()
    machine.write_json(parsed.json, figures)


def counts() -> dict[str, dict[str, int]]:
    """Operations, waits and uploads of one step of each row, the same for every batch size."""
    if not torch.cuda.is_available():
        print("no GPU here: a step's operations, waits of the host and uploads, counted on a pretended one")
    print(f"{'':18}{'operations':>12}{'waits':>8}{'uploads':>9}")
    found = {}
    for name, (variant, config) in ROWS.items():
        each = [counts_of_step(variant, config, batch_size).figures() for batch_size in BATCH_SIZES]
        if each[0] != each[1]:
            raise SystemExit(f"{name}: the counts of batches of 32 and of 128 differ: {each}")
        found[name] = each[0]
        print(f"{name:18}{each[0]['operations']:12}{each[0]['waits']:8}{each[0]['uploads']:9}", flush=True)
    return found


def measured() -> dict[str, Any]:
    """What a real GPU gives."""
    fix_precision()
    grow_segments()
    facts = {**machine.describe(), "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    machine.print_machine({**facts, "precision": PRECISION})
    found: dict[str, Any] = {"machine": facts, "rates": rates(), "recurrence": recurrence(), "steps": {}}
    print(found["rates"], found["recurrence"], sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        features = synthetic.make(Path(folder), UTTERANCES)
        for name, (variant, config) in ROWS.items():
            found["steps"][name] = step_figures(features, variant, config)
            print(f"{name:18}{found['steps'][name]}", flush=True)
    return found


def rates() -> dict[str, float]:
    """Bytes per second of a copy, and FLOP/s of matrix products in float32, TF32 and bfloat16."""
    source = torch.zeros(COPY_BYTES, dtype=torch.uint8, device="cuda")
    found = {"copy_gb_per_s": 2 * COPY_BYTES / seconds_on_gpu(source.clone) / 1e9}
    operands = torch.randn(2, MATMUL_SIZE, MATMUL_SIZE, device="cuda")
    for name, precision, kind in (
        ("float32", "ieee", torch.float32),
        ("tf32", "tf32", torch.float32),
        ("bfloat16", "ieee", torch.bfloat16),
    ):
        torch.backends.cuda.matmul.fp32_precision = precision
        left, right = operands.to(kind)
        seconds = seconds_on_gpu(lambda left=left, right=right: torch.mm(left, right))
        found[f"{name}_tflops"] = 2 * MATMUL_SIZE**3 / seconds / 1e12
    fix_precision()
    return found


def recurrence(hidden: int = 60, batch: int = 32, steps: int = 736) -> dict[str, float]:
    """Microseconds of a step of PyTorch's recurrent layer on a padded and on a packed batch, forward only."""
    gru = nn.GRU(hidden, hidden, batch_first=True).cuda()
    frames = torch.randn(batch, steps, hidden, device="cuda")
    packed = nn.utils.rnn.pack_padded_sequence(frames, torch.full((batch,), steps), batch_first=True)
    calls: dict[str, Callable[[], Any]] = {"padded": lambda: gru(frames), "packed": lambda: gru(packed)}
    return {f"{name}_us_per_step": seconds_on_gpu(call) / steps * 1e6 for name, call in calls.items()}


def step_figures(features: synthetic.Features, variant: str, config: Any) -> dict[str, Any]:
    """Milliseconds of a step for the host and on the device, peak memory, and equality with the CPU and itself."""
    data = {kind: fold_on(features, variant, kind) for kind in ("cpu", "cuda")}
    training = begin(VARIANTS[variant].model, config, Recipe(), data["cuda"], SEED)
    batches = [each for _, each in zip(range(STEPS), _endless(data["cuda"]), strict=False)]
    step(training, batches[0])
    torch.cuda.reset_peak_memory_stats()
    torch.cuda.set_sync_debug_mode("error")
    try:
        issued, finished = _timed(training, batches)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    plain = replace(config, dropout=0.0)
    losses = [_losses(variant, plain, data[kind]) for kind in ("cuda", "cuda", "cpu")]
    return {
        "host_ms": issued / STEPS * 1e3,
        "device_ms": finished / STEPS * 1e3,
        "peak_memory_mb": torch.cuda.max_memory_allocated() / 1e6,
        "two_runs_equal": losses[0] == losses[1],
        "loss_minus_cpus": max(abs(a - b) for a, b in zip(losses[0], losses[2], strict=True)),
        "largest_logit_difference": _logit_difference(training.model, data),
    }


def step(training: Training, batch: Any) -> None:
    """One step without the sum of losses."""
    _, streams, labels = batch
    loss = nn.functional.cross_entropy(training.model.train()(streams), labels)
    training.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(training.model.parameters(), Recipe().gradient_norm)
    training.optimizer.step()


def seconds_on_gpu(call: Callable[[], Any], repeats: int = 10) -> float:
    """Seconds of one call, from the first to the last of several, after one that warms up."""
    call()
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(repeats):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - begun) / repeats


def fold_on(features: synthetic.Features, variant: str, kind: str) -> FoldData:
    """A fold of synthetic features for a variant on a device."""
    packs: dict[str, Pack] = {name: features.packs[name] for name in VARIANTS[variant].modalities}
    members = list(zip(features.ids, features.labels, strict=True))
    parts = {"training": members, "validation": members[:32], "test": members[:32]}
    return fold_data(packs, parts, synthetic.N_CLASSES, torch.device(kind))


def _endless(data: FoldData) -> Any:
    order = torch.Generator().manual_seed(SEED)
    while True:
        yield from data.training.shuffled(Recipe().batch_size, order)


def _timed(training: Training, batches: Sequence[Any]) -> tuple[float, float]:
    """Seconds until all steps were issued, and until they were finished."""
    torch.cuda.current_stream().synchronize()
    begun = time.perf_counter()
    for batch in batches:
        step(training, batch)
    issued = time.perf_counter() - begun
    torch.cuda.current_stream().synchronize()
    return issued, time.perf_counter() - begun


def _losses(variant: str, config: Any, data: FoldData) -> list[float]:
    training = begin(VARIANTS[variant].model, config, Recipe(), data, SEED)
    return list(train_unscored(training, data, Recipe(), epochs=2, seed=SEED, last_epoch=2))


def _logit_difference(model: nn.Module, data: dict[str, FoldData]) -> float:
    index = torch.arange(32)
    with torch.inference_mode():
        there = model.eval()(data["cuda"].validation.batch(index)[0]).cpu()
        here = copy.deepcopy(model).cpu().eval()(data["cpu"].validation.batch(index)[0])
    return float((there - here).abs().max())


if __name__ == "__main__":
    main()
