"""The table of samplers: what proposes the next configuration. A new one is a file here and a row.

Optuna is imported when a sampler is built: the command line reads names and descriptions alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from study.errors import UserError
from study.seeding import derived_seed

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


@dataclass(frozen=True)
class Sampler:
    """A row of the table; called with (seed, number), it gives an Optuna sampler.

    Attributes:
        description: one line for `--help`.
        build: `build(seed, number)` gives the sampler for trial `number` of a study. `seed` is the study's; a sampler
            that draws anew for each trial mixes `number` into it.
        reads_scores: whether proposals depend on what other configurations scored.
        package: what has to be installed beside Optuna; empty for nothing.
    """

    description: str
    build: Callable[[int, int], BaseSampler]
    reads_scores: bool = True
    package: str = ""

    def __call__(self, seed: int, number: int) -> BaseSampler:
        """The sampler for trial `number` of a study with this `seed`.

        Raises:
            UserError: a package is not installed.
        """
        self.check()
        return self.build(seed, number)

    def check(self) -> None:
        """Make sure that the sampler can be built.

        Raises:
            UserError: a package is not installed.
        """
        if self.package and find_spec(self.package) is None:
            raise UserError(
                f"the chosen sampler needs the Python package {self.package}, which is not installed; "
                f"run `pip install {self.package}`, or choose another with --sampler"
            )


def proposal_seed(seed: int, number: int) -> int:
    """The seed of the random numbers that proposal `number` draws."""
    return derived_seed(seed, "proposal", number)


def _gp(seed: int, number: int) -> BaseSampler:
    from study.samplers.gp import ForecastGPSampler

    return ForecastGPSampler(seed=proposal_seed(seed, number))


def _tpe(seed: int, number: int) -> BaseSampler:
    from study.samplers.optuna_own import tpe

    return tpe(proposal_seed(seed, number))


def _random(seed: int, number: int) -> BaseSampler:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=proposal_seed(seed, number))


def _qmc(seed: int, number: int) -> BaseSampler:
    from study.samplers.sobol import SobolSampler

    return SobolSampler(seed=seed, independent_sampler=_random(seed, number))


def _optuna_gp(seed: int, number: int) -> BaseSampler:
    from study.samplers.optuna_own import gp

    return gp(proposal_seed(seed, number))


def _cmaes(seed: int, number: int) -> BaseSampler:
    from study.samplers.optuna_own import cmaes

    return cmaes(seed, _random(seed, number))


def _optuna_qmc(seed: int, number: int) -> BaseSampler:
    from study.samplers.optuna_own import qmc

    return qmc(seed, _random(seed, number))


SAMPLERS: dict[str, Sampler] = {
    "gp": Sampler("Gaussian process that learns from unfinished configurations too", _gp),
    "tpe": Sampler("Optuna's tree-structured Parzen estimator, multivariate", _tpe),
    "random": Sampler("independent uniform draws", _random, reads_scores=False),
    "qmc": Sampler("scrambled Sobol sequence", _qmc, reads_scores=False),
    "optuna-gp": Sampler("Optuna's Gaussian process, which learns from complete configurations", _optuna_gp),
    "cmaes": Sampler("Optuna's CMA-ES over the numeric parameters (pip install cmaes)", _cmaes, package="cmaes"),
    "optuna-qmc": Sampler("Optuna's scrambled Sobol sequence", _optuna_qmc, reads_scores=False),
}
