"""Blocks and workers that die: laws that hold for every order of events, and decisions one by one."""

from collections import Counter

import hypothesis.strategies as st
from hypothesis import given

from study.execution.block_schedule import BlockSchedule

EVENTS = st.lists(st.tuples(st.sampled_from(["join", "done", "done", "die", "machine"]), st.integers(0, 99)))


class Cluster:
    """What a schedule's workers do, with a count of its own of blocks in hand, done, and deaths."""

    def __init__(self, n_blocks: int, killers: set[int]) -> None:
        self.schedule, self.killers = BlockSchedule(n_blocks), killers
        self.in_hand: dict[str, set[int]] = {}
        self.machines: dict[str, str] = {}
        self.most: dict[str, int] = {}
        self.done = Counter[int]()
        self.deaths = Counter[int]()
        self.alone = Counter[int]()
        self.joined = 0

    def join(self, machine: int, most: int) -> None:
        name = f"w{self.joined}"
        self.joined += 1
        self.in_hand[name], self.machines[name], self.most[name] = set(), f"m{machine}", most
        self.schedule.join(name, f"m{machine}", most)

    def hand_out(self) -> None:
        for worker, block in self.schedule.hand_out():
            assert not any(block in blocks for blocks in self.in_hand.values()), "one worker has a block in hand"
            assert not self.done[block], "what is done is not done again"
            self.in_hand[worker].add(block)
            assert len(self.in_hand[worker]) <= self.most[worker]
        for blocks in self.in_hand.values():
            assert len(blocks) < 2 or not any(self.deaths[block] for block in blocks), "a suspect is tried alone"

    def finish(self, worker: str, block: int) -> None:
        self.in_hand[worker].remove(block)
        self.done[block] += 1
        self.schedule.done(worker, block)

    def die(self, worker: str, with_machine: bool) -> None:
        blocks = self.in_hand.pop(worker)
        if not with_machine:
            self.deaths.update(blocks)
            self.alone.update(blocks if len(blocks) == 1 else ())
        self.schedule.lost(worker, with_machine=with_machine)

    def work(self) -> None:
        """Every worker does one block: it dies of a killer, and is replaced."""
        for worker, blocks in list(self.in_hand.items()):
            if blocks & self.killers:
                self.die(worker, with_machine=False)
                self.join(int(self.machines[worker][1:]), self.most[worker])
            elif blocks:
                self.finish(worker, min(blocks))

    def run_to_the_end(self) -> None:
        for _ in range(1000):
            self.hand_out()
            if self.schedule.finished:
                return
            self.work()
        raise AssertionError("the schedule does not come to an end")


@given(st.integers(0, 12), EVENTS)
def test_every_block_is_done_once_or_given_up_after_two_deaths_the_second_alone(
    n_blocks: int, events: list[tuple[str, int]]
) -> None:
    cluster = Cluster(n_blocks, killers=set())
    for kind, number in events:
        cluster.hand_out()
        workers = list(cluster.in_hand)
        if kind == "join" or not workers:
            cluster.join(number % 3, 1 + number % 4)
            continue
        worker = workers[number % len(workers)]
        if kind == "done":
            for block in sorted(cluster.in_hand[worker])[:1]:
                cluster.finish(worker, block)
        elif kind == "die":
            cluster.die(worker, with_machine=False)
        else:
            for each in [name for name, where in cluster.machines.items() if where == cluster.machines[worker]]:
                if each in cluster.in_hand:
                    cluster.die(each, with_machine=True)
        assert cluster.schedule.n_left == n_blocks - len(cluster.done) - len(cluster.schedule.given_up)
    cluster.join(0, 2)
    cluster.run_to_the_end()
    given_up = set(cluster.schedule.given_up)
    assert set(cluster.done) | given_up == set(range(n_blocks))
    assert set(cluster.done).isdisjoint(given_up)
    assert {block for block, deaths in cluster.deaths.items() if deaths >= 2} == given_up
    assert all(cluster.deaths[block] == 2 and cluster.alone[block] >= 1 for block in given_up)


@given(st.integers(1, 20), st.sets(st.integers(0, 19), max_size=5), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_exactly_the_blocks_that_kill_are_given_up(n_blocks: int, killers: set[int], sizes: list[int]) -> None:
    cluster = Cluster(n_blocks, killers)
    for machine, most in enumerate(sizes):
        cluster.join(machine, most)
    cluster.run_to_the_end()
    assert set(cluster.schedule.given_up) == {block for block in killers if block < n_blocks}


def test_a_suspect_goes_to_another_machine_and_only_to_its_own_where_there_is_no_other() -> None:
    schedule = BlockSchedule(1)
    schedule.join("a1", "a", 2)
    assert schedule.hand_out() == [("a1", 0)]
    schedule.lost("a1", with_machine=False)
    schedule.join("b1", "b", 2)
    schedule.join("a2", "a", 2)
    assert schedule.hand_out() == [("b1", 0)]
    schedule.lost("b1", with_machine=True)
    assert schedule.hand_out() == [("a2", 0)], "a lost machine is no second death"
    schedule.lost("a2", with_machine=False)
    assert schedule.given_up == {0: ("a", "a")}
    assert schedule.finished


def test_blocks_are_spread_over_workers_by_their_size_and_suspects_come_last() -> None:
    schedule = BlockSchedule(8)
    schedule.join("small", "a", 1)
    schedule.join("large", "b", 3)
    handed = schedule.hand_out()
    assert Counter(worker for worker, _ in handed) == {"small": 1, "large": 3}
    assert [block for _, block in handed] == [0, 1, 2, 3]
    schedule.lost("large", with_machine=False)
    (small,) = [block for worker, block in handed if worker == "small"]
    order = [small]
    while not schedule.finished:
        schedule.done("small", order[-1])
        order += [block for _, block in schedule.hand_out()]
    assert order[1:5] == [4, 5, 6, 7]
    assert sorted(order[5:]) == [block for worker, block in handed if worker == "large"]
