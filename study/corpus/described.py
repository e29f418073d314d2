"""What is kept of an utterance's sound or film once it was decoded, and what is found in those of a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from study.corpus.media import MediaFault
from study.corpus.utterance import Problem, Utterance

# Below the smallest step of 14 bits: a recorder that runs is louder.
SILENT_PEAK = 1e-4
# Called with what is done, how much of it, and of how much.
OnStep = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Recording:
    """What one utterance's sound is like.

    `stated_seconds` and `file_seconds` are the length of its whole file by the header and in truth. `peak` is the
    largest sample of the mean over channels. `content` is a digest of all samples.
    """

    n_samples: int
    rate_hz: int
    n_channels: int
    stated_seconds: float
    file_seconds: float
    peak: float
    is_cancelled: bool
    content: str

    @property
    def seconds(self) -> float:
        """How long the utterance lasts."""
        return self.n_samples / self.rate_hz

    @property
    def is_silent(self) -> bool:
        """Whether nothing can be heard in the mean over channels."""
        return self.peak < SILENT_PEAK


@dataclass(frozen=True)
class Pictures:
    """What one utterance's film is like; `content` is a digest of all its pictures."""

    n_pictures: int
    height: int
    width: int
    seconds: float
    content: str


# What was decoded before, by a key that changes with the file.
Known = MutableMapping[str, Recording | Pictures]

Summary = TypeVar("Summary")
Description = TypeVar("Description", Recording, Pictures)


@dataclass(frozen=True)
class Inspection(Generic[Summary]):
    """What was found: a summary, by id the utterances that cannot be used and why, and what is only remarkable.

    `seconds` is how long each utterance that can be used lasts, by id. `skipped_kinds` are the kinds of faults whose
    utterances `--skip-missing` leaves out: not of spans, which are mistakes of the corpus.
    """

    summary: Summary
    skipped_kinds: tuple[str, ...]
    faults: Mapping[str, Problem] = field(default_factory=dict)
    remarks: tuple[Problem, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def skippable(self) -> dict[str, Problem]:
        """The faults of utterances that `--skip-missing` leaves out."""
        return {id: fault for id, fault in self.faults.items() if fault.kind in self.skipped_kinds}


def by_id(
    read: Iterable[tuple[Utterance, Description | MediaFault]], on_done: Callable[[int], None]
) -> tuple[dict[str, Description], dict[str, Problem]]:
    """What was decoded and what could not be, by id; `on_done` is called with the number of utterances so far."""
    found, faults = dict[str, Description](), dict[str, Problem]()
    for utterance, each in read:
        if isinstance(each, MediaFault):
            faults[utterance.id] = Problem(utterance.where, str(each), True, each.kind)
        else:
            found[utterance.id] = each
        on_done(len(found) + len(faults))
    return found, faults
