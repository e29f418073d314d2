"""Our training loop against padded ones: `python -m benchmarks.training`.

Every row trains the same model, from the same weights, on the same batches, in turn with the others; an epoch
includes the metrics on both held-out parts. One thread, float32; CPU seconds, which leave other processes out.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import machine, synthetic
from benchmarks.naive import NaiveRun, PaddedFusion, PaddedMDRE, same_weights
from benchmarks.naive_fusions import padded_fusion
from models.bottleneck import BottleneckConfig
from models.crossmodal import CrossmodalConfig
from models.fusion import FusionConfig
from models.mdre import MDREConfig
from search_spaces.recipe import Recipe
from study.training.batches import FoldData
from study.training.loop import EVALUATION_FRAMES, Training, begin, train_fold
from study.variants import VARIANTS

SEED = 1
# No run comes near its end, so that the learning rate never reaches zero.
EPOCHS = 1000
RECIPE = Recipe(patience=EPOCHS)
TOLERANCE = 1e-5
FUSION = FusionConfig(n_heads=4, width_per_head=32, context="linear")
RECURRENT = FusionConfig(n_heads=4, width_per_head=32, context="gru")
# Without dropped attention weights, the padded baseline too has PyTorch's fast attention in training.
PLAIN = FusionConfig(n_heads=4, width_per_head=32, context="linear", dropout=0.0)
# Systems that are measured as their configuration 0.
UNTUNED = ("concat", "gated", "tfn", "lmf", "late", "mult", "bottleneck")


@dataclass(frozen=True)
class Row:
    """A line of the table: a variant with a configuration."""

    name: str
    variant: str
    config: Any
    targets: dict[str, float] = field(default_factory=dict)
    loss: str = "ce"
    dropout: float = 0.0

    @property
    def recipe(self) -> Recipe:
        """How our loop trains it; the padded ones have plain cross-entropy, and every modality."""
        return replace(RECIPE, loss=self.loss, modality_dropout=self.dropout)

    @property
    def has_attention(self) -> bool:
        """Whether its model attends, so that there are two baselines."""
        return isinstance(self.config, FusionConfig | CrossmodalConfig | BottleneckConfig)


ROWS = (
    Row("self", "self", FUSION, {"vs_naive": 15, "vs_sdpa": 3, "matmul_share": 0.4}),
    Row("cross", "cross", FUSION, {"vs_naive": 3.5}),
    Row("audio", "audio", FUSION),
    Row("mdre", "mdre", MDREConfig(), {"vs_naive": 1.4}),
    Row("self-no-dropout", "self", PLAIN, {"vs_naive": 15, "vs_sdpa": 3, "matmul_share": 0.4}),
    Row("self-gru", "self", RECURRENT),
    Row("cross-gru", "cross", RECURRENT),
    *(Row(name, name, VARIANTS[name].config) for name in UNTUNED),
    Row("self-balanced", "self", FUSION, {"vs_naive": 15}, "balanced"),
    Row("self-adjusted", "self", FUSION, {"vs_naive": 15}, "logit_adjusted"),
    Row("self-focal", "self", FUSION, {"vs_naive": 15}, "focal+smoothing"),
)
COLUMNS = ("epoch_seconds", "vs_naive", "vs_sdpa", "matmul_share", "data_share", "max_logit_difference")


class OurRun:
    """Our loop, an epoch at a time."""

    def __init__(self, row: Row, data: FoldData) -> None:
        """Begin a fold run of `row`."""
        self.data = data
        self.training: Training = begin(VARIANTS[row.variant].model, row.config, row.recipe, data, SEED)
        self.epochs = train_fold(self.training, data, row.recipe, epochs=EPOCHS, metric="UWA", seed=SEED)

    def epoch(self) -> None:
        """One epoch of training, and the metrics on both held-out parts."""
        next(self.epochs)

    def logits(self) -> torch.Tensor:
        """The logits of the test part."""
        model = self.training.model.eval()
        with torch.inference_mode():
            return torch.cat([model(streams) for streams, _ in self.data.test.in_order(RECIPE.batch_size)])

    def gather(self) -> None:
        """What an epoch does before the model: every batch of all three parts, made and thrown away."""
        for _ in self.data.training.shuffled(RECIPE.batch_size, torch.Generator().manual_seed(SEED)):
            pass
        for part in (self.data.validation, self.data.test):
            for _ in part.by_length(EVALUATION_FRAMES["cpu"]):
                pass

    def flops(self) -> int:
        """Floating point operations of an epoch's matrix products: real frames only, as there are no others."""
        with FlopCounterMode(display=False, custom_mapping=ATTENTION_FLOPS) as counter:
            self.epoch()
        return int(counter.get_total_flops())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=160, help="of the fold, three fifths to train on (160)")
    parser.add_argument("--repeats", type=int, default=2, help="turns of every loop (2)")
    parser.add_argument(
        "--rows", default="self,cross,audio,mdre", help=f"of {', '.join(row.name for row in ROWS)}, with commas"
    )
    parser.add_argument("--growth", default="500,2000", help="utterances between which the rate is compared")
    parser.add_argument(
        "--dropout", type=float, default=0.0, metavar="P", help="measure what modality dropout costs the rows, alone"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(1)
    facts = machine.describe()
    machine.print_machine(facts)
    sizes = [int(size) for size in parsed.growth.split(",") if size and not parsed.dropout]
    rows = [row for row in ROWS if row.name in parsed.rows.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        features = synthetic.make(folder, parsed.utterances)
        synthetic.write_arrays(features, parsed.utterances, folder)
        print_padding(features, parsed.utterances)
        figures: dict[str, Any] = {"machine": {**facts, "utterances": parsed.utterances, "repeats": parsed.repeats}}
        if parsed.dropout:
            figures["dropout"] = print_dropout(rows, features, parsed.utterances, parsed.repeats, parsed.dropout)
        else:
            figures |= print_rows(rows, features, folder, parsed.utterances, parsed.repeats, facts)
        if sizes:
            figures["growth"] = growth(folder, sizes, parsed.repeats)
            print(f"\nutterances per second by size: {figures['growth']}")
    machine.write_json(parsed.json, figures)


def print_rows(
    rows: Sequence[Row],
    features: synthetic.Features,
    folder: Path,
    n_utterances: int,
    repeats: int,
    facts: dict[str, Any],
) -> dict[str, dict[str, float | None]]:
    """The table of all rows, printed as it is measured; gives their figures."""
    print(f"{'':16}" + "".join(f"{column:>22}" for column in COLUMNS))
    found = {}
    for row in rows:
        found[row.name] = measure(row, features, folder, n_utterances, repeats, facts)
        print_row(row, found[row.name])
    return found


def print_dropout(
    rows: Sequence[Row], features: synthetic.Features, n_utterances: int, repeats: int, share: float
) -> dict[str, float]:
    """By row, how long an epoch with modality dropout takes, in epochs without: on equal data, in turn."""
    found = {}
    for row in rows:
        data = features.fold(n_utterances, VARIANTS[row.variant].modalities)
        runs = {"whole": OurRun(row, data), "dropped": OurRun(replace(row, dropout=share), data)}
        for run in runs.values():
            run.epoch()  # warms up
        taken = machine.alternating({name: run.epoch for name, run in runs.items()}, repeats, time.process_time)
        seconds, found[row.name] = machine.medians(taken), machine.ratio(taken, "dropped", "whole")
        print(f"{row.name:16}{seconds['whole']:.3g} s, with dropout {share:g} {found[row.name]:.3g} of it", flush=True)
    return found


def measure(
    row: Row, features: synthetic.Features, folder: Path, n_utterances: int, repeats: int, facts: dict[str, Any]
) -> dict[str, float | None]:
    """The figures of one row."""
    data = features.fold(n_utterances, VARIANTS[row.variant].modalities)
    ours = OurRun(row, data)
    runs = {"naive": padded(row, ours, folder, fused=False)}
    if row.has_attention:
        runs["sdpa"] = padded(row, ours, folder, fused=True)
    expected = ours.logits()
    difference = max(float((run.logits(data.test) - expected).abs().max()) for run in runs.values())
    if not difference < TOLERANCE:
        raise SystemExit(f"{row.name}: logits differ by {difference:.1e}, more than {TOLERANCE}: nothing to compare")
    flops = ours.flops()  # also warms up
    calls: dict[str, Callable[[], None]] = {"ours": ours.epoch, **{name: run.epoch for name, run in runs.items()}}
    taken = machine.alternating({**calls, "gather": ours.gather}, repeats, time.process_time)
    seconds = machine.medians(taken)
    return {
        "epoch_seconds": seconds["ours"],
        "vs_naive": machine.ratio(taken, "naive", "ours"),
        "vs_sdpa": machine.ratio(taken, "sdpa", "ours") if "sdpa" in runs else None,
        "matmul_share": flops / seconds["ours"] / (facts["torch_mm_gflops"] * 1e9),
        "data_share": machine.ratio(taken, "gather", "ours"),
        "max_logit_difference": difference,
        "mflop_per_utterance": flops / n_utterances / 1e6,
    }


def padded(row: Row, ours: OurRun, folder: Path, fused: bool) -> NaiveRun:
    """The baseline of `row` with the weights of `ours`."""
    return NaiveRun(_padded_model(row, ours, fused), folder, ours.data, RECIPE, SEED, EPOCHS)


def _padded_model(row: Row, ours: OurRun, fused: bool) -> nn.Module:
    dims, model, n_classes = ours.data.dims, ours.training.model, ours.data.n_classes
    if (copied := padded_fusion(row.config, model, dims, n_classes, fused)) is not None:
        return copied
    other: nn.Module
    if isinstance(row.config, MDREConfig):
        other = PaddedMDRE(row.config, dims, n_classes)
    else:
        other = PaddedFusion(row.config, dims, n_classes, cross=row.variant == "cross", fused=fused)
    other.load_state_dict(same_weights(model.state_dict(), list(dims)))
    return other


def growth(folder: Path, sizes: Sequence[int], repeats: int) -> dict[str, float]:
    """Utterances per second of the self row's epochs, by number of utterances; small sizes run several epochs."""
    row = ROWS[0]
    runs = {size: OurRun(row, synthetic.make(folder / str(size), size).fold(size)) for size in sizes}
    turns = {size: max(1, max(sizes) // size) for size in sizes}

    def repeated(size: int) -> Callable[[], None]:
        def epochs() -> None:
            for _ in range(turns[size]):
                runs[size].epoch()

        return epochs

    for size in sizes:
        runs[size].epoch()
    taken = machine.alternating({str(size): repeated(size) for size in sizes}, repeats, time.process_time)
    return {str(size): size * turns[size] / statistics.median(taken[str(size)]) for size in sizes}


def print_padding(features: synthetic.Features, n_utterances: int) -> None:
    """What random batches of 32 would hold if they were padded."""
    lengths = features.packs["audio"].lengths[:n_utterances].tolist()
    frames, pairs = synthetic.padding_shares(lengths, RECIPE.batch_size)
    print(f"{n_utterances} utterances; padded batches of 32 would hold {frames:.0%} real frames, {pairs:.0%} pairs\n")


def print_row(row: Row, figures: dict[str, float | None]) -> None:
    """A line of the table, with the targets that it misses."""
    cells = []
    for column in COLUMNS:
        value = figures[column]
        missed = column in row.targets and value is not None and value < row.targets[column]
        text = "" if value is None else f"{value:.1e}" if column == "max_logit_difference" else f"{value:.3g}"
        cells.append(f"{text}{' (< ' + str(row.targets[column]) + ')' if missed else ''}")
    print(f"{row.name:16}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    batch, heads, n_queries, width = query
    return int(4 * batch * heads * n_queries * key[2] * width)


def _attention_flops_backward(grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    # Four products: to the values, to the weights, and from those to queries and keys; recomputed scores are no work.
    return 2 * _attention_flops(query, key, value)


# PyTorch's counter does not know the CPU's attention.
ATTENTION_FLOPS = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_flops_backward,
}

if __name__ == "__main__":
    main()
