"""Curve tables made here: learning curves of many configurations on five folds, in seconds.

Two are trained (small networks on synthetic utterances whose speakers differ), four are drawn from a formula. Each
has one difficulty that a search has to live with. They show direction; tables of real corpora are the proof.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.curve_table import CurveTable

Numbers = NDArray[np.float64]

N_FOLDS, N_CLASSES, N_DIMS, PER_SPEAKER = 5, 4, 16, 48
WIDTHS = (4, 8, 16, 32)


def speaker_shift(seed: int = 1) -> CurveTable:
    """Networks on speakers who all sound different: folds disagree, but about equally hard."""
    return _trained("speaker_shift", seed, shift=0.9, hard_fold=None)


def hard_fold(seed: int = 2) -> CurveTable:
    """The same with one session most of whose labels are wrong: it carries little information and scores far below."""
    return _trained("hard_fold", seed, shift=0.5, hard_fold=3)


def crossing(seed: int = 3) -> CurveTable:
    """Slow learners end best: the early ranking is no guide to the final one."""
    return _drawn("crossing", seed, epochs=36, crossing=1.0, noise=0.012, diverging=0.0)


def diverging(seed: int = 4) -> CurveTable:
    """One configuration in 25 diverges, anywhere in the space and at any epoch."""
    return _drawn("diverging", seed, epochs=27, crossing=0.3, noise=0.015, diverging=0.04)


def noisy(seed: int = 5) -> CurveTable:
    """Small differences in much noise."""
    return _drawn("noisy", seed, epochs=18, crossing=0.3, noise=0.04, diverging=0.0)


def cliff(seed: int = 6) -> CurveTable:
    """The higher the learning rate the better, up to where all diverge within four epochs: three in ten."""
    table = _drawn("cliff", seed, epochs=27, crossing=0.0, noise=0.015, diverging=0.0)
    random = np.random.default_rng(1000 + seed)
    rate = np.array([_unit(row)[0] for row in table.params])
    rise = (random.uniform(0.1, 0.3) * (rate - 0.5))[:, None, None]
    val, test = table.val + rise, table.test + rise
    for row in np.flatnonzero(rate > 0.71):
        since = int(random.integers(0, 4))
        val[row, :, since:] = np.nan
        test[row, :, since:] = np.nan
    return CurveTable(table.name, np.clip(val, 0.0, 1.0), np.clip(test, 0.0, 1.0), table.seconds, table.params)


Generator = Callable[..., CurveTable]
GENERATORS: tuple[Generator, ...] = (speaker_shift, hard_fold, crossing, diverging, noisy, cliff)
# Policies are changed with a view of development tables only. A table that has led to a choice says nothing about it
# any more, so figures come from a final set that was not used before.
FIRST_DEVELOPMENT_SEED, FIRST_FINAL_SEED, SET_SIZE = 1, 10_000, 1_000


def seeds(n: int, final_set: int | None = None) -> range:
    """The seeds of `n` tables of a kind, at most SET_SIZE: for development, or of the final set of that number."""
    first = FIRST_DEVELOPMENT_SEED if final_set is None else FIRST_FINAL_SEED + SET_SIZE * final_set
    return range(first, first + n)


def write(table: CurveTable, path: Path) -> None:
    """Keep `table` as the .npz that `CurveTable.read` reads."""
    np.savez_compressed(
        path,
        val=table.val.astype(np.float32),
        test=table.test.astype(np.float32),
        seconds=table.seconds.astype(np.float32),
        params=json.dumps(table.params),
    )


def _drawn(name: str, seed: int, *, epochs: int, crossing: float, noise: float, diverging: float) -> CurveTable:
    """Curves rise * (1 - exp(-epoch / pace)); the end and the pace depend on the parameters."""
    random = np.random.default_rng(seed)
    n = 320
    params = [_draw_params(random) for _ in range(n)]
    u = np.array([_unit(row) for row in params])
    bends = random.uniform(0.25, 0.75, size=4)
    weights = random.uniform(0.5, 2.0, size=4)
    end = 0.62 - 0.35 * ((u[:, :4] - bends) ** 2 @ weights) + 0.1 * np.sin(6 * u[:, 0] + 4 * u[:, 1])
    end += np.array([{"mean": 0.03, "max": 0.0, "attention": -0.02}[row["pooling"]] for row in params])
    pace = epochs * (0.06 + crossing * 0.6 * (1 - u[:, 0]))
    end += 0.3 * crossing * (1 - u[:, 0])
    time = np.arange(1, epochs + 1)
    curve = 0.25 + (end - 0.25)[:, None] * (1 - np.exp(-time / pace[:, None]))
    session = random.normal(0, 0.05, size=N_FOLDS)
    both = random.normal(0, 0.02, size=(n, N_FOLDS, 2))
    parts = [
        curve[:, None, :]
        + session[None, :, None]
        + both[:, :, part, None]
        + random.normal(0, noise, size=(n, N_FOLDS, epochs))
        for part in range(2)
    ]
    val, test = (np.clip(part, 0.0, 1.0) for part in parts)
    for row in random.permutation(n)[: round(diverging * n)]:
        folds = random.choice(N_FOLDS, size=1 + int(random.integers(N_FOLDS)), replace=False)
        since = int(random.integers(1, epochs))
        val[row, folds, since:] = np.nan
        test[row, folds, since:] = np.nan
    return CurveTable(name, val, test, _seconds(params), params)


def _trained(name: str, seed: int, *, shift: float, hard_fold: int | None) -> CurveTable:
    """Networks of one hidden layer, all of a width at once, by momentum descent on cross-entropy."""
    random = np.random.default_rng(seed)
    frames, labels, session = _utterances(random, shift, hard_fold)
    n, epochs = 320, 27
    params = [_draw_params(random) for _ in range(n)]
    val, test = np.empty((n, N_FOLDS, epochs)), np.empty((n, N_FOLDS, epochs))
    for fold in range(N_FOLDS):
        held = (fold + 1) % N_FOLDS, fold
        train = ~np.isin(session, held)
        for width in WIDTHS:
            rows = np.array([row for row, each in enumerate(params) if each["width"] == width])
            curves = _train([params[row] for row in rows], width, frames, labels, train, epochs, random)
            for part, out in zip(held, (val, test), strict=True):
                out[rows, fold] = _recall(curves[:, :, session == part], labels[session == part])
    return CurveTable(name, val, test, _seconds(params), params)


def _utterances(random: np.random.Generator, shift: float, hard_fold: int | None) -> tuple[Numbers, Numbers, Numbers]:
    """Frames [utterances, dims], classes and sessions; two speakers a session, each with an offset of their own."""
    centres = random.normal(0, 0.55, size=(N_CLASSES, N_DIMS))
    twist = random.normal(0, 0.5, size=(N_DIMS, N_DIMS))
    frames, labels, session = [], [], []
    for number in range(N_FOLDS):
        for _ in range(2):
            own = random.integers(0, N_CLASSES, PER_SPEAKER)
            x = centres[own] + random.normal(0, 1, size=(PER_SPEAKER, N_DIMS)) + random.normal(0, shift, N_DIMS)
            frames.append(np.tanh(x @ twist) + 0.3 * x)
            wrong = random.random(PER_SPEAKER) < (0.6 if number == hard_fold else 0.0)
            labels.append(np.where(wrong, random.integers(0, N_CLASSES, PER_SPEAKER), own))
            session.append(np.full(PER_SPEAKER, number))
    return np.concatenate(frames), np.concatenate(labels), np.concatenate(session)


def _train(
    params: list[dict[str, Any]],
    width: int,
    frames: Numbers,
    labels: Numbers,
    train: NDArray[np.bool_],
    epochs: int,
    random: np.random.Generator,
) -> Numbers:
    """Classes predicted for all utterances after every epoch, [models, epochs, utterances]."""
    m = len(params)
    rate, decay, drop = (
        np.array([row[key] for row in params])[:, None, None] for key in ("learning_rate", "weight_decay", "dropout")
    )
    weights = [
        random.normal(0, 1 / np.sqrt(N_DIMS), size=(m, N_DIMS, width)),
        random.normal(0, 1 / np.sqrt(width), size=(m, width, N_CLASSES)),
    ]
    speed = [np.zeros_like(each) for each in weights]
    x, y = frames[train], np.eye(N_CLASSES)[labels[train]]
    predicted = np.empty((m, epochs, len(frames)))
    for epoch in range(epochs):
        order = random.permutation(len(x))
        for batch in np.array_split(order, 6):
            kept = (random.random((m, len(batch), width)) >= drop) / (1 - drop)
            hidden = np.maximum(x[batch] @ weights[0], 0) * kept
            error = (_softmax(hidden @ weights[1]) - y[batch]) / len(batch)
            back = (error @ weights[1].transpose(0, 2, 1)) * (hidden > 0) * kept
            gradients = [x[batch].T @ back, hidden.transpose(0, 2, 1) @ error]
            for each, gradient, moving in zip(weights, gradients, speed, strict=True):
                moving *= 0.9
                moving += gradient + decay * each
                each -= rate * moving
        predicted[:, epoch] = (np.maximum(frames @ weights[0], 0) @ weights[1]).argmax(2)
    return predicted


def _recall(predicted: Numbers, labels: Numbers) -> Numbers:
    """Mean recall over classes, for predictions [..., utterances]."""
    recalls = [(predicted[..., labels == c] == c).mean(axis=-1) for c in range(N_CLASSES)]
    return np.asarray(np.mean(recalls, axis=0))


def _softmax(logits: Numbers) -> Numbers:
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True))


def _draw_params(random: np.random.Generator) -> dict[str, Any]:
    return {
        "learning_rate": float(10 ** random.uniform(-3, 0)),
        "weight_decay": float(10 ** random.uniform(-5, -1)),
        "dropout": float(random.uniform(0, 0.7)),
        "width": int(random.choice(WIDTHS)),
        "pooling": str(random.choice(["mean", "max", "attention"])),
    }


def _unit(row: dict[str, Any]) -> list[float]:
    """The parameters of a row between 0 and 1, the learning rate first."""
    return [
        (np.log10(row["learning_rate"]) + 3) / 3,
        (np.log10(row["weight_decay"]) + 5) / 4,
        row["dropout"] / 0.7,
        WIDTHS.index(row["width"]) / (len(WIDTHS) - 1),
    ]


def _seconds(params: list[dict[str, Any]]) -> Numbers:
    return np.array([1.0 + row["width"] / 16 for row in params])
