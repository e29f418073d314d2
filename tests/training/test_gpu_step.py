"""The step of a GPU on a pretended one: as many operations as were counted, no waits, and the CPU's numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from itertools import product
from typing import Any, get_args

import pytest
import torch

from models.bottleneck import BottleneckConfig
from models.fusion import FusionConfig
from models.layers import ContextRule
from models.mdre import MDREConfig
from models.pooling import TimePooling
from search_spaces.recipe import Recipe
from study.features.pack import Pack, write_pack
from study.training.batches import FoldData, fold_data
from study.training.loop import begin, train_fold
from study.variants import VARIANTS
from tests.plugins.pretended_gpu import Counts, OnGpu, pretended_gpu
from tests.plugins.step_counts import counts_of_step
from tests.training.small import SYSTEMS

GPU = torch.device("cuda")
DIMS = {"audio": 6, "text": 5, "sentence": 4, "video": 3}
# Narrow ones of the published settings: width changes no count.
GRU = FusionConfig(n_heads=2, width_per_head=2)
LINEAR = replace(GRU, context="linear")
# Of these, how many operations a step may have. A step of a real GPU is mostly the host's time to issue them.
LIMITS = {
    "self": ("self", GRU, 135),
    "cross": ("cross", GRU, 135),
    "self, linear": ("self", LINEAR, 105),
    "cross, linear": ("cross", LINEAR, 105),
    "mdre": ("mdre", MDREConfig(n_units=4), 60),
    "mdre, two layers": ("mdre", MDREConfig(n_units=4, n_layers=2), 80),
    "audio": ("audio", GRU, 75),
    # Its tokens are rows between frames, whose places are computed there: one upload as well.
    "bottleneck": ("bottleneck", BottleneckConfig(n_heads=2, width_per_head=2), 520),
}
CHOICES = tuple(product(get_args(ContextRule), get_args(TimePooling)))
"""Context and pooling over time, where a configuration has them: they lead to other operations."""


def cases() -> Iterator[Any]:
    """Every variant with every context and pooling, without dropout, which the CPU draws otherwise."""
    for name in (*SYSTEMS, "cross+video"):
        config = VARIANTS[name].config
        own = {field.name for field in fields(config)}
        # One layer of many is enough: the others repeat its operations.
        small = {"n_heads": 2, "width_per_head": 2, "n_layers": 1, "n_self_layers": 1}
        narrow = {key: value for key, value in small.items() if key in own}
        for chosen in CHOICES if "time_pooling" in own else [()]:
            choice = dict(zip(("context", "time_pooling"), chosen, strict=False))
            yield pytest.param(name, replace(config, dropout=0.0, **narrow, **choice), id="-".join((name, *chosen)))


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Pack]:
    """12 utterances of one to seven frames, single ones in "sentence"."""
    folder, generator = tmp_path_factory.mktemp("packs"), torch.Generator().manual_seed(0)
    found = {}
    for name, dim in DIMS.items():
        lengths = [1 + number % 7 if name != "sentence" else 1 for number in range(12)]
        frames = [torch.randn(length, dim, generator=generator).half() for length in lengths]
        write_pack(folder / name, [f"u{number}" for number in range(12)], frames, None, {})
        found[name] = Pack.open(folder / name)
    return found


def fold(packs: Mapping[str, Pack], name: str, device: torch.device | None = None) -> FoldData:
    """6 utterances to train on and 3 in each held-out part."""
    members = [(f"u{number}", number % 3) for number in range(12)]
    parts = {"training": members[:6], "validation": members[6:9], "test": members[9:]}
    return fold_data({key: packs[key] for key in VARIANTS[name].inputs}, parts, 3, device)


@pytest.mark.parametrize(("variant", "config", "limit"), LIMITS.values(), ids=LIMITS)
def test_a_step_has_few_operations_no_wait_and_one_upload_whatever_the_batch(
    variant: str, config: Any, limit: int
) -> None:
    small, large = (counts_of_step(variant, config, batch_size) for batch_size in (8, 32))
    assert small.figures() == large.figures()
    assert small.operations.total() <= limit
    assert not small.waits
    assert small.uploads == 1


@pytest.mark.parametrize(("name", "config"), list(cases()))
def test_epochs_equal_the_cpus_without_waits_and_in_a_fixed_order(
    name: str, config: Any, packs: Mapping[str, Pack]
) -> None:
    recipe = Recipe(batch_size=3)

    def an_epoch(data: FoldData) -> tuple[Any, list[float]]:
        training = begin(VARIANTS[name].model, config, recipe, data, seed=1)
        epochs = train_fold(training, data, recipe, epochs=1, metric="UWA", seed=1)
        return training, [epoch.loss for epoch in epochs]

    ours, losses = an_epoch(fold(packs, name))
    with pretended_gpu() as counts:
        theirs, others = an_epoch(fold(packs, name, GPU))
        assert all(isinstance(each, OnGpu) for each in theirs.model.parameters())
    assert others == pytest.approx(losses, abs=1e-6)
    for mine, other in zip(ours.predictions, theirs.predictions, strict=True):
        torch.testing.assert_close(other.validation, mine.validation, atol=1e-6, rtol=0)
    assert counts.not_deterministic == set()
    # Scaling goes there when a fold begins, frames once, parameters in one go; then an epoch waits for its loss, and
    # for the logits of each held-out part.
    assert waits_of_steps(counts) == {"_local_scalar_dense": 1, "cpu to the host": 2}


def waits_of_steps(counts: Counts) -> dict[str, int]:
    """The waits after everything has been copied to the GPU."""
    return {name: number for name, number in counts.waits.items() if "not pinned" not in name}
