"""What the user asked for, checked: every rule about options is in this file."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from study.corpus.encoders import (
    DEFAULT_AUDIO_ENCODER,
    DEFAULT_TEXT_ENCODER,
    WEIGHTLESS_AUDIO_ENCODER,
    WEIGHTLESS_TEXT_ENCODER,
)
from study.errors import UserError
from study.training.metrics import METRICS
from study.tuning.racing import geometric_rungs
from study.variants import VARIANTS

# The demo corpus is small: this finishes on two cores in a few minutes. Real corpora get a real budget.
DEMO = {"configs": 16, "epochs": 12, "finalists": 1, "seeds": 1}
# Many variants on the demo: half the configurations each, so that all ten take about as long as a coffee.
DEMO_OF_MANY = {**DEMO, "configs": 8}
MANY = 3
STUDY = {"configs": 40, "epochs": 50, "finalists": 3, "seeds": 3}
MAX_EPOCHS = 50


@dataclass(frozen=True)
class Settings:
    """The options of a run; see `ser-study run --help` for what they mean."""

    variants: tuple[str, ...]
    corpus: str | None
    labels: str | None
    label_map: Path | None
    configs: int
    epochs: int
    finalists: int
    seeds: int
    metric: str
    audio_encoder: str
    text_encoder: str
    audio_layer: str
    name: str | None
    output: Path
    seed: int
    concurrency: int | None
    gpus_per_run: float | None
    address: str | None
    tracking_uri: str | None
    fresh: bool
    allow_outside_files: bool
    trust_remote_code: bool

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which configurations are compared."""
        return geometric_rungs(self.epochs)


def from_arguments(arguments: argparse.Namespace) -> Settings:
    """The settings that parsed arguments stand for.

    Raises:
        UserError: a value is out of its range; the line says which, what was found and what is allowed.
    """
    given = vars(arguments)
    demo = given["corpus"] is None
    variants = _variants(given["variant"])
    usual = (DEMO_OF_MANY if len(variants) >= MANY else DEMO) if demo else STUDY
    budget = {name: usual[name] if given[name] is None else given[name] for name in usual}
    _require("--configs", budget["configs"], "at least 1", budget["configs"] >= 1)
    _require("--epochs", budget["epochs"], f"1 to {MAX_EPOCHS}", 1 <= budget["epochs"] <= MAX_EPOCHS)
    _require("--finalists", budget["finalists"], "at least 1", budget["finalists"] >= 1)
    _require("--seeds", budget["seeds"], "0 (no confirmation) or more", budget["seeds"] >= 0)
    concurrency, share = given["concurrency"], given["gpus_per_run"]
    _require("--concurrency", concurrency, "at least 1", concurrency is None or concurrency >= 1)
    _require(
        "--gpus-per-run",
        share,
        "0, a fraction of one, or a whole number",
        share is None or 0 <= share <= 1 or (share > 1 and share.is_integer()),
    )
    _require("--seed", given["seed"], "0 or more", given["seed"] >= 0)
    return Settings(
        variants=variants,
        corpus=given["corpus"],
        labels=given["labels"],
        label_map=given["label_map"],
        **budget,
        metric=_metric(given["metric"]),
        audio_encoder=given["audio_encoder"] or (WEIGHTLESS_AUDIO_ENCODER if demo else DEFAULT_AUDIO_ENCODER),
        text_encoder=given["text_encoder"] or (WEIGHTLESS_TEXT_ENCODER if demo else DEFAULT_TEXT_ENCODER),
        audio_layer=given["audio_layer"],
        name=_name(given["name"]),
        output=given["output"].absolute(),
        seed=given["seed"],
        concurrency=concurrency,
        gpus_per_run=share,
        address=given["address"],
        tracking_uri=given["tracking_uri"],
        fresh=given["fresh"],
        allow_outside_files=given["allow_outside_files"],
        trust_remote_code=given["trust_remote_code"],
    )


def _variants(text: str) -> tuple[str, ...]:
    if text.strip() == "all":
        return tuple(VARIANTS)
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in VARIANTS]
    if unknown or not names:
        found = ", ".join(unknown) or repr(text)
        raise UserError(f"--variant expects all, or names from {_listed(VARIANTS)} with commas; found {found}")
    return names


def _metric(text: str) -> str:
    if text.upper() not in METRICS:
        raise UserError(f"--metric expects one of {_listed([name.lower() for name in METRICS])}; found {text!r}")
    return text.upper()


def _name(text: str | None) -> str | None:
    if text is not None and (not text or text.startswith(".") or not all(c.isalnum() or c in "-_." for c in text)):
        raise UserError(f"--name expects letters, digits, '-', '_' and '.', not starting with '.'; found {text!r}")
    return text


def _require(option: str, value: object, law: str, holds: bool) -> None:
    if not holds:
        raise UserError(f"{option} expects {law}; found {value}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
