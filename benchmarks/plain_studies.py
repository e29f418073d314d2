"""The same study as plain Ray Tune and plain Optuna do it, written as their own manuals show."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks import synthetic
from benchmarks.naive import NaiveRun, PaddedFusion
from benchmarks.studies import METRIC, MODEL, SEED, SESSIONS, VARIANT, Setting
from study.execution.fold_runner import parts_of_fold
from study.features.pack import Pack
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.training.batches import FoldData, fold_data
from study.training.loop import begin, train_fold
from study.variants import VARIANTS

# On the wall, and of CPU time.
Seconds = tuple[float, float]


def fold(folder: Path, number: int) -> FoldData:
    """The data of a fold."""
    plan = Plan.read(StudyFolder(folder / "ours"))
    packs = {name: Pack.open(Path(plan.pack(name))) for name in plan.features}
    return fold_data(packs, parts_of_fold(plan, number), synthetic.N_CLASSES)


def padded_epochs(folder: Path, number: int, fold_number: int) -> Iterator[Seconds]:
    """Wall and CPU seconds of every epoch of a fold run over padded batches from a file per utterance."""
    setting, data = Setting.read(folder), fold(folder, fold_number)
    model = PaddedFusion(MODEL, data.dims, data.n_classes, cross=False, fused=False)
    run = NaiveRun(model, folder, data, setting.recipe(number), SEED, setting.epochs)
    for _ in range(setting.epochs):
        begun, cpu = time.perf_counter(), time.thread_time()
        run.epoch()
        yield time.perf_counter() - begun, time.thread_time() - cpu


def packed_epochs(folder: Path, number: int, fold_number: int) -> Iterator[Seconds]:
    """The same with our data and our loop: what is left of a difference is scheduling."""
    setting, data = Setting.read(folder), fold(folder, fold_number)
    training = begin(VARIANTS[VARIANT].model, MODEL, setting.recipe(number), data, SEED)
    cpu = time.thread_time()
    for epoch in train_fold(training, data, setting.recipe(number), epochs=setting.epochs, metric=METRIC, seed=SEED):
        yield epoch.seconds, time.thread_time() - cpu
        cpu = time.thread_time()


LOOPS: dict[str, Callable[[Path, int, int], Iterator[Seconds]]] = {"padded": padded_epochs, "packed": packed_epochs}


def ray_tune(folder: Path, loop: str) -> dict[str, Any]:
    """A function trainable, one trial per configuration and fold, two at a time, each in a fresh actor."""
    import ray
    from ray import tune

    setting = Setting.read(folder)

    def fold_run(config: dict[str, Any]) -> None:
        torch.set_num_threads(1)
        total = cpu = 0.0
        for wall, used in LOOPS[loop](folder, config["number"], config["fold"]):
            total, cpu = total + wall, cpu + used
            tune.report({"total": total, "cpu": cpu})

    ray.init(address="local", num_cpus=setting.workers, include_dashboard=False, log_to_driver=False)
    tuner = tune.Tuner(
        tune.with_resources(fold_run, {"cpu": 1}),
        param_space={
            "number": tune.grid_search(list(range(setting.n_configs))),
            "fold": tune.grid_search(list(range(SESSIONS))),
        },
        run_config=tune.RunConfig(name="plain", storage_path=str(folder / "ray"), verbose=0),
    )
    results = [result.metrics for result in tuner.fit()]
    ray.shutdown()
    return {
        "training_seconds": sum(each["total"] for each in results),
        "training_cpu_seconds": sum(each["cpu"] for each in results),
        "runs": len(results),
    }


def optuna_processes(folder: Path, loop: str) -> dict[str, Any]:
    """`study.optimize` in several processes over one database; an objective is a whole cross-validation."""
    import optuna

    setting, url = Setting.read(folder), f"sqlite:///{folder / f'optuna-{loop}.db'}"
    optuna.create_study(storage=url, study_name="plain")
    context = multiprocessing.get_context("spawn")
    share = setting.n_configs // setting.workers
    processes = [context.Process(target=optimize, args=(folder, loop, url, share)) for _ in range(setting.workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    trials = optuna.load_study(storage=url, study_name="plain").trials
    return {
        "training_seconds": sum(trial.user_attrs["total"] for trial in trials),
        "training_cpu_seconds": sum(trial.user_attrs["cpu"] for trial in trials),
        "runs": SESSIONS * len(trials),
    }


def optimize(folder: Path, loop: str, url: str, n_trials: int) -> None:
    """The part of one process."""
    import optuna

    torch.set_num_threads(1)

    def objective(trial: Any) -> float:
        number = trial.suggest_int("number", 0, 7)
        epochs = [seconds for each in range(SESSIONS) for seconds in LOOPS[loop](folder, number, each)]
        trial.set_user_attr("total", sum(wall for wall, _ in epochs))
        trial.set_user_attr("cpu", sum(cpu for _, cpu in epochs))
        return float(number)

    optuna.load_study(storage=url, study_name="plain").optimize(objective, n_trials=n_trials)
