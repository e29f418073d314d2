"""How often a report finds a difference that is not there: pairs of whole searches of one variant on curve tables.

python -m benchmarks.inference [--table FILE.npz ...] [--configs 8,16,30] [--searches 16] [--sampler random]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import fmean

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.curve_table import CurveTable, Numbers
from benchmarks.simulator import VARIANT, rules_of, simulate
from benchmarks.tables import GENERATORS
from study.errors import UserError
from study.record.events import EpochDone, Event, FoldRun
from study.record.outcome import choice_among
from study.record.results import ConfigResult, FoldResult, candidates, configurations, reported_metrics, selected
from study.record.search_variance import FEWEST_CONFIGS, search_variance
from study.record.selection import finalists
from study.report.significance import FEWEST_SEARCHES, System, Tuning, compare
from study.report.t_model import LEVEL, t_interval, t_test
from study.seeding import derived_seed
from study.training.metrics import METRICS

METRIC = "UWA"
# As in a study of real size: five sessions of which three train, three finalists with three new seeds.
TEST_SHARE, FINALISTS, SEEDS, WORKERS = 1 / 3, 3, 3, 4
LEAD = 0.05
# By folds alone, as the report once did; with the luck of the search; on whole searches.
FOLDS, LUCK, WHOLE = "folds alone", "with luck", "whole searches"
TESTS = (FOLDS, LUCK, WHOLE)


@dataclass(frozen=True)
class Found:
    """One search: the test scores of its selected configuration by fold, and the luck in their mean."""

    scores: tuple[float, ...]
    luck: float


@dataclass(frozen=True)
class Shares:
    """Of many pairs: the share declared different, with an interval without 0, and found where one leads by LEAD.

    `error` is the root mean square of the standard error, and `true` that of the difference, which is 0 on average.
    """

    different: float
    excludes_0: float
    power: float
    error: float
    true: float


@dataclass(frozen=True)
class NewSeeds:
    """What new seeds score on a table: a row's level and a fold's, and what is left over of another row.

    `levels` and `rest` are [parts, configurations], [parts, configurations, folds], parts being validation and test.
    Levels are drawn towards their mean by as much as the noise in them.
    """

    folds: Numbers
    levels: Numbers
    rest: Numbers

    @staticmethod
    def of(table: CurveTable) -> NewSeeds:
        """The analysis of variance of a table, each run at its best validation epoch."""
        alive = np.asarray(~np.isnan(table.val).any(axis=(1, 2)))
        picked = np.argmax(np.where(alive[:, None, None], table.val, 0.0), axis=2)[:, :, None]
        parts = np.stack([np.take_along_axis(part, picked, 2)[:, :, 0] for part in (table.val, table.test)])
        n_folds = parts.shape[2]
        folds = np.nanmean(parts, axis=1)
        levels = (parts - folds[:, None]).mean(axis=2)
        rest = (parts - folds[:, None] - levels[:, :, None])[:, alive] * np.sqrt(n_folds / (n_folds - 1))
        noise, spread = rest.var(axis=(1, 2)) / n_folds, np.nanvar(levels, axis=1)
        return NewSeeds(folds, levels * np.clip(1 - noise / spread, 0, 1)[:, None], rest)

    def draw(self, row: int, random: np.random.Generator) -> Numbers:
        """The scores [parts, folds] of a row with another seed."""
        return np.asarray(self.folds + self.levels[:, row, None] + self.rest[:, random.integers(self.rest.shape[1])])


def search(table: CurveTable, again: NewSeeds, sampler: str, n_configs: int, seed: int) -> Found | None:
    """A race on `table` with its confirmation; None if no configuration is complete."""
    rules = replace(rules_of(table, WORKERS, n_configs), finalists=FINALISTS)
    outcome = simulate(table, policy="race", sampler=sampler, workers=WORKERS, seed=seed, rules=rules)
    events = (_with_tests(event, table, outcome.rows) for event in outcome.events)
    configs = configurations(events, SEEDS, "best")[VARIANT]
    random = np.random.default_rng(derived_seed(seed, "new seeds"))
    for number in sorted(finalists(candidates(configs, METRIC), FINALISTS)):
        _confirm(configs[number], again, outcome.rows[number], random)
    best = selected(configs, METRIC, FINALISTS)
    if best is None:
        return None
    tried = [config.number for config in configs]
    luck = search_variance([choice_among(configs, METRIC)], tried, FINALISTS, derived_seed(seed, "search variance"))
    return Found(reported_metrics(best, "test", METRIC)[METRIC].folds, luck[METRIC])


# Searches of one system, and of the other, that are compared with each other.
Pair = tuple[Sequence[Found], Sequence[Found]]


def shares(pairs: Sequence[Pair], n_configs: int, test: str) -> Shares:
    """What a test says of pairs without a difference: one of TESTS.

    The interval that the report had with the folds alone resampled speakers; here sessions stand for them.
    """
    n_different = n_excluded = n_found = 0
    errors, means = [], []
    for one, other in pairs:
        found = compare(_system(one, n_configs, test), _system(other, n_configs, test), METRIC, TEST_SHARE)
        k = len(found.differences)
        error = float(np.std(found.differences, ddof=1)) / k**0.5 if test == FOLDS else found.error
        interval = t_interval(found.mean, error, found.degrees)
        n_different += found.test.p < LEVEL
        n_excluded += interval.low > 0 or interval.high < 0
        n_found += found.mean + LEAD > 0 and t_test(found.mean + LEAD, found.error, found.degrees).p < LEVEL
        errors.append(found.error**2)
        means.append(found.mean)
    n = len(pairs)
    return Shares(n_different / n, n_excluded / n, n_found / n, fmean(errors) ** 0.5, fmean(m**2 for m in means) ** 0.5)


def _system(searches: Sequence[Found], n_configs: int, test: str) -> System:
    """One search by its folds, with or without its luck; or several whole ones."""
    scores = tuple(np.mean([each.scores for each in searches], axis=0).tolist())
    if test == WHOLE:
        return System("", scores, None, tuple(fmean(each.scores) for each in searches))
    return System("", scores, Tuning(n_configs, searches[0].luck) if test == LUCK else None)


def _with_tests(event: Event, table: CurveTable, rows: Sequence[int]) -> Event:
    """The event with the table's own scores: the simulator leaves test scores out."""
    if not isinstance(event, EpochDone):
        return event
    at = rows[event.config], event.fold, event.epoch - 1
    validation, test = (dict.fromkeys(METRICS, float(part[at])) for part in (table.val, table.test))
    return replace(event, validation=validation, test=test)


