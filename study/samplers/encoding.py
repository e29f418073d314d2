"""A search space as a unit cube: where a model of scores measures how far configurations are from each other."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial

Numbers = NDArray[np.float64]
Params = dict[str, Any]

STEP = 0.1  # of a number, as a share of its range, when a neighbour is made


def space_of_first_trial(study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
    """The distributions of the first trial before `trial` that has any: spaces are defined by run, so it sets them."""
    earlier = study.get_trials(deepcopy=False)[: trial.number]
    return next((dict(each.distributions) for each in earlier if each.distributions), {})


class UnitCube:
    """The parameters of a space by name, each along one axis; choices without an order have an axis each."""

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        """The cube of a space's distributions by name."""
        self._axes = {name: axis(distribution) for name, distribution in distributions.items()}

    @cached_property
    def dims(self) -> int:
        """The number of coordinates of a point."""
        return sum(each.width for each in self._axes.values())

    def points(self, many: Sequence[Mapping[str, Any]]) -> Numbers:
        """Configurations as points, [configurations, dims]; a parameter that one lacks stands in the middle."""
        if not many:
            return np.empty((0, self.dims))
        columns = [each.coordinates([params.get(name) for params in many]) for name, each in self._axes.items()]
        return np.concatenate(columns, axis=1)

    @property
    def n_parameters(self) -> int:
        """The number of parameters."""
        return len(self._axes)

    def at(self, fractions: Numbers) -> list[Params]:
        """The configurations so far along each parameter's range, [configurations, parameters] in [0, 1)."""
        rows = fractions.tolist()
        return [{name: each.value(x) for (name, each), x in zip(self._axes.items(), row, strict=True)} for row in rows]

    def near(self, params: Mapping[str, Any], n: int, random: np.random.Generator) -> list[Params]:
        """`n` configurations that differ from `params` in one to three parameters, numbers by a small step."""
        names = list(self._axes)
        order = random.random((n, len(names))).argsort(axis=1).tolist()
        how_many = random.integers(1, 4, n).tolist()
        steps = random.normal(0, STEP, (n, len(names))).tolist()
        jumps = random.random((n, len(names))).tolist()
        found = []
        for row in range(n):
            changed = dict(params)
            for index in order[row][: how_many[row]]:
                name = names[index]
                changed[name] = self._axes[name].stepped(params.get(name), steps[row][index], jumps[row][index])
            found.append(changed)
        return found

    def cell(self, params: Mapping[str, Any]) -> tuple[Hashable, ...]:
        """What configurations of equal parameters have in common, whatever the rounding of stepped numbers."""
        return tuple(each.cell(params[name]) if name in params else None for name, each in self._axes.items())

    def untried(self, tried: Collection[Hashable], most: int, random: np.random.Generator) -> list[Params]:
        """Up to `most` configurations whose cells are not in `tried`, spread over the space.

        None are found where all have been tried, nor in a space with a continuous parameter, which has no list of all.
        """
        values = [each.values() for each in self._axes.values()]
        if any(each is None for each in values):
            return []
        listed = [each for each in values if each is not None]
        size = math.prod(len(each) for each in listed)
        at, stride = int(random.random() * size), _stride(size)
        found: list[Params] = []
        for _ in range(min(size, len(tried) + most)):
            at, left, params = (at + stride) % size, at, {}
            for name, each in zip(self._axes, listed, strict=True):
                left, index = divmod(left, len(each))
                params[name] = each[index]
            if self.cell(params) not in tried:
                found.append(params)
        return found[:most]


def _stride(size: int) -> int:
    """Steps of this length, modulo `size`, visit every number below `size` once and leave no region out for long."""
    stride = max(1, int(0.618 * size))
    while math.gcd(stride, size) > 1:
        stride += 1
    return stride


