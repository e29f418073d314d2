"""Our AdamW is PyTorch's to the last bit, and a worker that trains with it never imports PyTorch's compiler."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from study.training.optimizer import AdamW

ROOT = Path(__file__).resolve().parents[2]
# What a training worker has no use for, beside what Ray itself brings.
ABSENT = ("torch._dynamo", "sympy", "mlflow", "transformers", "optuna", "sklearn", "matplotlib", "scipy")
FOLD_RUN = f"""
import sys, torch
import study.execution.trainable
from search_spaces.recipe import Recipe
from study.training.batches import fold_data
from study.features.pack import Pack, write_pack
from study.training.checkpoint import load_into, save
from study.training.loop import begin, train_fold
from study.variants import VARIANTS
from pathlib import Path
folder = Path(sys.argv[1])
ids = [f"u{{n}}" for n in range(6)]
write_pack(folder / "a.safetensors", ids, [torch.randn(4, 3).half() for _ in ids], None, {{}})
parts = {{"training": [(ids[0], 0), (ids[1], 1)], "validation": [(ids[2], 0), (ids[3], 1)],
         "test": [(ids[4], 0), (ids[5], 1)]}}
data = fold_data({{"audio": Pack.open(folder / "a.safetensors")}}, parts, 2)
variant = VARIANTS["audio"]
training = begin(variant.model, variant.config, Recipe(), data, 1)
for _ in train_fold(training, data, Recipe(), epochs=2, metric="UWA", seed=1):
    save(folder / "run", training, "mine")
load_into(begin(variant.model, variant.config, Recipe(), data, 1), folder / "run", "mine")
print(*[name for name in {ABSENT!r} if name in sys.modules])
"""


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_its_steps_are_those_of_torch(decay, fused):
    torch.manual_seed(0)
    ours = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    theirs = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    theirs.load_state_dict(ours.state_dict())
    pairs = [
        (ours, AdamW(ours.parameters(), lr=0.01, weight_decay=decay, fused=fused)),
        (theirs, torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=decay, fused=fused)),
    ]
    for _ in range(5):
        inputs = torch.randn(3, 5)
        for model, optimizer in pairs:
            optimizer.zero_grad(set_to_none=True)
            model(inputs).square().sum().backward()
            optimizer.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert mine.equal(other)
        assert mine.is_leaf
    state, other_state = pairs[0][1].state_dict(), pairs[1][1].state_dict()
    assert state["param_groups"] == other_state["param_groups"]
    for number, values in state["state"].items():
        for name, value in values.items():
            assert value.equal(other_state["state"][number][name])


def test_state_goes_from_one_to_the_other():
    parameter = torch.nn.Parameter(torch.ones(3))
    theirs = torch.optim.AdamW([parameter], lr=0.01)
    parameter.sum().backward()
    theirs.step()
    ours = AdamW([parameter], lr=0.5)
    ours.load_state_dict(theirs.state_dict())
    assert ours.param_groups[0]["lr"] == 0.01
    assert ours.state[parameter]["exp_avg"].equal(theirs.state[parameter]["exp_avg"])


def test_a_worker_imports_no_compiler_and_no_library_of_the_driver(tmp_path):
    found = subprocess.run(
        [sys.executable, "-c", FOLD_RUN, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == []
