"""From a plan and slots to a trained study and its report: what `run` does once its machines are connected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from threadpoolctl import threadpool_limits

from study import process
from study.app.output import print_line
from study.app.progress import ProgressView
from study.app.result import show, spaces
from study.app.settings import Settings
from study.errors import INTERRUPTED
from study.execution import tuner
from study.execution.checkpoint_cleanup import CheckpointCleanup, keep_reported_weights, sweep_checkpoints
from study.execution.jobs import jobs_of
from study.execution.places import Slots
from study.record.begun import take_up
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.record.plan import Plan
from study.report import write as report
from study.samplers.optuna_mirror import OptunaMirror
from study.samplers.space import spaces_of
from study.samplers.warm_start import warm_proposer, warm_start_sentence
from study.search.conductor import Conductor, Listener
from study.searches import conductor_of
from study.tracking.tracker import Tracker, TrackingLink


def train_and_report(settings: Settings, plan: Plan, folder: StudyFolder, slots: Slots, console: Console) -> int:
    """Run what is left of the study, report it, and give the exit code."""
    tracker = Tracker(settings.machines.tracking_uri, settings.machines.output.absolute(), plan)
    with _tracked_to_the_end(tracker):
        finished = train(settings, plan, folder, slots, console, tracker)
        if finished:
            written = report.write(folder, spaces(plan))
    if not finished:
        tracker.finish(None, ())
        print_line(console, process.go_on_message())
        return INTERRUPTED
    return show(plan, folder, console, written, tracker.finish(written.view, written.files))


def train(
    settings: Settings, plan: Plan, folder: StudyFolder, slots: Slots, console: Console, tracker: Tracker
) -> bool:
    """Run what is left of the study; False if it was interrupted."""
    folder.sweep()
    view, cleanup = ProgressView(console, plan.name, plan.metric), CheckpointCleanup(folder)
    mirror = OptunaMirror(settings.machines.output.absolute(), plan, spaces(plan))
    ledger = Ledger(folder.ledger)
    take_up(ledger, plan, spaces_of(plan))
    if ledger.events:
        print_line(console, f"continuing study {plan.name}")
    if sentence := warm_start_sentence(plan):
        print_line(console, sentence)
    conductor = _conductor(plan, ledger, slots.number, tracker, mirror, cleanup, view)
    cleanup.follow(conductor)
    view.follow(conductor)
    # The cores are the workers'. Threads of a sampler's small matrices would wait for each other, and their number
    # would change the order of sums, hence proposals.
    with view, threadpool_limits(1, user_api="blas"):
        seconds = settings.machines.epoch_seconds
        tuner.run(conductor, jobs_of(plan), folder, slots, seconds, lambda line: print_line(console, line))
    folder.sweep()
    (keep_reported_weights if conductor.finished() else sweep_checkpoints)(folder, conductor)
    if warning := mirror.finish():
        print_line(console, warning, style="yellow")
    return conductor.finished()


def report_finished(settings: Settings, plan: Plan, folder: StudyFolder, console: Console) -> int:
    """Report a study that is finished already."""
    written = report.write(folder, spaces(plan))
    return show(plan, folder, console, written, _tracked(settings, plan, folder, written))


def _conductor(plan: Plan, ledger: Ledger, slots: int, *listeners: Listener) -> Conductor:
    propose = warm_proposer(plan.terms.seed, plan.terms.sampler, plan.prior, plan.choices())
    return conductor_of(plan, ledger, propose, slots=slots, listeners=listeners)


@contextmanager
def _tracked_to_the_end(tracker: Tracker) -> Iterator[None]:
    """End the tracker's runs where an exception ends the block, so that none stays marked as running."""
    try:
        yield
    except BaseException:
        tracker.finish(None, ())
        raise


def _tracked(settings: Settings, plan: Plan, folder: StudyFolder, written: report.WrittenReport) -> TrackingLink:
    """Bring the tracker up to a study that is finished: a kill may have come between the last epoch and this."""
    tracker = Tracker(settings.machines.tracking_uri, settings.machines.output.absolute(), plan)
    for event in Ledger(folder.ledger).events:
        tracker(event)
    return tracker.finish(written.view, written.files)
