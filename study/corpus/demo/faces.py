"""Draws the faces of the demo corpus: brows, eyes, mouth and head of a speaker who shows an emotion, or hides it.

What a face shows is drawn for each utterance given its emotion, independently of words and voice: often the emotion, as
often a neighbouring one or a calm face, and sometimes one that contradicts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 64
Picture = NDArray[np.uint8]
Field = NDArray[np.float64]

# Probability, given an emotion, of a face that shows each class.
SHOWN: Mapping[str, Mapping[str, float]] = {
    "angry": {"angry": 0.52, "frustrated": 0.20, "neutral": 0.22, "excited": 0.06},
    "happy": {"happy": 0.56, "excited": 0.20, "neutral": 0.18, "surprise": 0.06},
    "excited": {"excited": 0.50, "happy": 0.26, "neutral": 0.14, "surprise": 0.10},
    "sad": {"sad": 0.56, "neutral": 0.26, "frustrated": 0.12, "happy": 0.06},
    "neutral": {"neutral": 0.70, "sad": 0.10, "happy": 0.10, "frustrated": 0.10},
    "frustrated": {"frustrated": 0.48, "angry": 0.20, "neutral": 0.22, "sad": 0.10},
    "surprise": {"surprise": 0.62, "excited": 0.16, "neutral": 0.22},
}


@dataclass(frozen=True)
class Expression:
    """What an emotion does to a calm face, in units of its parts; and how lively the head is."""

    brow_height: float = 0.0
    brow_slant: float = 0.0  # above 0: the inner ends are low
    eye_open: float = 0.0
    mouth_curve: float = 0.0  # above 0: the corners are high
    mouth_open: float = 0.0
    head_low: float = 0.0
    motion: float = 0.3


EXPRESSIONS: Mapping[str, Expression] = {
    "angry": Expression(-0.6, 1.0, -0.2, -0.5, 0.3, 0.0, 0.7),
    "happy": Expression(0.2, 0.0, -0.2, 1.0, 0.2, 0.0, 0.5),
    "excited": Expression(0.6, 0.0, 0.4, 0.9, 0.7, -0.3, 1.0),
    "sad": Expression(0.1, -0.9, -0.5, -0.8, 0.0, 0.8, 0.15),
    "neutral": Expression(),
    "frustrated": Expression(-0.4, 0.6, -0.4, -0.6, 0.0, 0.3, 0.4),
    "surprise": Expression(1.0, -0.1, 1.0, 0.0, 1.0, -0.2, 0.6),
}


@dataclass(frozen=True)
class Face:
    """What one speaker looks like; lengths are in pixels of a picture of 64."""

    width: float
    height: float
    skin: tuple[float, float, float]
    eyes_apart: float
    brow_thick: float
    brow_rest: float
    mouth_width: float
    mouth_rest: float
    background: float


def face_of(rng: np.random.Generator) -> Face:
    """A speaker's looks."""
    tone = rng.uniform(0.55, 0.95)
    return Face(
        width=rng.uniform(17, 21),
        height=rng.uniform(22, 26),
        skin=(tone, tone * rng.uniform(0.76, 0.86), tone * rng.uniform(0.58, 0.72)),
        eyes_apart=rng.uniform(7, 9.5),
        brow_thick=rng.uniform(0.9, 1.7),
        brow_rest=rng.uniform(-1, 1),
        mouth_width=rng.uniform(6.5, 9),
        mouth_rest=rng.uniform(-0.25, 0.25),
        background=rng.uniform(0.2, 0.5),
    )


def shown(rng: np.random.Generator, label: str) -> str:
    """The class that a face shows in an utterance of this emotion."""
    classes = SHOWN[label]
    return str(rng.choice(list(classes), p=list(classes.values())))


