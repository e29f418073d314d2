"""Which processes extract on which machines."""

from typing import Any

import pytest

from study.execution.crews import Crew, crews, has_gpus, machine_names


def node(number: int, host: str = "", address: str = "", **resources: float) -> dict[str, Any]:
    return {
        "NodeID": f"n{number}",
        "NodeManagerHostname": host or f"host-{number}.example",
        "NodeManagerAddress": address or f"10.0.0.{number}",
        "Resources": resources,
    }


def test_each_gpu_has_a_process_and_machines_without_one_have_none() -> None:
    nodes = [node(1, CPU=16), node(2, CPU=8, GPU=2), node(3, CPU=1, GPU=1)]
    assert has_gpus(nodes)
    assert crews(nodes, {}, on_gpus=True) == [
        Crew("n2", "host-2", 0, threads=2, cpus=2, gpus=1),
        Crew("n2", "host-2", 1, threads=2, cpus=2, gpus=1),
        Crew("n3", "host-3", 0, threads=2, cpus=1, gpus=1),
    ]


def test_each_machine_has_a_process_of_its_free_cores_and_a_head_without_cores_has_none() -> None:
    nodes = [node(1), node(2, CPU=8), node(3, CPU=4), node(4, CPU=2)]
    assert not has_gpus(nodes)
    assert crews(nodes, {"n3": 2.5, "n4": 0.0}, on_gpus=False) == [
        Crew("n2", "host-2", 0, threads=8, cpus=8, gpus=0),
        Crew("n3", "host-3", 0, threads=2, cpus=2, gpus=0),
        Crew("n4", "host-4", 0, threads=1, cpus=1, gpus=0),  # it waits for the first core
    ]


def test_processes_of_a_cluster_have_different_names() -> None:
    found = crews([node(1, CPU=2, GPU=2), node(2, CPU=2, GPU=1)], {}, on_gpus=True)
    assert len({crew.name for crew in found}) == 3


@pytest.mark.parametrize(
    ("places", "names"),
    [
        ([("a.b.c", "1"), ("d", "2")], ["a", "d"]),
        ([("a", "1"), ("a", "2"), ("b", "3")], ["a (1)", "a (2)", "b"]),
        ([("a", "1"), ("a", "1")], ["a (1) #1", "a (1) #2"]),
    ],
)
def test_machines_have_short_names_and_each_another(places: list[tuple[str, str]], names: list[str]) -> None:
    nodes = [node(number, host, address) for number, (host, address) in enumerate(places)]
    assert list(machine_names(nodes).values()) == names


def test_a_machine_without_a_host_name_is_named_by_its_address() -> None:
    assert machine_names([{**node(1), "NodeManagerHostname": ""}]) == {"n1": "(10.0.0.1)"}
