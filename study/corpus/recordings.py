"""What the recordings of a corpus are like: every utterance is decoded, and what is wrong or odd becomes a problem."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from study.corpus.alike import occurring_twice
from study.corpus.described import SILENT_PEAK, Inspection, Known, OnStep, Recording, by_id
from study.corpus.lengths import WHOLE_SECONDS
from study.corpus.media import MediaFault
from study.corpus.utterance import NO_FILE, Problem, Utterance
from study.corpus.utterance_sound import ROUNDING_SECONDS, TOO_LONG, UNDECODABLE, UtteranceSound, read_sound

# Two channels of independent noise keep .7 of their level in the mean; a tenth is left of channels that cancel out.
CANCELLED = 0.1
# Samples are in -1 to 1; conversions between formats overshoot a little.
FULL_SCALE = 2.0
# A telephone's. Below it little of speech is left.
LEAST_RATE_HZ = 8000
# An utterance so many times as long as the median one was probably cut at a wrong place.
FAR_LONGER = 20


@dataclass(frozen=True)
class AudioSummary:
    """How long the utterances are (seconds) and how they were recorded (sample rate in Hz, channels -> files)."""

    seconds: tuple[float, ...] = ()
    rates_hz: Mapping[int, int] = field(default_factory=dict)
    channels: Mapping[int, int] = field(default_factory=dict)


def inspect_recordings(
    utterances: Sequence[Utterance],
    on_step: OnStep = lambda what, done, total: None,
    known: Known | None = None,
) -> Inspection[AudioSummary]:
    """Decode every utterance that has a file, and say what is wrong with it.

    Files that do not exist are left out: they are reported as missing. Recordings that were decoded before are taken
    from `known`, which the others are added to.
    """
    with_file = [u for u in utterances if u.audio != NO_FILE and os.path.isfile(u.audio)]
    read = _in_threads(with_file, {} if known is None else known)
    found, faults = by_id(read, lambda n_done: on_step("reading audio", n_done, len(with_file)))
    heard = [u for u in with_file if u.id in found]
    remarks = (
        *_oddities(heard, found),
        *_far_longer(heard, found),
        *occurring_twice(_contents(heard, found), "recording"),
    )
    seconds = {utterance.id: found[utterance.id].seconds for utterance in heard}
    return Inspection(_summary(heard, found), (UNDECODABLE, TOO_LONG), faults, remarks, seconds)


def _in_threads(utterances: Sequence[Utterance], known: Known) -> Iterator[tuple[Utterance, Recording | MediaFault]]:
    threads = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        yield from zip(utterances, threads.map(lambda each: _recording(each, known), utterances), strict=True)
    finally:
        threads.shutdown(cancel_futures=True)  # after an interrupt, what has not begun is left


def _recording(utterance: Utterance, known: Known) -> Recording | MediaFault:
    key = _key(utterance)
    found = known.get(key)
    if not isinstance(found, Recording):
        try:
            found = known[key] = _described(read_sound(utterance))
        except MediaFault as fault:
            return fault
    return found


def _key(utterance: Utterance) -> str:
    """What changes when another file takes the place of the utterance's."""
    file = os.stat(utterance.audio)
    return f"{utterance.audio.absolute()}:{file.st_size}:{file.st_mtime_ns}:{utterance.start}:{utterance.end}"


def _described(sound: UtteranceSound) -> Recording:
    mean = sound.channels.mean(axis=1)
    loudest = float(np.sqrt(np.square(sound.channels, dtype=np.float64).mean(axis=0).max()))
    level = float(np.sqrt(np.square(mean, dtype=np.float64).mean()))
    return Recording(
        n_samples=len(mean),
        rate_hz=sound.rate_hz,
        n_channels=sound.channels.shape[1],
        stated_seconds=sound.stated_samples / sound.rate_hz,
        file_seconds=sound.file_samples / sound.rate_hz,
        peak=float(np.abs(mean).max()),
        is_cancelled=loudest >= SILENT_PEAK and level < CANCELLED * loudest,
        content=hashlib.blake2b(np.ascontiguousarray(sound.channels).tobytes(), digest_size=16).hexdigest(),
    )


def _oddities(utterances: Sequence[Utterance], found: Mapping[str, Recording]) -> Iterator[Problem]:
    for utterance in utterances:
        each = found[utterance.id]
        if abs(each.stated_seconds - each.file_seconds) > ROUNDING_SECONDS:
            message = (
                f"the header of {utterance.audio} states {each.stated_seconds:.2f} s, and it holds "
                f"{each.file_seconds:.2f} s; what it holds is used"
            )
            yield Problem(utterance.where, message, False, "headers that state another length")
        if each.peak > FULL_SCALE:
            message = f"samples of {utterance.id} reach {each.peak:.3g}, and recordings are in -1 to 1"
            yield Problem(utterance.where, message, False, "samples beyond full scale")
        if each.rate_hz < LEAST_RATE_HZ:
            message = f"{utterance.id} has {each.rate_hz:,} samples a second; speech needs {LEAST_RATE_HZ:,} at least"
            yield Problem(utterance.where, message, False, "low sample rates")
        if each.n_samples == 1:
            yield Problem(utterance.where, f"{utterance.id} is one sample long", False, "recordings of one sample")
        elif each.is_cancelled:
            message = (
                f"the channels of {utterance.id} are of opposite phase and cancel out in their mean, which is what "
                "encoders read; keep one of them"
            )
            yield Problem(utterance.where, message, False, "channels that cancel out")
        elif each.is_silent:
            message = f"{utterance.id} is silent: its largest sample is {each.peak:.1g}"
            yield Problem(utterance.where, message, False, "silent utterances")


def _contents(utterances: Sequence[Utterance], found: Mapping[str, Recording]) -> Iterator[tuple[Utterance, str]]:
    """What the recordings hold; silence and single samples are alike anyway."""
    for utterance in utterances:
        each = found[utterance.id]
        if not each.is_silent and each.n_samples > 1:
            yield utterance, each.content


def _far_longer(utterances: Sequence[Utterance], found: Mapping[str, Recording]) -> Iterator[Problem]:
    median = float(np.median([found[utterance.id].seconds for utterance in utterances])) if utterances else 0.0
    for utterance in utterances:
        seconds = found[utterance.id].seconds
        if seconds > max(WHOLE_SECONDS, FAR_LONGER * median):
            message = f"{utterance.id} lasts {seconds:.0f} s, the median utterance {median:.1f} s"
            message = f"{message}; was it cut at the right place?"
            yield Problem(utterance.where, message, False, "utterances far longer than most")


def _summary(utterances: Sequence[Utterance], found: Mapping[str, Recording]) -> AudioSummary:
    files = {utterance.audio: found[utterance.id] for utterance in utterances}
    rates = Counter(each.rate_hz for each in files.values())
    channels = Counter(each.n_channels for each in files.values())
    seconds = tuple(found[utterance.id].seconds for utterance in utterances)
    return AudioSummary(seconds, dict(sorted(rates.items())), dict(sorted(channels.items())))
