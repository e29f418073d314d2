"""What the user asked for, checked: every rule about options is in this file."""

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.corpus.encoders import (
    DEFAULT_AUDIO_ENCODER,
    DEFAULT_TEXT_ENCODER,
    WEIGHTLESS_AUDIO_ENCODER,
    WEIGHTLESS_TEXT_ENCODER,
)
from study.corpus.frame_rate import FRAME_RATES, with_rate
from study.corpus.precision import ENCODER_DTYPES, with_dtype
from study.errors import UserError
from study.training.metrics import METRICS
from study.tuning.entries import geometric_rungs
from study.tuning.policies import POLICIES
from study.tuning.watchdog import EPOCH_SECONDS
from study.variants import VARIANTS

# The demo corpus is small: this finishes on two cores in a few minutes. Real corpora get a real budget.
DEMO = {"configs": 16, "epochs": 12, "finalists": 1, "seeds": 1}
# Many variants on the demo: half the configurations each, so that all ten take about as long as a coffee.
DEMO_OF_MANY = {**DEMO, "configs": 8}
MANY = 3
STUDY = {"configs": 40, "epochs": 50, "finalists": 3, "seeds": 3}
MAX_EPOCHS = 50
PROTOCOLS = ("shared", "nested")
UNLIMITED = 1000  # configurations, where time is the limit
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SAMPLERS = ("gp", "tpe", "random", "qmc")

__all__ = ["ENCODER_DTYPES", "POLICIES", "PROTOCOLS", "SAMPLERS", "Settings", "from_arguments"]


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
    protocol: str
    policy: str
    sampler: str
    concurrency: int | None
    gpus_per_run: float | None
    address: str | None
    tracking_uri: str | None
    fresh: bool
    budget_seconds: float | None
    gpu_hours: float | None
    epoch_seconds: float
    dry_run: bool
    warm_start: str | None
    allow_outside_files: bool
    trust_remote_code: bool
    frame_rates: tuple[str, ...]

    def encoders(self) -> dict[str, str]:
        """The name of the encoder behind each feature pack: "audio", "text", and "audio@25" for a further rate."""
        first, *further = self.frame_rates or (None,)
        packs = {"audio": with_rate(self.audio_encoder, first), "text": self.text_encoder}
        return packs | {f"audio@{rate}": with_rate(self.audio_encoder, rate) for rate in further}

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
    budget_seconds = _duration("--budget", given["budget"])
    if budget_seconds is not None or given["gpu_hours"] is not None:
        usual = {**usual, "configs": UNLIMITED}
    if given["protocol"] == "nested":
        _require_nested(given)
        usual = {**usual, "seeds": 0}
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
    _require("--gpu-hours", given["gpu_hours"], "more than 0", given["gpu_hours"] is None or given["gpu_hours"] > 0)
    _require("--seed", given["seed"], "0 or more", given["seed"] >= 0)
    audio_encoder, text_encoder = _encoders(given, demo)
    return Settings(
        variants=variants,
        corpus=given["corpus"],
        labels=given["labels"],
        label_map=given["label_map"],
        **budget,
        metric=_metric(given["metric"]),
        audio_encoder=audio_encoder,
        text_encoder=text_encoder,
        audio_layer=given["audio_layer"],
        name=_name("--name", given["name"]),
        output=given["output"].absolute(),
        seed=given["seed"],
        protocol=given["protocol"],
        policy=given["policy"] or ("asha" if given["protocol"] == "nested" else "race"),
        sampler=given["sampler"] or ("qmc" if given["protocol"] == "nested" else "gp"),
        concurrency=concurrency,
        gpus_per_run=share,
        address=given["address"],
        tracking_uri=given["tracking_uri"],
        fresh=given["fresh"],
        budget_seconds=budget_seconds,
        gpu_hours=given["gpu_hours"],
        epoch_seconds=_duration("--epoch-timeout", given["epoch_timeout"]) or EPOCH_SECONDS,
        dry_run=given["dry_run"],
        warm_start=_name("--warm-start", given["warm_start"]),
        allow_outside_files=given["allow_outside_files"],
        trust_remote_code=given["trust_remote_code"],
        frame_rates=_frame_rates(given["frame_rate"]),
    )


def _encoders(given: Mapping[str, Any], demo: bool) -> tuple[str, str]:
    """The names of the audio and the text encoder in the precision asked for, which is for those with weights."""
    audio = given["audio_encoder"] or (WEIGHTLESS_AUDIO_ENCODER if demo else DEFAULT_AUDIO_ENCODER)
    text = given["text_encoder"] or (WEIGHTLESS_TEXT_ENCODER if demo else DEFAULT_TEXT_ENCODER)
    dtype, weightless = given["encoder_dtype"], (WEIGHTLESS_AUDIO_ENCODER, WEIGHTLESS_TEXT_ENCODER)
    named = [spec if spec in weightless else with_dtype(spec, dtype) for spec in (audio, text)]
    law = f"float32 where neither encoder has weights, as {audio} and {text}"
    _require("--encoder-dtype", dtype, law, named != [audio, text] or dtype == ENCODER_DTYPES[0])
    return named[0], named[1]


def _frame_rates(text: str | None) -> tuple[str, ...]:
    rates = tuple(dict.fromkeys(rate.strip() for rate in text.split(","))) if text else ()
    law = f"one of {_listed(FRAME_RATES)}, or several with commas for the search to choose from"
    _require("--frame-rate", text, law, set(rates) <= set(FRAME_RATES))
    return rates


def _require_nested(given: Mapping[str, Any]) -> None:
    """Make sure that nothing lets scores on a session reach the choice that is tested on it."""
    for option, found, allowed, why in (
        ("--policy", given["policy"], (None, "asha", "full"), "asha or full, which do not depend on who is faster"),
        ("--seeds", given["seeds"], (None, 0), "0, for every session has a choice of its own to confirm"),
        ("--budget", given["budget"], (None,), "no limit of time, for what all sessions stop would set it"),
        ("--gpu-hours", given["gpu_hours"], (None,), "no limit of time, for what all sessions stop would set it"),
        ("--warm-start", given["warm_start"], (None,), "nothing, for an earlier study has seen every session"),
    ):
        _require(option, found, f"{why}, under --protocol nested", found in allowed)


def _variants(text: str) -> tuple[str, ...]:
    if text.strip() == "all":
        return tuple(VARIANTS)
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in VARIANTS]
    if unknown or not names:
        found = ", ".join(unknown) or repr(text)
        raise UserError(f"--variant expects all, or names from {_listed(VARIANTS)} with commas; found {found}")
    return names


def _duration(option: str, text: str | None) -> float | None:
    """Seconds of "90m", "2h" or "1h30m"."""
    if text is None:
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text.lower())
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text.lower() or not seconds:
        raise UserError(f"{option} expects a time such as 45m, 2h or 1h30m; found {text!r}")
    return seconds


def _metric(text: str) -> str:
    if text.upper() not in METRICS:
        raise UserError(f"--metric expects one of {_listed([name.lower() for name in METRICS])}; found {text!r}")
    return text.upper()


def _name(option: str, text: str | None) -> str | None:
    if text is not None and (not text or text.startswith(".") or not all(c.isalnum() or c in "-_." for c in text)):
        raise UserError(f"{option} expects letters, digits, '-', '_' and '.', not starting with '.'; found {text!r}")
    return text


def _require(option: str, value: object, law: str, holds: bool) -> None:
    if not holds:
        raise UserError(f"{option} expects {law}; found {value}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
