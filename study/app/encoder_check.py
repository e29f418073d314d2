"""What the encoders of a command would make of a corpus: `check` says it before anything is extracted."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from study.app.output import print_line
from study.app.parsing import given_of, group_of
from study.app.place import PlaceOptions
from study.corpus.utterance import Corpus, Problem
from study.errors import UserError
from study.features.estimate import Estimate, estimate
from study.features.options import FeatureOptions
from study.features.prepare import Wanted, wanted
from study.modalities import MODALITIES
from study.plurals import counted
from study.report.formats import format_bytes, format_duration


@dataclass(frozen=True)
class EncoderOptions:
    """The features that are asked about: of which modalities, by which encoders, and the folder where some may be."""

    features: FeatureOptions
    modalities: Sequence[str] = ()
    folder: Path = field(default_factory=Path)


@dataclass
class EncoderCheck:
    """What was found: lines for the user, and problems for the corpus's report."""

    lines: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def encoders_of(parsed: argparse.Namespace) -> EncoderOptions:
    """The modalities of which an option was typed, and their encoders; none of those with features from elsewhere.

    Raises:
        UserError: a value breaks its law, or a modality has features twice, or an encoder and features from
            elsewhere.
    """
    given = given_of(FeatureOptions, parsed)
    features = FeatureOptions(**given)
    features.check(MODALITIES)
    typed = [
        name
        for name in MODALITIES
        if not features.elsewhere(name) and any(option.startswith(f"{name}_") for option in given)
    ]
    return EncoderOptions(features, typed, group_of(PlaceOptions, parsed).output.absolute() / "features")


def check_encoders(corpus: Corpus, asked: EncoderOptions, demo: bool, console: Console) -> EncoderCheck:
    """Open every encoder, time it on a sample of the corpus, and look for what it does not read."""
    found = EncoderCheck()
    for name in asked.modalities:
        try:
            specs = asked.features.specs(MODALITIES[name], demo)
            trust = asked.features.trust_remote_code
            for each in wanted(corpus, MODALITIES[name], specs, asked.folder, trust_remote_code=trust):
                found.problems += _unread(corpus, name, each)
                found.lines.append(f"{name} by {each.choice.label}: {_of(corpus, name, each, console)}")
        except UserError as error:
            found.problems.append(Problem(name, str(error), True, name))
    return found


def _unread(corpus: Corpus, modality: str, each: Wanted) -> Iterator[Problem]:
    look = MODALITIES[modality].unread
    return look(corpus, each.encoder).problems() if look is not None else iter(())


def _of(corpus: Corpus, modality: str, each: Wanted, console: Console) -> str:
    path = Path(each.choice.path)
    if path.exists():
        return f"extracted already, {format_bytes(path.stat().st_size)} in {path}"
    print_line(console, f"timing {modality} by {each.choice.label} ...", style="dim")
    return sentence(estimate(corpus, MODALITIES[modality], each))


def sentence(found: Estimate) -> str:
    """An estimate in words."""
    rate = f" ({found.rate_hz:g} a second)" if found.rate_hz is not None else ""
    threads = counted(found.workers, "thread")
    return (
        f"about {found.n_frames:,} frames{rate} of {found.dim:,} values; {format_bytes(found.size)} of disk, twice as "
        f"much while they are made; {counted(found.n_missing, 'utterance')} to extract, in about "
        f"{format_duration(found.seconds)} here ({found.n_sampled:,} timed with {threads})"
    )
