"""How much a study depends on which run is faster, and what it costs to decide in rounds, where it does not.

python -m benchmarks.timing [--kinds crossing,noisy] [--timings 8] [--seeds 3] [--configs 30] [--jitter .15]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean, stdev

from rich.console import Console
from rich.table import Table

from benchmarks.search import table_of
from benchmarks.simulator import Timing, rules_of, simulate
from benchmarks.tables import GENERATORS, seeds


@dataclass(frozen=True)
class Job:
    """Studies of one table and seed that differ in the seconds of their epochs alone."""

    table: str
    seed: int
    round_size: int
    n_configs: int
    workers: int
    sampler: str
    jitter: float
    timings: int


@dataclass(frozen=True)
class Spread:
    """The rows and the test points that were selected under each timing; mean idle share and end in seconds."""

    rows: list[int]
    points: list[float]
    idle: float
    end: float

    @property
    def different(self) -> float:
        """The share of pairs that select another row."""
        return fmean(one != other for one, other in combinations(self.rows, 2))


def spread_of(job: Job) -> Spread:
    """Run the studies of one job."""
    table = table_of(job.table)
    rules = replace(rules_of(table, job.workers, job.n_configs), round_size=job.round_size)
    outcomes = [
        simulate(
            table,
            policy="race",
            sampler=job.sampler,
            workers=job.workers,
            seed=job.seed,
            rules=rules,
            timing=Timing(job.jitter, timing),
        )
        for timing in range(job.timings)
    ]
    rows = [outcome.selected[-1][1] for outcome in outcomes]
    idle = fmean(1 - outcome.busy / (outcome.end * job.workers) for outcome in outcomes)
    tests = table.tests()
    return Spread(rows, [100 * float(tests[row]) for row in rows], idle, fmean(each.end for each in outcomes))


def shown(found: Sequence[tuple[Job, Spread]], workers: int) -> Table:
    """A row for each table and rule, means over seeds; then one for all tables."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("table", "rounds", "other choice", "sd over timings", "sd over seeds", "test", "idle", "seconds"):
        table.add_column(heading, justify="left" if heading == "table" else "right", no_wrap=True)
    names = list(dict.fromkeys(job.table for job, _ in found))
    for name in (*names, "all"):
        for size in (0, workers):
            of = [(job, each) for job, each in found if job.round_size == size and name in ("all", job.table)]
            spreads = [each for _, each in of]
            over_seeds = []
            for each in names:
                means = [fmean(spread.points) for job, spread in of if job.table == each]
                over_seeds += [stdev(means)] if len(means) > 1 else []
            table.add_row(
                name,
                str(size or "-"),
                f"{fmean(each.different for each in spreads):.2f}",
                f"{fmean(stdev(each.points) for each in spreads):.2f}",
                f"{fmean(over_seeds):.2f}" if over_seeds else "-",
                f"{fmean(fmean(each.points) for each in spreads):.2f}",
                f"{fmean(each.idle for each in spreads):.1%}",
                f"{fmean(each.end for each in spreads):.0f}",
            )
    return table


def main() -> int:
    """Run the measurement; gives the exit code."""
    parser = _parser()
    parsed = parser.parse_args()
    known = [generator.__name__ for generator in GENERATORS]
    if unknown := sorted(set(parsed.kinds.split(",")) - set(known)):
        parser.error(f"--kinds takes {', '.join(known)}; found {', '.join(unknown)}")
    if parsed.timings < 2:
        parser.error(f"--timings takes at least 2, to be compared; found {parsed.timings}")
    jobs = [
        Job(
            f"{kind}:{seeds(1, parsed.final_set)[0]}",
            seed,
            size,
            parsed.configs,
            parsed.workers,
            parsed.sampler,
            parsed.jitter,
            parsed.timings,
        )
        for kind in parsed.kinds.split(",")
        for seed in range(parsed.seeds)
        for size in (0, parsed.workers)
    ]
    with ProcessPoolExecutor(parsed.processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(zip(jobs, pool.map(spread_of, jobs), strict=True))
    console = Console()
    console.print(shown(found, parsed.workers))
    console.print(
        "\nother choice: share of pairs of studies of one seed that select another configuration; test and its "
        "standard deviations in points of 100; idle: share of the workers' time",
        highlight=False,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    kinds = ",".join(generator.__name__ for generator in GENERATORS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timing", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--kinds", default=kinds, metavar="LIST", help=f"kinds of tables ({kinds})")
    add("--timings", type=int, default=8, metavar="N", help="studies that differ in timing alone (8)")
    add("--seeds", type=int, default=3, metavar="N", help="seeds for each table (3)")
    add("--configs", type=int, default=30, metavar="N", help="configurations of a study (30)")
    add("--workers", type=int, default=4, metavar="N", help="workers, and the size of a round (4)")
    add("--sampler", default="tpe", metavar="NAME", help="what proposes (tpe)")
    add(
        "--jitter",
        type=float,
        default=0.15,
        metavar="X",
        help="standard deviation of the log seconds of an epoch (.15)",
    )
    add("--final-set", type=int, metavar="N", help="make tables that nothing was chosen by: set N, not used before")
    add("--processes", type=int, default=os.cpu_count(), metavar="N", help="processes of this machine (all cores)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
