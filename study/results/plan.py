"""What a study is, fixed before its first epoch: `plan.json`, beside the ledger."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from study.errors import UserError
from study.storage import put


@dataclass(frozen=True)
class Plan:
    """Everything a worker, a report or a later continuation of the study has to know.

    `corpus` describes it (name, digest, utterances, counts by class and by group); `folds` are as
    `study.corpus.folds.Fold`; `packs` maps each modality to its feature pack; `encoders` names them; `utterances` has
    id, label, group, speaker, script and a key of the words of every utterance. `limits` are the budgets asked for
    (wall_seconds, gpu_hours), `seconds` what they leave each variant, in worker seconds. `warm_start` is what the
    sampler was given of an earlier study; of several `frame_rates` the search chooses, and the pack of each
    but the first is under "audio@<rate>". `environment` (versions, revision) is for readers and may differ on
    continuation; `variants`, `n_configs`, `finalists`, `seeds` and `seconds` may grow. `reference_rows` names each
    variant in the published table.
    """

    name: str
    corpus: dict[str, Any]
    classes: list[str]
    folds: list[dict[str, Any]]
    packs: dict[str, str]
    encoders: dict[str, str]
    utterances: list[dict[str, str]]
    variants: list[str]
    n_configs: int
    metric: str
    epochs: int
    rungs: list[int]
    eta: int
    lookahead: int
    finalists: int
    seeds: int
    seed: int
    environment: dict[str, str]
    reference_rows: dict[str, str]
    protocol: str = "shared"
    policy: str = "asha"
    sampler: str = "tpe"
    seconds: float | None = None
    limits: dict[str, float] = field(default_factory=dict)
    warm_start: dict[str, Any] = field(default_factory=dict)
    frame_rates: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write `plan.json` into the study's folder, in one step."""
        put(folder / "plan.json", json.dumps(asdict(self), indent=1, ensure_ascii=False))

    @staticmethod
    def read(folder: Path) -> "Plan":
        """The plan of the study in `folder`.

        Raises:
            UserError: there is none, or it is not one.
        """
        path = folder / "plan.json"
        try:
            return Plan(**json.loads(path.read_text()))
        except FileNotFoundError:
            raise UserError(f"no study at {folder}: a study's folder holds a plan.json") from None
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(
                f"a study needs the plan that it was begun with, and {path} cannot be read as one ({error}); "
                "restore it from a copy, or run the study with --fresh, which forgets what it has done"
            ) from None

    def differences(self, other: "Plan") -> list[str]:
        """What a continuation would change of what must stay, as "epochs 12, now 20"."""
        mine, theirs = self._identity(), other._identity()
        shared = [key for key in mine if key in theirs]  # a modality that only one of them uses is no difference
        return [f"{key} {mine[key]}, now {theirs[key]}" for key in shared if mine[key] != theirs[key]]

    def _identity(self) -> Mapping[str, Any]:
        return {
            "corpus": f"{self.corpus['name']} ({self.corpus['digest'][:12]})",
            "labels": ",".join(self.classes),
            "folds": len(self.folds),
            **{f"{modality} encoder": spec for modality, spec in self.encoders.items()},
            "metric": self.metric,
            "protocol": self.protocol,
            "policy": self.policy,
            "sampler": self.sampler,
            "epochs": self.epochs,
            "seed": self.seed,
            "frame rates": ",".join(self.frame_rates) or "the encoder's",
        }
