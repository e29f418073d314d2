"""How many runs machines have room for, and what each of them asks for."""

from __future__ import annotations

from fractions import Fraction

import pytest

from study.errors import UserError
from study.execution.places import Place, Slots, default_share, room, slots_on
from tests.plugins.tune import node

GPUS, PLAIN = node("gpu", CPU=8, GPU=1), node("plain", CPU=4)
HEAD = node("head")


@pytest.mark.parametrize(
    ("machines", "share", "runs"),
    [
        ([{"CPU": 4}], 0, 4),
        ([{"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}], 0, 6),
        ([{"CPU": 8, "GPU": 1}], 0.25, 4),
        ([{"CPU": 2, "GPU": 1}], 0.25, 2),  # cores run out first
        ([{"CPU": 8, "GPU": 3}], 2 / 3, 3),  # two thirds fit a GPU once
        ([{"CPU": 8, "GPU": 1}, {"CPU": 8, "GPU": 1}], 2, 0),  # no run spans machines
        ([{"CPU": 8, "GPU": 4}, {"CPU": 1}], 2, 2),
        ([{"CPU": 0, "GPU": 1}, {}], 1, 0),
    ],
)
def test_slots_are_what_machines_have_room_for(machines: list[dict[str, float]], share: float, runs: int) -> None:
    assert room(machines, share) == runs


@pytest.mark.parametrize("runs", range(1, 17))
def test_the_default_share_fits_a_gpu_as_often_as_it_says_where_ray_rounds_it(runs: int) -> None:
    share = default_share([node("a", CPU=runs, GPU=1)], {"a": 1e12}, 0.0)
    assert room([{"CPU": 64, "GPU": 2}], share) == 2 * runs
    assert runs * Fraction(f"{share:.4f}") <= 1, "Ray rounds to four decimals"


def test_a_share_that_ray_rounds_up_fits_once_less() -> None:
    assert (room([{"CPU": 64, "GPU": 1}], 1 / 6), room([{"CPU": 64, "GPU": 1}], 0.1666)) == (5, 6)


@pytest.mark.parametrize(
    ("nodes", "gigabytes", "packs", "runs"),
    [
        ([node("a", CPU=32, GPU=1)], 80, 2.6, 16),  # enough of everything: the most
        ([node("a", CPU=6, GPU=1)], 80, 2.6, 6),  # as many as there are cores
        ([node("a", CPU=16, GPU=4)], 80, 2.6, 4),  # cores are divided among GPUs
        ([node("a", CPU=32, GPU=1)], 24, 2.6, 5),  # as many as memory has room for: 1.6 GB and the packs each
        ([node("a", CPU=32, GPU=1)], 24, 0.1, 14),
        ([node("a", CPU=32, GPU=1)], 80, 27.6, 2),
        ([node("a", CPU=32, GPU=1)], 24, 27.6, 1),  # it reads features from the host's memory
        ([node("a", CPU=32, GPU=1)], None, 2.6, 8),  # the memory is not known
        ([node("a", CPU=32, GPU=1), node("b", CPU=3, GPU=1), node("c", CPU=1)], 80, 2.6, 3),  # the smallest decides
        ([node("a", CPU=0, GPU=1)], 80, 2.6, 1),
    ],
)
def test_a_gpu_is_shared_by_as_many_runs_as_cores_and_memory_allow(nodes, gigabytes, packs, runs) -> None:
    memory = {} if gigabytes is None else {each["NodeID"]: gigabytes * 1e9 for each in nodes}
    assert default_share(nodes, memory, packs * 1e9) == pytest.approx(1 / runs, abs=1e-4)


def test_without_gpus_there_is_no_share() -> None:
    assert default_share([PLAIN], {}, 0.0) == 0.0


def test_cpu_machines_are_slots_only_if_asked_for() -> None:
    for on_cpus, number in ((False, 4), (True, 8)):
        assert slots_on([GPUS, PLAIN], None, 0.25, on_cpus=on_cpus, may_grow=True).number == number
    assert slots_on([GPUS, PLAIN], None, 0.0, on_cpus=True, may_grow=True).number == 12, "without shares all are alike"


def test_a_cluster_is_asked_for_as_many_runs_as_are_wanted_and_one_machine_for_those_it_has_room_for() -> None:
    grown = slots_on([PLAIN], 10, 0.0, on_cpus=False, may_grow=True)
    assert (grown.number, grown.n_missing, grown.present) == (10, 6, 4)
    assert grown.recounted([]).number == 10
    assert slots_on([PLAIN], 10, 0.0, on_cpus=False, may_grow=False).number == 4
    assert slots_on([PLAIN], 3, 0.0, on_cpus=False, may_grow=True).recounted([PLAIN, GPUS]).number == 3
    assert slots_on([PLAIN], None, 0.0, on_cpus=False, may_grow=True).recounted([PLAIN, GPUS]).number == 12


def test_a_cluster_without_workers_waits_for_those_that_are_asked_for_and_is_refused_else() -> None:
    assert slots_on([HEAD], 5, 0.5, on_cpus=False, may_grow=True).n_missing == 5
    with pytest.raises(UserError, match="no such slot; --concurrency N asks for machines, and waits for them"):
        slots_on([HEAD], None, 0.0, on_cpus=False, may_grow=True)
    with pytest.raises(UserError, match=r"0\.5 expects a GPU; Ray sees 0$"):
        slots_on([PLAIN], 5, 0.5, on_cpus=False, may_grow=False)
    with pytest.raises(UserError, match=r"3 expects 3 GPUs on one machine; Ray sees 1$"):
        slots_on([GPUS], None, 3.0, on_cpus=False, may_grow=False)


def test_runs_that_gpus_have_no_room_for_have_places_on_machines_without_one() -> None:
    slots = Slots(8, 0.25, on_cpus=True)
    nodes = [GPUS, PLAIN]
    assert [slots.place(nodes, n).gpus for n in (0, 3, 4, 7)] == [0.25, 0.25, 0.0, 0.0]
    assert slots.place(nodes, 4) == Place(0.0, ("gpu",)), "never a core beside a GPU"
    assert slots.place([GPUS], 4).gpus == 0.25, "it waits where no machine is without"
    assert slots.place(nodes, 0, ("gpu",)) == Place(0.0, ("gpu",))


def test_a_place_is_lost_with_the_last_machine_that_has_it() -> None:
    assert Place(0.0, ("gpu",)).exists_on([GPUS, PLAIN])
    assert not Place(0.0, ("gpu",)).exists_on([GPUS, HEAD])
    assert not Place(0.25).exists_on([PLAIN])


def test_a_held_machine_leaves_the_others() -> None:
    assert Slots(4, 0.25).goes_on_without("gpu", [GPUS, node("more", CPU=4, GPU=1)])
    assert not Slots(4, 0.25).goes_on_without("gpu", [GPUS, PLAIN])
    assert Slots(4, 0.25, on_cpus=True).goes_on_without("gpu", [GPUS, PLAIN])
