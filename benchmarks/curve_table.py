"""Tables of learning curves: what a simulated study trains, and the space that its rows are a sample of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from study.errors import UserError

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class CurveTable:
    """Learning curves of many configurations.

    `val` and `test` are [configurations, folds, epochs], NaN where a run has diverged; `seconds` is
    [configurations], of one epoch on one fold; `params` one mapping per configuration.
    """

    name: str
    val: Numbers
    test: Numbers
    seconds: Numbers
    params: list[dict[str, Any]]

    @staticmethod
    def read(path: Path) -> CurveTable:
        """The table in an .npz file with `val`, `test`, `seconds` and `params` (JSON).

        Raises:
            UserError: it is not such a file.
        """
        law = "a curve table is an .npz with val, test [configs, folds, epochs], seconds [configs], params (JSON)"
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                val, test, seconds = (np.asarray(file[name], dtype=float) for name in ("val", "test", "seconds"))
                params = json.loads(str(file["params"]))
        except (OSError, EOFError, ValueError, KeyError, AttributeError, TypeError, BadZipFile) as error:
            raise UserError(f"{law}; {path}: {error}") from None
        if val.ndim != 3 or val.shape != test.shape or seconds.shape != val.shape[:1] or len(params) != len(val):
            raise UserError(
                f"{law}; {path} has val {val.shape}, test {test.shape}, seconds {seconds.shape}, {len(params)} params"
            )
        return CurveTable(path.stem, val, test, seconds, params)

    @property
    def best_so_far(self) -> Numbers:
        """Validation scores as a race sees them: the best up to each epoch, NaN from where a run has diverged."""
        return np.asarray(np.maximum.accumulate(self.val, axis=2))

    def finals(self) -> Numbers:
        """The mean over folds at full length, NaN for a configuration that diverges on one."""
        last: Numbers = self.best_so_far[:, :, -1]
        return np.asarray(last.mean(axis=1))

    def tests(self) -> Numbers:
        """The mean over folds of the test score at the epoch that validation picks."""
        alive = np.asarray(~np.isnan(self.val).any(axis=2))
        picked = np.argmax(np.where(alive[:, :, None], self.val, 0.0), axis=2)
        chosen = np.take_along_axis(self.test, picked[:, :, None], axis=2)[:, :, 0]
        return np.asarray(np.where(alive, chosen, np.nan).mean(axis=1))

    def full_cost(self) -> float:
        """Seconds of one full cross-validation, for a configuration of average speed."""
        _, n_folds, epochs = self.val.shape
        return float(self.seconds.mean() * n_folds * epochs)

    def distributions(self) -> dict[str, BaseDistribution]:
        """The space that the rows are a sample of, inferred from their values."""
        names = sorted({name for row in self.params for name in row})
        return {name: distribution([row[name] for row in self.params if name in row]) for name in names}


def distribution(values: Sequence[Any]) -> BaseDistribution:
    """The distribution that a column of a table looks like: its range, on a log scale where it spans decades."""
    if any(isinstance(value, str | bool) for value in values):
        return CategoricalDistribution(sorted(set(values), key=str))
    distinct = sorted(set(values))
    if len(distinct) == 1:
        return CategoricalDistribution(distinct)
    low, high = distinct[0], distinct[-1]
    log = low > 0 and high / low >= 20
    if all(float(value).is_integer() for value in distinct):
        return IntDistribution(int(low), int(high), log=log and low >= 1)
    return FloatDistribution(float(low), float(high), log=log)


def ranks(params: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, tuple[list[Any], Numbers]]:
    """By parameter: its distinct values in order, and every row's rank among them, scaled to 0-1."""
    found = {}
    for name in names:
        values = sorted({row[name] for row in params if name in row}, key=lambda v: (isinstance(v, str), v))
        place = {value: index / max(1, len(values) - 1) for index, value in enumerate(values)}
        found[name] = values, np.array([place.get(row.get(name), 0.5) for row in params])
    return found
