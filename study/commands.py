"""The verbs of the command line, each a function from settings to an exit code."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from study import planning, screen
from study.corpus.features import prepare
from study.corpus.source import open_corpus
from study.corpus.utterance import Corpus
from study.errors import FAILED, FINISHED, INTERRUPTED, UserError
from study.preview import print_preview
from study.results import report
from study.results.ledger import Ledger
from study.results.plan import Plan
from study.results.tracking import Tracker, TrackingLink
from study.results.tracking_uri import check_uri
from study.settings import Settings
from study.storage import sweep_temporary
from study.tuning import launch, remote_driver
from study.tuning.conductor import Conductor, Listener
from study.tuning.keeper import CheckpointKeeper, sweep_checkpoints
from study.tuning.probing import expected_cost
from study.tuning.progress import ProgressView
from study.tuning.warming import remembered, warm_proposer
from study.variants import TRAINED, VARIANTS

LEDGER = "ledger.jsonl"


def run(settings: Settings, console: Console, command: str) -> int:
    """Run a study, or go on with it, and show what it found. `command` is what the user typed."""
    require_folder(settings.output)
    check_uri(settings.tracking_uri, settings.output)
    corpus = _open(settings, console)
    folder = settings.output / "studies" / (settings.name or planning.default_name(corpus, settings))
    with only_process(folder):
        if settings.fresh and not settings.dry_run:
            shutil.rmtree(folder, ignore_errors=True)
        packs = prepared_packs(corpus, settings, console)
        plan = planning.make_plan(settings, corpus, packs, folder.name)
        stored = Plan.read(folder) if (folder / "plan.json").exists() and not settings.fresh else None
        if stored is not None:
            plan = planning.continued(stored, plan)
            if _is_finished(plan, folder):
                console.print(f"study {plan.name} is finished already; --fresh starts it over", highlight=False)
                written = report.write(folder, spaces(plan))
                return show(plan, folder, console, written, _tracked(settings, plan, folder, written))
        elif settings.warm_start:
            source = settings.output / "studies" / settings.warm_start
            plan = replace(plan, warm_start=remembered(source, planning.rules))
        if settings.dry_run:
            return preview(settings, plan, console)
        console.print("starting workers ...", style="dim")
        with launch.cluster(settings.address, settings.concurrency, settings.gpus_per_run) as slots:
            if stored is None:
                plan = planning.with_slots(plan, slots.number)
                plan = planning.with_budget(plan, slots.number, slots.gpus_per_run)
            plan.write(folder)
            tracker = Tracker(settings.tracking_uri, settings.output, plan)
            with _tracked_to_the_end(tracker):
                finished = train(plan, folder, tracker, slots, console, settings.epoch_seconds)
        if not finished:
            tracker.finish(None, (), "interrupted")
            console.print(f"interrupted; nothing is lost. Go on with:\n  {command}", highlight=False, soft_wrap=True)
            return INTERRUPTED
        with _tracked_to_the_end(tracker):
            written = report.write(folder, spaces(plan))
        link = tracker.finish(written.data, written.files, "finished")
        return show(plan, folder, console, written, link)


def preview(settings: Settings, plan: Plan, console: Console) -> int:
    """Say what the study would train and cost, from an epoch of each variant; nothing is kept but the features."""
    slots = settings.concurrency or os.cpu_count() or 1
    plan = planning.with_budget(planning.with_slots(plan, slots), slots, settings.gpus_per_run or 0.0)
    costs = []
    for name in plan.variants:
        if name in TRAINED:
            console.print(f"timing {name} ...", style="dim", highlight=False)
            costs.append(expected_cost(plan, planning.rules(plan), name))
    print_preview(console, plan, costs, slots, settings.output)
    return FINISHED


def needs_a_driver_elsewhere(settings: Settings) -> bool:
    """Whether the cluster is reached by Ray Client only."""
    return remote_driver.client_address(settings.address) is not None


def run_elsewhere(settings: Settings, arguments: Sequence[str], console: Console, command: str) -> int:
    """Run the command that was typed, `arguments`, on the head of a cluster, with the files that are meant here."""
    address = remote_driver.client_address(settings.address)
    assert address is not None
    paths = {"--output": settings.output, "--corpus": settings.corpus, "--label-map": settings.label_map}
    # Of an option that is given twice, the second counts.
    absolute = [text for option, path in paths.items() if path for text in (option, str(Path(path).absolute()))]
    code = remote_driver.run_on_head(address, [*arguments, *absolute], sys.stdout.write)
    if code == INTERRUPTED:
        console.print(f"that is on the head of the cluster; from here:\n  {command}", highlight=False, soft_wrap=True)
    return code


def extract(settings: Settings, console: Console) -> int:
    """Extract the features that a study with these settings would use, and say where they are."""
    require_folder(settings.output)
    corpus = _open(settings, console)
    for modality, path in prepared_packs(corpus, settings, console).items():
        console.print(f"{modality}: {path} ({path.stat().st_size / 1e6:.1f} MB)", soft_wrap=True, highlight=False)
    return FINISHED


def prepared_packs(corpus: Corpus, settings: Settings, console: Console) -> dict[str, Path]:
    """The feature packs of every modality that the variants need, extracted where they are not there yet."""
    modalities = sorted({name for variant in settings.variants for name in VARIANTS[variant].modalities})
    if "text" in modalities and not any(utterance.words for utterance in corpus.utterances):
        raise UserError(
            f"variant {', '.join(settings.variants)} reads words, and no utterance of {corpus.name} has any; "
            "add a `text` column to the manifest"
        )
    if "audio" in modalities and not all(utterance.audio.is_file() for utterance in corpus.utterances):
        raise UserError(
            f"variant {', '.join(settings.variants)} hears, and not every utterance of {corpus.name} has an audio "
            "file; add a `file_name` column to the manifest"
        )
    packs = {}
    for name, spec in settings.encoders().items():
        modality, _, _ = name.partition("@")
        if modality not in modalities:
            continue
        with screen.extraction_progress(console, modality, spec) as on_progress:
            packs[name] = prepare(
                corpus,
                modality,
                spec,
                settings.audio_layer if modality == "audio" else "last",
                settings.output / "features",
                on_progress=on_progress,
                trust_remote_code=settings.trust_remote_code,
            )
    return packs


def train(
    plan: Plan, folder: Path, tracker: Tracker, slots: launch.Slots, console: Console, epoch_seconds: float
) -> bool:
    """Run what is left of the study; False if it was interrupted."""
    _sweep(folder)
    view, keeper = ProgressView(console, plan.name, plan.metric), CheckpointKeeper(folder)
    ledger = Ledger(folder / LEDGER)
    if ledger.records:
        console.print(f"continuing study {plan.name}", highlight=False)
    conductor = _conductor(plan, ledger, slots.number, tracker, keeper, view)
    keeper.follow(conductor)
    view.follow(conductor)
    with view:
        launch.run(conductor, folder, slots, epoch_seconds)
    _sweep(folder)
    sweep_checkpoints(folder, conductor)
    return conductor.finished()


def _sweep(folder: Path) -> None:
    for place in (folder, folder / "checkpoints", folder / "predictions"):
        sweep_temporary(place)


def spaces(plan: Plan) -> dict[str, Callable[[Any], object]]:
    """What draws a configuration, by variant."""
    return {name: VARIANTS[name].at(plan.frame_rates).suggest for name in TRAINED}


def show(plan: Plan, folder: Path, console: Console, written: report.Report, link: TrackingLink | None) -> int:
    """Print the report; the exit code is FAILED if a variant has no complete configuration."""
    screen.print_report(console, written.data, folder, link)
    return FINISHED if all(written.data["variants"][name]["test"] for name in plan.variants) else FAILED


def require_folder(output: Path) -> None:
    """Make sure that there is a folder to write into.

    Raises:
        UserError: there is none and none can be made, or it cannot be written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise UserError(f"--output expects a folder that can be written; {output} is none ({error.strerror})") from None


@contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Hold the study in `folder` for this process alone.

    Raises:
        UserError: another process holds it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"one process at a time runs a study, and another one is running {folder.name} in {folder.parent}; "
            "wait for it, or choose another --name"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _open(settings: Settings, console: Console) -> Corpus:
    corpus = open_corpus(settings.corpus, settings.labels, settings.label_map, settings.allow_outside_files)
    screen.print_corpus(console, corpus)
    return corpus


def _conductor(plan: Plan, ledger: Ledger, slots: int, *listeners: Listener) -> Conductor:
    return Conductor(
        [name for name in plan.variants if name in TRAINED],
        planning.rules(plan),
        ledger,
        policy=plan.policy,
        protocol=plan.protocol,
        propose=warm_proposer(plan.seed, plan.sampler, plan.warm_start, plan.frame_rates),
        metric=plan.metric,
        seed=plan.seed,
        slots=slots,
        listeners=listeners,
    )


def _is_finished(plan: Plan, folder: Path) -> bool:
    return _conductor(plan, Ledger(folder / LEDGER), slots=1).finished()


@contextmanager
def _tracked_to_the_end(tracker: Tracker) -> Iterator[None]:
    """Leave no run behind that is said to be running, whatever ends the block."""
    try:
        yield
    except BaseException:
        tracker.finish(None, (), "interrupted")
        raise


def _tracked(settings: Settings, plan: Plan, folder: Path, written: report.Report) -> TrackingLink:
    """Bring the tracker up to a study that is finished: a kill may have come between the last epoch and this."""
    tracker = Tracker(settings.tracking_uri, settings.output, plan)
    for record in Ledger(folder / LEDGER).records:
        tracker(record)
    return tracker.finish(written.data, written.files, "finished")
