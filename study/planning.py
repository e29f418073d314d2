"""From settings and a corpus to the plan of a study, new or continued."""

import hashlib
import importlib.metadata
import math
import platform
import re
import subprocess
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

from study.corpus.folds import group_pairs, leave_one_group_out
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.results.plan import Plan
from study.settings import Settings
from study.tuning.entries import Rules
from study.variants import TRAINED, VARIANTS

PACKAGES = ("ser-study", "torch", "torchaudio", "ray", "optuna", "mlflow", "transformers", "scikit-learn", "numpy")

DIVISIONS = {"shared": leave_one_group_out, "nested": group_pairs}


def default_name(corpus: Corpus, settings: Settings) -> str:
    """The study's name where none is given: the same command finds the same study again."""
    labels = f"-{settings.labels}" if settings.labels else ""
    variants = "all" if settings.variants == tuple(VARIANTS) else "-".join(settings.variants)
    nested = "-nested" if settings.protocol == "nested" else ""
    return f"{corpus.name}{labels}-{variants}{nested}"


def make_plan(settings: Settings, corpus: Corpus, packs: dict[str, Path], name: str) -> Plan:
    """The plan that `settings` ask for; its `lookahead` is set once the number of slots is known.

    Raises:
        UserError: the corpus has too few groups for cross-validation.
    """
    sizes = Counter(utterance.group for utterance in corpus.utterances)
    layer = f" (layer {settings.audio_layer})" if settings.audio_layer != "last" else ""
    specs = {name: spec if name == "text" else spec + layer for name, spec in settings.encoders().items()}
    return Plan(
        name=name,
        corpus={
            "name": corpus.name,
            "digest": corpus.digest(),
            "utterances": len(corpus.utterances),
            "speakers": len({utterance.speaker for utterance in corpus.utterances}),
            "classes": corpus.counts(),
            "groups": {group: sizes[group] for group in corpus.groups()},
            "notes": list(corpus.notes),
        },
        classes=list(corpus.classes),
        folds=[asdict(fold) for fold in DIVISIONS[settings.protocol](sizes)],
        packs={modality: str(path) for modality, path in packs.items()},
        encoders={modality: specs[modality] for modality in packs},
        utterances=[
            {
                "id": u.id,
                "label": u.label,
                "group": u.group,
                "speaker": u.speaker,
                "script": u.script,
                "words": words_key(u.words),
            }
            for u in corpus.utterances
        ],
        variants=list(settings.variants),
        n_configs=settings.configs,
        metric=settings.metric,
        epochs=settings.epochs,
        rungs=list(settings.rungs),
        eta=3,
        lookahead=0,
        finalists=settings.finalists,
        seeds=settings.seeds,
        seed=settings.seed,
        limits={
            name: value
            for name, value in (("wall_seconds", settings.budget_seconds), ("gpu_hours", settings.gpu_hours))
            if value is not None
        },
        protocol=settings.protocol,
        policy=settings.policy,
        sampler=settings.sampler,
        frame_rates=list(settings.frame_rates) if len(settings.frame_rates) > 1 else [],
        environment=environment(),
        reference_rows={name: variant.reference_row for name, variant in VARIANTS.items()},
    )


def words_key(words: str) -> str:
    """The same short key for the same words, whatever their case and punctuation; "" without words.

    A study's folder holds keys instead of words: a licensed corpus's transcripts stay where they are.
    """
    plain = " ".join(re.findall(r"\w+", words.lower()))
    return hashlib.sha256(plain.encode()).hexdigest()[:12] if plain else ""


def continued(stored: Plan, asked: Plan) -> Plan:
    """The plan of a study that goes on: more variants, configurations, finalists or seeds may be asked for.

    Raises:
        UserError: something else changed; the line says what, from what and to what.
    """
    if changes := stored.differences(asked):
        raise UserError(
            f"a study keeps its terms, and {stored.name} was begun with {'; '.join(changes)}; "
            "give this one another --name, or start over with --fresh"
        )
    return replace(
        asked,
        variants=list(dict.fromkeys([*stored.variants, *asked.variants])),
        n_configs=max(stored.n_configs, asked.n_configs),
        finalists=max(stored.finalists, asked.finalists),
        seeds=max(stored.seeds, asked.seeds),
        warm_start=stored.warm_start,
        seconds=stored.seconds and stored.seconds * _growth(stored, asked),
        packs={**stored.packs, **asked.packs},
        encoders={**stored.encoders, **asked.encoders},
        lookahead=stored.lookahead,
    )


def with_slots(plan: Plan, slots: int) -> Plan:
    """The plan with as many configurations open at once as keep `slots` busy.

    Three more than fill the slots: while the last folds of one run to their end, others have rungs to reach.
    """
    return replace(plan, lookahead=math.ceil(slots / len(plan.folds)) + 3)


def with_budget(plan: Plan, slots: int, gpus_per_run: float) -> Plan:
    """The plan with its limits turned into worker seconds, in equal parts for the variants that are trained.

    Raises:
        UserError: a budget of GPU hours where no run has a GPU.
    """
    seconds = []
    if "wall_seconds" in plan.limits:
        seconds.append(plan.limits["wall_seconds"] * slots)
    if "gpu_hours" in plan.limits:
        if not gpus_per_run:
            raise UserError("--gpu-hours expects runs on GPUs, and Ray sees none; --budget limits the wall clock")
        seconds.append(plan.limits["gpu_hours"] * 3600 / gpus_per_run)
    trained = sum(name in TRAINED for name in plan.variants)
    return replace(plan, seconds=min(seconds) / max(1, trained)) if seconds else plan


def _growth(stored: Plan, asked: Plan) -> float:
    """By how much the limits were raised; a lower one than before changes nothing."""
    grown = [asked.limits[name] / stored.limits[name] for name in stored.limits if name in asked.limits]
    return max(1.0, min(grown)) if grown else 1.0


def rules(plan: Plan) -> Rules:
    """The terms of each variant's race."""
    return Rules(
        n_configs=plan.n_configs,
        n_folds=len(plan.folds),
        epochs=plan.epochs,
        rungs=tuple(plan.rungs),
        eta=plan.eta,
        lookahead=plan.lookahead,
        finalists=plan.finalists,
        seeds=plan.seeds,
        seconds=plan.seconds,
    )


def environment() -> dict[str, str]:
    """Versions that figures may depend on, and the revision of the project where it is known."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    try:
        found["revision"] = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found["revision"] = "unknown"
    return found
