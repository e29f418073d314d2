"""What the user asked for, checked: options and the defaults that depend on each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.app.place import PlaceOptions
from study.corpus.options import CorpusOptions
from study.errors import UserError
from study.execution.watchdog import EPOCH_SECONDS
from study.features.options import FeatureOptions
from study.option import duration, is_name, option, options_of
from study.protocols import PROTOCOLS, Protocol
from study.record.terms import NAME, TIME, Terms
from study.variants import VARIANT_GROUPS, VARIANTS

# The demo corpus is small: this finishes on two cores in a few minutes. Real corpora get a real budget.
DEMO = {"n_configs": 16, "epochs": 12, "finalists": 1, "seeds": 1}
# Many variants on the demo: half the configurations each, so that the published ten take about as long as a coffee.
DEMO_OF_MANY = {**DEMO, "n_configs": 8}
MANY = 3
STUDY = {"n_configs": 40, "epochs": 50, "finalists": 3, "seeds": 3}
UNLIMITED = 1000  # configurations, where time is the limit


@dataclass(frozen=True, kw_only=True)
class VariantOptions:
    """Which systems are studied."""

    variants: tuple[str, ...] = option(
        "--variant",
        f"of {', '.join(VARIANTS)}, with commas; all: those of the published table; every: all of audio and "
        "words; seeing: all with films (cross)",
        default=("cross",),
        metavar="NAMES",
        read=lambda text: variants_of(text),
    )


@dataclass(frozen=True, kw_only=True)
class MachineOptions(PlaceOptions):
    """Where a study runs and what it is called."""

    name: str | None = option(
        "--name", "the study's name (from corpus and variants)", default=None, metavar="NAME", law=NAME, holds=is_name
    )
    fresh: bool = option("--fresh", "forget what this study has done and start over", default=False, is_lasting=False)
    dry_run: bool = option(
        "--dry-run",
        "print what the study would train and cost, estimated from one epoch; only features are kept",
        default=False,
        is_lasting=False,
    )
    concurrency: int | None = option(
        "--concurrency",
        "fold runs at once (all cores, or all GPU shares); a cluster is asked for as many, there yet or not",
        default=None,
        metavar="N",
        read=int,
        law="a whole number, at least 1",
        holds=lambda n: n >= 1,
    )
    gpus_per_run: float | None = option(
        "--gpus-per-run",
        "GPUs per fold run, fractions allowed (if any: by cores and memory, down to a sixteenth)",
        default=None,
        metavar="X",
        read=float,
        law="0, a fraction of one (a ten-thousandth at least), or a whole number",
        holds=lambda x: x == 0 or 1e-4 <= x <= 1 or (x > 1 and float(x).is_integer()),
    )
    cpu_machines: bool = option(
        "--cpu-machines",
        "train on machines without a GPU, too, where a cluster has both",
        default=False,
    )
    epoch_seconds: float = option(
        "--epoch-timeout",
        "an epoch that takes longer hangs: its run is ended and tried once more (30m)",
        default=EPOCH_SECONDS,
        metavar="TIME",
        read=duration,
        law=TIME,
    )
    address: str | None = option(
        "--address", "a running Ray cluster: auto or ray://host:port (this machine)", default=None, metavar="ADDR"
    )
    tracking_uri: str | None = option(
        "--tracking-uri", "an MLflow server (a database in OUTPUT)", default=None, metavar="URI"
    )


@dataclass(frozen=True)
class Settings:
    """The options of a run; see `ser-study run --help` for what they mean."""

    variants: tuple[str, ...]
    corpus: CorpusOptions
    terms: Terms
    features: FeatureOptions
    machines: MachineOptions


def terms_of(given: Mapping[str, Any], demo: bool, n_variants: int) -> Terms:
    """The terms of a study: those `given`, and the usual ones of its corpus and protocol for the others.

    Raises:
        UserError: a value breaks its law, or the protocol refuses it.
    """
    options, protocol = options_of(Terms), protocol_of(given)
    usual: dict[str, Any] = dict((DEMO_OF_MANY if n_variants >= MANY else DEMO) if demo else STUDY)
    if "wall_seconds" in given or "gpu_hours" in given:
        usual["n_configs"] = UNLIMITED
    values = {**usual, **protocol.defaults, **given}
    for term, value in values.items():
        options[term].check(value)
    return Terms(**values)


def protocol_of(given: Mapping[str, Any]) -> Protocol:
    """The protocol of a study with these terms `given`.

    Raises:
        UserError: the protocol refuses one of them.
    """
    options, name = options_of(Terms), given.get("protocol", "shared")
    for refusal in PROTOCOLS[name].refusals:
        value, flag = given.get(refusal.term), options[refusal.term].flag
        if value is not None and value not in refusal.allowed:
            mend = f"found {value}" if refusal.allowed else "leave it out"
            raise UserError(f"{flag} expects {refusal.why}, under --protocol {name}; {mend}")
    return PROTOCOLS[name]


def variants_of(text: str) -> tuple[str, ...]:
    """The variants that `text` names, each once: names of variants or of groups of them, with commas.

    Raises:
        UserError: one of them is not in the table, or is there twice; a variant may be beside its group.
    """
    typed = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in typed if name not in VARIANTS and name not in VARIANT_GROUPS]
    if unknown or not typed:
        found = ", ".join(unknown) or repr(text)
        groups, names = ", ".join(VARIANT_GROUPS), ", ".join(VARIANTS)
        raise UserError(f"--variant expects {groups}, or names from {names} with commas; found {found}")
    options_of(VariantOptions)["variants"].check_each_once(typed)
    return tuple(dict.fromkeys(name for each in typed for name in VARIANT_GROUPS.get(each, (each,))))
