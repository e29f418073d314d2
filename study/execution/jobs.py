"""From an assignment of the conductor to the job that a worker is given."""

from collections.abc import Callable
from dataclasses import asdict

from study.execution.job import Job
from study.protocols import PROTOCOLS
from study.record.events import FoldRun
from study.record.plan import Plan
from study.record.search_name import number_of, variant_of
from study.samplers.proposer import configuration
from study.search.conductor import Assignment
from study.seeding import derived_seed
from study.variants import VARIANTS

Jobs = Callable[[Assignment], Job]


def jobs_of(plan: Plan) -> Jobs:
    """The function that turns assignments of the study of `plan` into jobs."""
    both_blocks, seed = PROTOCOLS[plan.terms.protocol].score_both_blocks, plan.terms.seed

    def job(assignment: Assignment) -> Job:
        run = assignment.run
        config, recipe = configuration(VARIANTS[variant_of(run.variant)], assignment.params)
        return Job(
            run=run,
            model=asdict(config),
            recipe=asdict(recipe),
            # Common random numbers: configurations of a search that share a fold share its order and dropout seeds.
            torch_seed=derived_seed(seed, "run", run.fold, run.seed, *_of_search(run)),
            epochs_known=assignment.epochs_known,
            params=dict(assignment.params),
            last_epoch=assignment.last_epoch,
            target_epoch=assignment.target_epoch,
            score_both_blocks=both_blocks,
        )

    return job


def _of_search(run: FoldRun) -> tuple[int, ...]:
    """What the random numbers of a further search depend on beside; the first searches of all variants share theirs."""
    number = number_of(run.variant)
    return (number,) if number > 1 else ()