def pictures(rng: np.random.Generator, face: Face, label: str, times: Field) -> Iterator[Picture]:
    """A face that speaks and shows what it shows, at these seconds of an utterance."""
    expression, strength = EXPRESSIONS[shown(rng, label)], rng.uniform(0.45, 1.0)
    light, phases = rng.uniform(0.88, 1.12), rng.uniform(0, 2 * np.pi, 4)
    length = max(float(times[-1]), 0.4)
    for time in times:
        # Expressions come and go: most in the middle of an utterance.
        now = strength * (0.55 + 0.45 * np.sin(np.pi * min(1.0, time / length)))
        sway = 0.6 + 2.2 * expression.motion
        shift = sway * np.sin(2 * np.pi * 0.7 * time + phases[:2])
        talk = 0.5 + 0.5 * np.sin(2 * np.pi * (2.3 * time) + phases[2])
        yield _drawn(face, expression, float(now), shift, float(talk), light, rng)


def _drawn(
    face: Face,
    expression: Expression,
    now: float,
    shift: Field,
    talk: float,
    light: float,
    rng: np.random.Generator,
) -> Picture:
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(float) + 0.5
    x, y = x - SIDE / 2 - shift[0], y - SIDE / 2 - 0.6 * shift[1] - 4 * now * expression.head_low
    picture = np.full((SIDE, SIDE, 3), face.background)
    _paint(picture, _ellipse(x, y, 0, 0, face.width, face.height), face.skin)
    brow_y = -9.5 + face.brow_rest - 3.5 * now * expression.brow_height
    eye_height = max(0.5, 2.2 * (1 + 0.8 * now * expression.eye_open))
    for side in (-1.0, 1.0):
        inner, outer = side * (face.eyes_apart - 4), side * (face.eyes_apart + 4)
        slant = 3.2 * now * expression.brow_slant
        _paint(picture, _line(x, y, (inner, brow_y + slant), (outer, brow_y - slant), face.brow_thick), (0.12,) * 3)
        _paint(picture, _ellipse(x, y, side * face.eyes_apart, -4, 3.4, eye_height), (0.95,) * 3)
        _paint(picture, _ellipse(x, y, side * face.eyes_apart, -4, 1.5, min(1.5, eye_height)), (0.1,) * 3)
    open_by = 0.6 + 2.6 * talk * (0.5 + now * max(0.0, expression.mouth_open)) + 2.5 * now * expression.mouth_open
    curve = 4.5 * (face.mouth_rest + now * expression.mouth_curve)
    _paint(picture, _mouth(x, y, 11, face.mouth_width, curve, open_by), (0.45, 0.1, 0.12))
    noisy = 255 * light * picture + rng.normal(0, 1.5, (SIDE, SIDE, 1))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _paint(picture: Field, inside: Field, colour: tuple[float, ...]) -> None:
    """Colour where `inside` is 1, half of it where it is .5."""
    picture += inside[..., None] * (np.array(colour) - picture)


def _ellipse(x: Field, y: Field, at_x: float, at_y: float, width: float, height: float) -> Field:
    distance = np.hypot((x - at_x) / width, (y - at_y) / height)
    return np.asarray(np.clip(0.5 - (distance - 1) * min(width, height), 0, 1))


def _line(x: Field, y: Field, start: tuple[float, float], end: tuple[float, float], thick: float) -> Field:
    along = np.subtract(end, start)
    share = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / float(along @ along)
    share = np.clip(share, 0, 1)
    distance = np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1])
    return np.asarray(np.clip(0.5 + thick - distance, 0, 1))


def _mouth(x: Field, y: Field, at_y: float, width: float, curve: float, open_by: float) -> Field:
    """Between two lips that meet in the corners; these are higher than the middle by `curve`."""
    across = np.clip(x / width, -1, 1)
    middle = at_y + curve * (0.5 - across**2)
    half = 0.7 + open_by * np.sqrt(1 - across**2)
    inside = np.clip(0.5 + half - np.abs(y - middle), 0, 1)
    return np.asarray(inside * np.clip(0.5 + width - np.abs(x), 0, 1))
