"""Looks into the audio files of a corpus: lengths, sample rates, and the utterances whose audio cannot be used."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from study.corpus.lengths import MAX_SECONDS, WHOLE_SECONDS
from study.corpus.quoting import path_text
from study.corpus.sound import Sound, SoundError, is_container, missing_decoder, open_sound
from study.corpus.utterance import NO_FILE, Problem, Utterance

# Labelling tools round: an end up to this much after the end of the file is accepted.
ROUNDING_SECONDS = 0.05
# An utterance so many times as long as the median one was probably cut at a wrong place.
FAR_LONGER = 20
UNDECODABLE, TOO_LONG = "audio files that cannot be decoded", "utterances too long"


@dataclass(frozen=True)
class AudioSummary:
    """How long the utterances are (seconds) and how they were recorded (sample rate in Hz, channels -> files)."""

    seconds: tuple[float, ...]
    rates_hz: Mapping[int, int]
    channels: Mapping[int, int]


@dataclass(frozen=True)
class Inspection:
    """What was found: a summary, by id the utterances that cannot be used and why, and what is only remarkable."""

    summary: AudioSummary
    faults: Mapping[str, Problem] = field(default_factory=dict)
    remarks: tuple[Problem, ...] = ()

    @property
    def skippable(self) -> dict[str, Problem]:
        """The faults of utterances that `--skip-missing` leaves out: not of spans, which are mistakes of the corpus."""
        return {id: fault for id, fault in self.faults.items() if fault.kind in (UNDECODABLE, TOO_LONG)}


NOTHING_INSPECTED = Inspection(AudioSummary((), {}, {}))


@dataclass(frozen=True)
class _Found:
    """One utterance: its seconds (0 if it cannot be used), its file's rate and channels, and its problem."""

    utterance: Utterance
    seconds: float = 0.0
    rate_hz: int = 0
    channels: int = 0
    problem: Problem | None = None


def inspect_audio(utterances: Sequence[Utterance]) -> Inspection:
    """Look into the files of these utterances, those that are there: missing ones are reported elsewhere.

    Of sound files the header is read. Containers such as mp4 are decoded, since their header does not say whether their
    sound is whole.
    """
    by_file: dict[Path, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        if utterance.audio != NO_FILE and os.path.isfile(utterance.audio):
            by_file[utterance.audio].append(utterance)
    with ThreadPoolExecutor() as pool:  # the decoders compute and wait for disks outside the interpreter's lock
        found = [each for of_file in pool.map(_of_file, by_file, by_file.values()) for each in of_file]
    place = {utterance.id: number for number, utterance in enumerate(utterances)}
    found.sort(key=lambda each: place[each.utterance.id])
    faults = {each.utterance.id: each.problem for each in found if each.problem and each.problem.fatal}
    remarks = [each.problem for each in found if each.problem and not each.problem.fatal]
    return Inspection(_summary(found), faults, (*remarks, *_far_longer(found)))


def lack_of_decoder(utterances: Iterable[Utterance]) -> str:
    """Why some files of these utterances cannot be decoded here whatever they hold; empty if all can."""
    suffixes = {utterance.audio.suffix.lower(): utterance.audio for utterance in utterances}
    return next((lack for file in suffixes.values() if (lack := missing_decoder(file))), "")


def _of_file(path: Path, utterances: Sequence[Utterance]) -> list[_Found]:
    try:
        with open_sound(path) as sound:
            if sound.rate_hz <= 0 or sound.frames <= 0:
                raise SoundError(f"it holds {sound.frames} samples at {sound.rate_hz} Hz")
            return [_of_utterance(utterance, sound) for utterance in utterances]
    except SoundError as error:
        message = f"{path_text(path)} cannot be decoded: {error}; replace the file"
        return [_Found(u, problem=Problem(u.where, message, True, UNDECODABLE)) for u in utterances]


def _of_utterance(utterance: Utterance, sound: Sound) -> _Found:
    file_seconds = sound.frames / sound.rate_hz
    problem = _span_fault(utterance, file_seconds)
    end = file_seconds if utterance.end is None else utterance.end
    seconds = 0.0 if problem else max(0.0, end - (utterance.start or 0.0))
    if seconds and is_container(utterance.audio):
        start, stop = round((utterance.start or 0.0) * sound.rate_hz), min(round(end * sound.rate_hz), sound.frames)
        if not np.any(sound.read(start, stop)):
            message = f"{utterance.id} is silent: every sample of {path_text(utterance.audio)} is zero"
            problem = Problem(utterance.where, message, False, "silent utterances")
    return _Found(utterance, seconds, sound.rate_hz, sound.channels, problem)


def _span_fault(utterance: Utterance, file_seconds: float) -> Problem | None:
    start, end = utterance.start or 0.0, utterance.end if utterance.end is not None else file_seconds
    if min(end, file_seconds) - start > MAX_SECONDS:
        message = f"an utterance lasts at most {MAX_SECONDS:.0f} s, {utterance.id} lasts {end - start:.0f} s"
        return Problem(utterance.where, f"{message}; give its start and end", True, TOO_LONG)
    message = beyond_file(utterance, file_seconds)
    return Problem(utterance.where, message, True, "spans beyond the file") if message else None


def beyond_file(utterance: Utterance, file_seconds: float) -> str:
    """What is wrong with an utterance's span in a file of this length; empty for one that lies in it."""
    start, end = utterance.start or 0.0, utterance.end if utterance.end is not None else file_seconds
    if start < file_seconds and end <= file_seconds + ROUNDING_SECONDS:
        return ""
    return f"start {start:g} and end {end:g} must lie in {utterance.audio}, which lasts {file_seconds:.2f} s"


def _summary(found: Sequence[_Found]) -> AudioSummary:
    files = {each.utterance.audio: each for each in found if each.rate_hz}
    rates, channels = (Counter(getattr(each, name) for each in files.values()) for name in ("rate_hz", "channels"))
    # A length of zero is of a span that ends before it starts, which the reader has reported.
    seconds = tuple(each.seconds for each in found if each.seconds > 0)
    return AudioSummary(seconds, dict(sorted(rates.items())), dict(sorted(channels.items())))


def _far_longer(found: Sequence[_Found]) -> Iterator[Problem]:
    lengths = [each.seconds for each in found if each.seconds > 0]
    most = max(WHOLE_SECONDS, FAR_LONGER * float(np.median(lengths))) if lengths else 0.0
    for each in found:
        if each.seconds > most:
            message = f"{each.utterance.id} lasts {each.seconds:.0f} s, the median utterance {np.median(lengths):.1f} s"
            where = each.utterance.where
            yield Problem(where, f"{message}; was it cut at the right place?", False, "utterances far longer than most")
