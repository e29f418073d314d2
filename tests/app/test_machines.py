"""What a command says and counts of the machines that it is connected to."""

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from study.app.machines import slots_for
from study.execution.connected import Connected
from study.execution.gpus import Gpus
from tests.plugins.tune import node


def machine(**resources: float) -> dict[str, Any]:
    return {**node("a", **resources), "NodeManagerHostname": "a", "NodeManagerAddress": "127.0.0.1"}


def pack(path: Path, gigabytes: float) -> Path:
    with path.open("wb") as file:
        file.truncate(int(gigabytes * 1e9))  # it takes no room on the disk
    return path


def test_the_packs_of_a_study_decide_how_many_runs_share_a_gpu(tmp_path: Path) -> None:
    audio, text = pack(tmp_path / "audio", 10.0), pack(tmp_path / "text", 0.4)
    machines = Connected([machine(CPU=32, GPU=1)], {"a": Gpus(80e9, has_mps=True)}, None, None, False, False)
    console = Console(quiet=True)
    assert [slots_for(packs, machines, console).number for packs in ([audio, text], [audio], [text])] == [6, 6, 16]


def test_a_share_that_was_given_is_the_share(tmp_path: Path) -> None:
    machines = Connected([machine(CPU=32, GPU=1)], {"a": Gpus(80e9, has_mps=True)}, None, 0.5, False, False)
    slots = slots_for([pack(tmp_path / "audio", 10.0)], machines, Console(quiet=True))
    assert (slots.number, slots.gpus_per_run) == (2, 0.5)


def test_runs_without_room_and_turns_on_a_gpu_are_said() -> None:
    machines = Connected([machine(CPU=4, GPU=1)], {"a": Gpus(80e9, has_mps=False)}, 6, None, False, True)
    console = Console(record=True, width=300, file=io.StringIO())
    slots_for([], machines, console)
    said = console.export_text()
    assert "2 of 6 runs at once wait for machines with room for them" in said
    assert "nvidia-cuda-mps-control" in said