class Scale:
    """A number between two ends, on a logarithmic scale if asked."""

    width = 1

    def __init__(self, distribution: FloatDistribution | IntDistribution) -> None:
        """The axis of a numeric parameter."""
        self._low, self._high, self._log = distribution.low, distribution.high, distribution.log
        self._step = distribution.step
        self._whole = isinstance(distribution, IntDistribution)
        # Whole numbers get equal shares of the axis, those at the ends as well.
        half = 0.5 * (self._step or 0.0) if self._whole else 0.0
        start, end = float(self._low - half), float(self._high + half)
        self._start, self._end = (math.log(start), math.log(end)) if self._log else (start, end)

    def fraction(self, value: float) -> float:
        """How far along the axis `value` is, 0 to 1; a value of another range is taken for the end that is next."""
        value = min(max(value, self._low), self._high)
        at = math.log(value) if self._log else value
        return (at - self._start) / (self._end - self._start) if self._end > self._start else 0.5

    def coordinates(self, values: Sequence[Any]) -> Numbers:
        """One column."""
        return np.array([[0.5 if value is None else self.fraction(value)] for value in values])

    def value(self, fraction: float) -> Any:
        """The value `fraction` of the way along."""
        at = self._start + fraction * (self._end - self._start)
        value = math.exp(at) if self._log else at
        if self._step is not None:
            value = self._low + self._step * round((value - self._low) / self._step)
        value = min(max(value, self._low), self._high)
        return int(value) if self._whole else value

    def cell(self, value: float) -> Hashable:
        """The value; its number where there are steps."""
        return value if self._step is None else round((value - self._low) / self._step)

    def values(self) -> Sequence[Any] | None:
        """All values; None where they are continuous."""
        if self._low == self._high:
            return [self._low]
        if self._step is None:
            return None
        if self._whole:
            return range(int(self._low), int(self._high) + 1, int(self._step))
        return [self._low + self._step * index for index in range(round((self._high - self._low) / self._step) + 1)]

    def stepped(self, value: Any, step: float, jump: float) -> Any:
        """A value `step` further along, the next one at least; `jump` along where there is no value."""
        if value is None:
            return self.value(jump)
        moved = self.value(min(max(self.fraction(value) + step, 0.0), 1.0))
        if moved == value and self._whole:
            moved = int(min(max(value + math.copysign(self._step or 1, step), self._low), self._high))
        return moved


class Order:
    """Choices that are numbers in rising order, at equal distances."""

    width = 1

    def __init__(self, choices: Sequence[Any]) -> None:
        """The axis of such a parameter."""
        self._choices = choices
        self._place = {choice: index for index, choice in enumerate(choices)}

    def coordinates(self, values: Sequence[Any]) -> Numbers:
        """One column."""
        last = max(1, len(self._choices) - 1)
        return np.array([[0.5 if value is None else self._place[value] / last] for value in values])

    def value(self, fraction: float) -> Any:
        """The choice `fraction` of the way along."""
        return self._choices[min(int(fraction * len(self._choices)), len(self._choices) - 1)]

    def cell(self, value: Any) -> Hashable:
        """The choice, a number."""
        return float(value)

    def values(self) -> Sequence[Any]:
        """All choices."""
        return self._choices

    def stepped(self, value: Any, step: float, jump: float) -> Any:
        """The next choice, up or down."""
        if value is None:
            return self.value(jump)
        index = self._place[value] + (1 if step > 0 else -1)
        return self._choices[min(max(index, 0), len(self._choices) - 1)]


class Names:
    """Choices without an order: any two are at distance 1."""

    def __init__(self, choices: Sequence[Any]) -> None:
        """The axes of such a parameter."""
        self._choices = choices
        self.width = len(choices)

    def coordinates(self, values: Sequence[Any]) -> Numbers:
        """A column per choice."""
        return math.sqrt(0.5) * np.array([[float(choice == value) for choice in self._choices] for value in values])

    def value(self, fraction: float) -> Any:
        """The choice `fraction` of the way along."""
        return self._choices[min(int(fraction * len(self._choices)), len(self._choices) - 1)]

    def cell(self, value: Any) -> Hashable:
        """The choice's place among all; None for a choice of another space."""
        return self._choices.index(value) if value in self._choices else None

    def values(self) -> Sequence[Any]:
        """All choices."""
        return self._choices

    def stepped(self, value: Any, step: float, jump: float) -> Any:
        """Any choice."""
        return self.value(jump)


def axis(distribution: BaseDistribution) -> Scale | Order | Names:
    """How values of `distribution` lie on axes."""
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return Scale(distribution)
    assert isinstance(distribution, CategoricalDistribution)
    choices = list(distribution.choices)
    numbers = [choice for choice in choices if isinstance(choice, int | float) and not isinstance(choice, bool)]
    return Order(choices) if len(numbers) == len(choices) and numbers == sorted(numbers) else Names(choices)
