"""The study that `benchmarks.scheduling` times, and our way of doing it.

All ways train the same model with the same learning rates for the same epochs on the same folds.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import synthetic
from models.fusion import FusionConfig
from search_spaces.recipe import Recipe
from study.corpus.folds import leave_one_group_out
from study.features.spec import EncoderSpec, FeatureChoice
from study.record.events import EpochDone, Event
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.record.terms import Terms

VARIANT = "self"
MODEL = FusionConfig(n_heads=4, width_per_head=24, context="linear")
SESSIONS = 5
SEED = 1
METRIC = "UWA"


@dataclass(frozen=True)
class Setting:
    """The study: configurations differ in their learning rate only, so all of them cost the same."""

    n_configs: int
    epochs: int
    workers: int
    n_utterances: int

    def recipe(self, number: int) -> Recipe:
        """The recipe of configuration `number`; no run stops before the last epoch."""
        return Recipe(learning_rate=1e-3 / (1 + number), patience=max(10, self.epochs))

    @staticmethod
    def read(folder: Path) -> "Setting":
        """The setting that `prepare` left in `folder`."""
        return Setting(**json.loads((folder / "setting.json").read_text()))


def prepare(folder: Path, setting: Setting) -> None:
    """Write features (a pack, and a file per utterance), the plan of folds, and the setting itself."""
    features = synthetic.make(folder, setting.n_utterances)
    synthetic.write_arrays(features, setting.n_utterances, folder)
    plan_of(features, folder, setting).write(StudyFolder(folder / "ours"))
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
        features={
            name: [FeatureChoice(EncoderSpec("random"), str(folder / f"{name}.safetensors"))] for name in features.packs
        },
        utterances=utterances,
        variants=[VARIANT],
        terms=Terms(n_configs=setting.n_configs, epochs=setting.epochs, policy="full", metric=METRIC, seed=SEED),
        environment={},
        lookahead=setting.n_configs,
    )


def ours(folder: Path) -> dict[str, Any]:
    """By the project's own conductor on its own Ray workers, ledger, checkpoints and predictions included."""
    from benchmarks.machine import private_megabytes
    from study.execution import connection, tuner
    from study.execution.checkpoint_cleanup import CheckpointCleanup
    from study.execution.jobs import jobs_of
    from study.record.ledger import Ledger
    from study.searches import conductor_of

    setting, study = Setting.read(folder), StudyFolder(folder / "ours")
    plan, ledger = Plan.read(study), Ledger(study.ledger)
    memory: list[float] = []
    arrivals: list[float] = []
    middle = setting.n_configs * SESSIONS * setting.epochs // 2

    def watch(event: Event) -> None:
        if isinstance(event, EpochDone):
            arrivals.append(time.time())
            if len(arrivals) == middle:
                memory.extend(private_megabytes("ray::FoldTrainable"))

    def propose(variant: str, tried: Sequence[Any]) -> dict[str, Any]:
        return {**asdict(MODEL), **asdict(setting.recipe(len(tried)))}

    begun = time.time()
    with connection.cluster(None, setting.workers, 0.0) as slots:
        connected, cpu = time.time(), time.process_time()
        cleanup = CheckpointCleanup(study)
        conductor = conductor_of(plan, ledger, propose, slots=slots.number, listeners=[cleanup, watch])
        cleanup.follow(conductor)
        tuner.run(conductor, jobs_of(plan), study, slots)
        driver = time.process_time() - cpu
    epochs = [event for event in ledger.events if isinstance(event, EpochDone)]
    return {
        "training_seconds": sum(epoch.seconds for epoch in epochs),
        "runs": sum(epoch.ended for epoch in epochs),
        "connect_seconds": connected - begun,
        "first_epoch_after": arrivals[0] - connected,
        "between_epochs_seconds": arrivals[-1] - arrivals[0],
        "driver_cpu_seconds": driver,
        "worker_private_mb": memory,
        "pack_mb": sum(Path(plan.pack(name)).stat().st_size for name in plan.features) / 1e6,
    }
