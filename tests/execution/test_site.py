"""Machines that join are checked before they train; what changes is said."""

from __future__ import annotations

from typing import Any

from study.execution.places import Slots
from study.execution.site import RECOUNT_SECONDS, Site
from tests.plugins.tune import node


class Day:
    """A site of one machine, with a clock; machines named "bad..." do not share the storage."""

    def __init__(self, **slots: Any) -> None:
        self.nodes, self.now, self.said, self.checked = [node("a", CPU=2)], 0.0, [], []
        self.site = Site(
            Slots(2, 0.0, **{"may_grow": True, **slots}),
            lambda: list(self.nodes),
            self.check,
            self.said.append,
            lambda: self.now,
        )

    def check(self, new: Any) -> dict[str, str]:
        self.checked += [each["NodeID"] for each in new]
        return {id: f"{id}: it cannot read there" for id in self.checked[-len(new) :] if id.startswith("bad")}

    def pass_by(self) -> None:
        self.now += RECOUNT_SECONDS
        assert self.site.recount()
        if self.site._checking is not None:
            self.site._checking.join()


def test_a_machine_that_joins_is_checked_once_and_counts_from_then_on() -> None:
    day = Day()
    day.nodes.append(node("b", CPU=3))
    day.pass_by()
    assert day.site.slots.number == 2, "not before it is checked"
    for _ in range(3):
        day.pass_by()
    assert (day.site.slots.number, day.checked) == (5, ["b"])
    assert day.said == ["machines have changed: 5 runs at once from now on"]


def test_a_machine_that_does_not_share_the_storage_gets_no_run_and_is_named_once() -> None:
    day = Day()
    day.nodes.append(node("bad", CPU=3))
    for _ in range(4):
        day.pass_by()
    assert day.site.slots.number == 2
    assert day.said == ["a machine that joined gets no runs: bad: it cannot read there"]
    assert day.site.place(0, is_held=False).avoid == ("bad",)
    day.nodes.pop()
    day.pass_by()
    assert day.site.place(0, is_held=False).avoid == ()


def test_a_machine_that_leaves_is_not_counted_any_more() -> None:
    day = Day()
    day.nodes.clear()
    day.pass_by()
    assert day.site.slots.number == 0


def test_the_machines_of_a_study_without_a_cluster_are_not_counted_again() -> None:
    day = Day(may_grow=False)
    day.now = 1000.0
    assert not day.site.recount()


def test_machines_are_not_asked_for_at_every_turn_of_the_loop() -> None:
    day = Day()
    day.pass_by()
    assert not day.site.recount()
