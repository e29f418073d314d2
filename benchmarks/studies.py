"""The study that `benchmarks.scheduling` times.

All ways train the same model with the same learning rates for the same epochs on the same folds.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import synthetic
from models.fusion import FusionConfig
from search_spaces.recipe import Recipe
from study.corpus.folds import leave_one_group_out
from study.features.spec import EncoderSpec, FeatureChoice
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
