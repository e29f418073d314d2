"""The prosody of a line: a speaker's usual manner, changed by the emotion and at random, as marks in the text.

Part of each emotion is in the course of the utterance and not in its average: anger grows louder, frustration
fades, excitement speeds up, surprise rises at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# The seven axes of a manner of speaking. `change` is last word minus first word.
# pitch (synthesiser's scale 0-99), pitch change, pitch range (0-99), log rate, its change, log loudness, its change.
Manner = tuple[float, float, float, float, float, float, float]

STYLES: Mapping[str, Manner] = {
    "angry": (16.0, 24.0, 16.0, 0.12, 0.20, 0.62, 0.50),
    "happy": (27.0, -20.0, 28.0, 0.13, -0.14, 0.20, -0.35),
    "excited": (32.0, 20.0, 34.0, 0.22, 0.24, 0.36, 0.30),
    "sad": (-22.0, -12.0, -26.0, -0.30, -0.14, -0.58, -0.40),
    "neutral": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "frustrated": (7.0, -26.0, 8.0, -0.08, -0.30, 0.48, -0.50),
    "surprise": (24.0, 60.0, 36.0, -0.14, -0.10, 0.18, 0.20),
}
# Standard deviation of an utterance around its speaker and style.
SPREAD: Manner = (6.0, 7.0, 8.0, 0.06, 0.09, 0.11, 0.13)
# Range of the factor on a style, drawn for each utterance.
STRENGTH = (0.8, 1.5)


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice of the synthesiser and its usual pitch, pitch range (both 0-99), words per minute and amplitude."""

    voice: str
    pitch: float
    pitch_range: float
    words_per_minute: float
    amplitude: float


SPEAKERS: Mapping[str, Speaker] = {
    "1F": Speaker("en-us+f1", 48, 48, 172, 36),
    "1M": Speaker("en-us+Lee", 42, 46, 180, 38),
    "2F": Speaker("en-gb-x-rp+Annie", 40, 44, 184, 39),
    "2M": Speaker("en+m5", 44, 52, 168, 33),
    "3F": Speaker("en-us+linda", 38, 52, 190, 30),
    "3M": Speaker("en-us+adam", 46, 42, 176, 38),
    "4F": Speaker("en-gb-scotland+shelby", 48, 50, 178, 31),
    "4M": Speaker("en-gb-scotland+m6", 42, 50, 186, 41),
    "5F": Speaker("en-us-nyc+steph", 44, 46, 170, 38),
    "5M": Speaker("en-gb-x-rp+Reed", 36, 44, 192, 28),
}


def manner(rng: np.random.Generator, speaker: Speaker, sounds: str) -> Manner:
    """One utterance's manner: the speaker's, plus the style played with random strength, plus spread."""
    usual = (speaker.pitch, 0, speaker.pitch_range, np.log(speaker.words_per_minute), 0, np.log(speaker.amplitude), 0)
    played = rng.uniform(*STRENGTH) * np.array(STYLES[sounds])
    pitch, bend, pitch_range, rate, hurry, loud, swell = usual + played + np.array(SPREAD) * rng.standard_normal(7)
    return pitch, bend, pitch_range, rate, hurry, loud, swell


def marked(text: str, how: Manner) -> str:
    """The text with a mark before every word that sets pitch, range, rate and amplitude from that word on.

    Marks are the synthesiser's embedded commands: control-A, a number and a letter. They do not divide the clause,
    so its intonation is kept.
    """
    pitch, bend, pitch_range, rate, hurry, loud, swell = how
    words = text.split()
    pieces = []
    for word, when in zip(words, np.linspace(-0.5, 0.5, len(words)), strict=True):
        high = _whole(pitch + bend * when, 0, 99)
        wide = _whole(pitch_range, 0, 99)
        fast = _whole(np.exp(rate + hurry * when), 100, 340)
        strong = _whole(np.exp(loud + swell * when), 8, 110)
        pieces.append(f"\x01{high}P\x01{wide}R\x01{fast}S\x01{strong}A{word}")
    return " ".join(pieces)


def _whole(value: float, low: int, high: int) -> int:
    return round(min(max(float(value), low), high))