def _confirm(config: ConfigResult, again: NewSeeds, row: int, random: np.random.Generator) -> None:
    """Give a finalist its confirmation runs, each as the one epoch that counts."""
    for seed in range(1, SEEDS + 1):
        for fold, scores in enumerate(again.draw(row, random).T.tolist()):
            validation, test = (dict.fromkeys(METRICS, score) for score in scores)
            run = FoldRun(config.variant, config.number, fold, seed)
            done = EpochDone(config.variant, config.number, fold, seed, 1, 0.0, validation, test, 0.0, ended=True)
            config.confirmations[fold, seed] = FoldResult(run, [done])


def measure(
    tables: Sequence[CurveTable], sizes: Sequence[int], n_searches: int, sampler: str, console: Console
) -> Iterator[tuple[str, int, str, Shares]]:
    """By table and number of configurations, the shares of both tests over all pairs of the searches."""
    everything: dict[int, list[list[Found]]] = {size: [] for size in sizes}
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("searches", total=len(tables) * len(sizes) * n_searches)
        for table in tables:
            again = NewSeeds.of(table)
            for size in sizes:
                found = []
                for number in range(n_searches):
                    found.append(search(table, again, sampler, size, derived_seed(table.name, size, number)))
                    bar.advance(task)
                everything[size].append([each for each in found if each is not None])
                yield from _every_test(table.name, size, everything[size][-1:])
    for size, searches in everything.items():
        yield from _every_test("all", size, searches)


def _every_test(name: str, size: int, by_table: Sequence[Sequence[Found]]) -> Iterator[tuple[str, int, str, Shares]]:
    """The shares of every test over the pairs of searches, or of groups of whole searches, of each table."""
    for test in TESTS:
        n = FEWEST_SEARCHES if test == WHOLE else 1
        pairs: list[Pair] = []
        for searches in by_table:
            known = [each for each in searches if not np.isnan(each.luck)]
            groups = [known[start : start + n] for start in range(0, len(known) - n + 1, n)]
            pairs += combinations(groups, 2)
        if pairs:
            yield name, size, test, shares(pairs, size, test)


def show(console: Console, found: Sequence[tuple[str, int, str, Shares]], n_pairs: int) -> None:
    """The table of shares."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("table", "n", "test", "different", "no 0", "power", "error", "true"):
        table.add_column(heading, justify="left" if heading in ("table", "test") else "right", no_wrap=True)
    for name, size, test, each in found:
        values = (f"{each.different:.3f}", f"{each.excludes_0:.3f}", f"{each.power:.2f}", f"{each.error:.4f}")
        table.add_row(name, str(size), test, *values, f"{each.true:.4f}")
    console.print(table)
    console.print(
        f"\n{n_pairs} pairs of searches of n configurations for each table (a search is in several pairs). Shares of "
        f"them: declared different; whose interval leaves out 0; found where one leads by {LEAD}. Then the standard "
        f"error and the true deviation of the difference. Below {FEWEST_CONFIGS} configurations the report declares "
        "nothing: these rows are the test alone.",
        highlight=False,
    )


def main() -> int:
    """Run the check; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--table", type=Path, nargs="+", default=[], metavar="FILE", help="curve tables (makes its own)"
    )
    parser.add_argument("--configs", default="8,16,30", metavar="LIST", help="configurations per search (8,16,30)")
    parser.add_argument("--searches", type=int, default=16, metavar="N", help="searches, compared pair by pair (16)")
    parser.add_argument("--sampler", default="random", metavar="NAME", help="what proposes (random; gp is slow)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON")
    parsed = parser.parse_args()
    try:
        tables = [CurveTable.read(path) for path in parsed.table] or [generator() for generator in GENERATORS]
    except UserError as error:
        Console(stderr=True).print(f"error: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        return 2
    console, sizes = Console(), [int(size) for size in parsed.configs.split(",")]
    found = list(measure(tables, sizes, parsed.searches, parsed.sampler, console))
    show(console, found, parsed.searches * (parsed.searches - 1) // 2)
    if parsed.json:
        rows = [{"table": name, "configs": size, "test": test, **asdict(each)} for name, size, test, each in found]
        parsed.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
