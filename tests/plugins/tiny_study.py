"""Tiny studies on disk with real feature packs, and the jobs of their fold runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from study.corpus.folds import group_pairs, leave_one_group_out
from study.execution.fold_runner import FoldRunner
from study.execution.job import Job
from study.execution.jobs import jobs_of
from study.features.pack import write_pack
from study.features.spec import EncoderSpec, FeatureChoice
from study.record.begun import take_up
from study.record.events import FoldRun
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.record.plan import Plan
from study.record.terms import Terms
from study.samplers.proposer import published_params
from study.samplers.space import spaces_of
from study.search.conductor import Assignment
from study.search.observation import Observation, Params, Proposer
from study.search.state import Continue
from study.searches import conductor_of
from study.variants import VARIANTS

N_UTTERANCES, EPOCHS = 36, 4
CLASSES = ["calm", "tense"]
DIMS = {"audio": 6, "text": 5}


@dataclass(frozen=True)
class TinyStudy:
    """A study's folder with its plan, and the jobs of its runs."""

    folder: StudyFolder
    plan: Plan

    def job(self, run: FoldRun | None = None, epochs_known: int = 0, **params: Any) -> Job:
        """The job of a run at the published setting, but for `params`."""
        run = run or FoldRun("text", 3, 1)
        chosen = {**published_params(VARIANTS[run.variant]), **params}
        return jobs_of(self.plan)(Assignment(run, chosen, epochs_known, self.plan.terms.epochs))


def plan_of(folder: Path, **terms: Any) -> Plan:
    """The plan of a study of 36 utterances in three groups, over packs in `folder`."""
    labels = [CLASSES[number % 2] for number in range(N_UTTERANCES)]
    groups = [f"g{number // 2 % 3}" for number in range(N_UTTERANCES)]
    ids = [f"u{number:02d}" for number in range(N_UTTERANCES)]
    generator = torch.Generator().manual_seed(0)
    for modality, dim in DIMS.items():
        frames = [
            (torch.randn(2 + number % 3, dim, generator=generator) + number % 2).half()
            for number in range(N_UTTERANCES)
        ]
        write_pack(folder / f"{modality}.safetensors", ids, frames, None, {})
    sizes = {group: groups.count(group) for group in sorted(set(groups))}
    terms = {"n_configs": 4, "epochs": EPOCHS, "seed": 1, **terms}
    divide = group_pairs if terms.get("protocol") == "nested" else leave_one_group_out
    return Plan(
        name="tiny",
        corpus={
            "name": "tiny",
            "digest": "0" * 64,
            "utterances": N_UTTERANCES,
            "classes": {name: labels.count(name) for name in CLASSES},
            "groups": sizes,
        },
        classes=CLASSES,
        folds=[asdict(fold) for fold in divide(sizes)],
        features={
            modality: [FeatureChoice(EncoderSpec(modality), str(folder / f"{modality}.safetensors"))]
            for modality in DIMS
        },
        utterances=[
            {
                "id": id,
                "label": label,
                "group": group,
                "speaker": f"{group}{number % 4 // 2}",
                "script": "",
                "words": "",
            }
            for number, (id, label, group) in enumerate(zip(ids, labels, groups, strict=True))
        ],
        variants=["text"],
        terms=Terms(**terms),
        environment={},
    )


def write_study(output: Path, name: str = "tiny", **terms: Any) -> TinyStudy:
    """A new study in `output`, with its packs beside it."""
    folder = StudyFolder.of(output, name)
    folder.path.mkdir(parents=True)
    plan_of(output, **terms).write(folder)
    return TinyStudy(folder, Plan.read(folder))


def published(variant: str, known: Sequence[Observation]) -> Params:
    """Proposes the published setting, whatever is known."""
    return published_params(VARIANTS[variant])


def run_study(study: TinyStudy, propose: Proposer = published, n_epochs: int | None = None) -> None:
    """Bring a study to its end in this process, as one worker would: ledger, checkpoints and predictions.

    It is interrupted after `n_epochs` epochs, if they are given.
    """
    ledger = Ledger(study.folder.ledger)
    take_up(ledger, study.plan, spaces_of(study.plan))
    conductor = conductor_of(study.plan, ledger, propose, slots=1)
    job_of, trained = jobs_of(study.plan), 0
    while (run := conductor.next_run()) is not None:
        runner = FoldRunner(study.folder, job_of(conductor.assign(run)), torch.device("cpu"), fetch=False)
        going_on = True
        while going_on:
            if trained == n_epochs:
                return
            trained += 1
            epoch = runner.next_epoch().event(run)
            going_on = isinstance(conductor.report(epoch), Continue)
