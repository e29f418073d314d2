"""One study of fold runs, done in three ways: by us, by plain Ray Tune, by plain Optuna in several processes.

Each way runs in a process of its own, `python -m benchmarks.studies FOLDER WAY`, and leaves its figures in
`FOLDER/WAY.json`. All train the same model with the same learning rates for the same epochs on the same folds.
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import synthetic
from benchmarks.naive import NaiveRun, PaddedFusion
from models.fusion import FusionConfig
from search_spaces.recipe import Recipe
from study.corpus.batches import FoldData, fold_data
from study.corpus.folds import leave_one_group_out
from study.corpus.pack import Pack
from study.results.plan import Plan
from study.training.loop import begin, train_fold
from study.tuning.trial import parts_of_fold
from study.variants import VARIANTS

VARIANT = "self"
MODEL = FusionConfig(n_heads=4, width_per_head=24, context="linear")
SESSIONS = 5
SEED = 1
METRIC = "UWA"
# On the wall, and of CPU time.
Seconds = tuple[float, float]


@dataclass(frozen=True)
class Setting:
    """The study: configurations differ in their learning rate only, so all of them cost the same."""

    n_configs: int
    epochs: int
    workers: int
    n_utterances: int

    def recipe(self, number: int) -> Recipe:
        """The recipe of configuration `number`; nobody stops before the last epoch."""
        return Recipe(learning_rate=1e-3 / (1 + number), patience=max(10, self.epochs))

    @staticmethod
    def read(folder: Path) -> "Setting":
        """The setting that `prepare` left in `folder`."""
        return Setting(**json.loads((folder / "setting.json").read_text()))


def prepare(folder: Path, setting: Setting) -> None:
    """Write features (a pack, and a file per utterance), the plan of folds, and the setting itself."""
    features = synthetic.make(folder, setting.n_utterances)
    synthetic.write_arrays(features, setting.n_utterances, folder)
    plan_of(features, folder, setting).write(folder / "ours")
    (folder / "setting.json").write_text(json.dumps(asdict(setting)))


def plan_of(features: synthetic.Features, folder: Path, setting: Setting) -> Plan:
    """A plan of a corpus of five sessions, with every configuration at full length."""
    utterances = [
        {"id": id, "label": f"class {label}", "group": f"session {number % SESSIONS}", "speaker": "", "script": ""}
        for number, (id, label) in enumerate(zip(features.ids, features.labels, strict=True))
    ]
    sizes = {each["group"]: 1 for each in utterances}
    return Plan(
        name="scheduling",
        corpus={"name": "synthetic", "digest": "", "groups": sizes},
        classes=[f"class {number}" for number in range(synthetic.N_CLASSES)],
        folds=[asdict(fold) for fold in leave_one_group_out(sizes)],
        packs={name: str(folder / f"{name}.safetensors") for name in features.packs},
        encoders={},
        utterances=utterances,
        variants=[VARIANT],
        n_configs=setting.n_configs,
        metric=METRIC,
        epochs=setting.epochs,
        rungs=[],
        eta=3,
        lookahead=setting.n_configs,
        finalists=0,
        seeds=0,
        seed=SEED,
        environment={},
        reference_rows={},
        policy="full",
    )


# Our study


def ours(folder: Path) -> dict[str, Any]:
    """By the project's own conductor on its own Ray workers, ledger, checkpoints and predictions included."""
    from benchmarks.machine import private_megabytes
    from study.planning import rules
    from study.results.ledger import Ledger
    from study.tuning import launch
    from study.tuning.conductor import Conductor
    from study.tuning.keeper import CheckpointKeeper

    setting, study = Setting.read(folder), folder / "ours"
    plan, ledger = Plan.read(study), Ledger(study / "ledger.jsonl")
    memory: list[float] = []
    arrivals: list[float] = []
    middle = setting.n_configs * SESSIONS * setting.epochs // 2

    def watch(record: Mapping[str, Any]) -> None:
        if record["kind"] == "epoch":
            arrivals.append(time.time())
            if len(arrivals) == middle:
                memory.extend(private_megabytes("ray::FoldTrial"))

    def propose(variant: str, tried: Sequence[Any]) -> dict[str, Any]:
        return {**asdict(MODEL), **asdict(setting.recipe(len(tried)))}

    begun = time.time()
    with launch.cluster(None, setting.workers, 0.0) as slots:
        connected, cpu = time.time(), time.process_time()
        keeper = CheckpointKeeper(study)
        conductor = Conductor(
            [VARIANT], rules(plan), ledger, policy="full", propose=propose, metric=METRIC, seed=SEED,
            slots=slots.number, listeners=[keeper, watch],
        )  # fmt: skip
        keeper.follow(conductor)
        launch.run(conductor, study, slots)
        driver = time.process_time() - cpu
    epochs = [record for record in ledger.records if record["kind"] == "epoch"]
    return {
        "training_seconds": sum(record["seconds"] for record in epochs),
        "runs": sum(record["ended"] for record in epochs),
        "connect_seconds": connected - begun,
        "first_epoch_after": arrivals[0] - connected,
        "between_epochs_seconds": arrivals[-1] - arrivals[0],
        "driver_cpu_seconds": driver,
        "worker_private_mb": memory,
        "pack_mb": sum(Path(path).stat().st_size for path in plan.packs.values()) / 1e6,
    }


# The others, as their own manuals show it


def fold(folder: Path, number: int) -> FoldData:
    """The data of a fold."""
    plan = json.loads((folder / "ours" / "plan.json").read_text())
    packs = {name: Pack.open(Path(path)) for name, path in plan["packs"].items()}
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


WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "ours": ours,
    "ray-padded": lambda folder: ray_tune(folder, "padded"),
    "ray-packed": lambda folder: ray_tune(folder, "packed"),
    "optuna-padded": lambda folder: optuna_processes(folder, "padded"),
    "optuna-packed": lambda folder: optuna_processes(folder, "packed"),
}

if __name__ == "__main__":
    place, way = Path(sys.argv[1]), sys.argv[2]
    (place / f"{way}.json").write_text(json.dumps(WAYS[way](place)))
