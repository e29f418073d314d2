"""Which hidden states of a pretrained encoder its frames are: a layer, a mean of layers, weighted bands, or several.

Several are put side by side, choice after choice along the last axis, so that one pass of the encoder gives them all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from study.errors import UserError
from study.features.spec import OUTPUT, USUAL_BANDS, WEIGHTED
from study.plurals import counted


@dataclass(frozen=True)
class Layer:
    """One choice of layers: the model's output where `bands` is empty, else the mean of the states of each band.

    Several bands stand side by side, and each model learns their weights.
    """

    bands: tuple[range, ...] = ()

    @property
    def width(self) -> int:
        """How many states stand side by side."""
        return max(1, len(self.bands))

    @property
    def identity(self) -> str:
        """Its part of an encoder's identity: "last", "mean:6-6" or "weighted:0-3,4-6,7-9,10-12"."""
        if not self.bands:
            return OUTPUT
        names = ",".join(f"{band[0]}-{band[-1]}" for band in self.bands)
        return f"mean:{names}" if len(self.bands) == 1 else f"{WEIGHTED}:{names}"

    def states(self, output: Any) -> list[Float[Tensor, "batch time dim"]]:
        """Of a model's output, the state of each band."""
        if not self.bands:
            return [output.last_hidden_state]
        return [_mean([output.hidden_states[index] for index in band]) for band in self.bands]


def _mean(states: Sequence[Float[Tensor, "batch _time _dim"]]) -> Float[Tensor, "batch time dim"]:
    """The mean of states.

    Raises:
        UserError: they are of different shapes.
    """
    if len(shapes := list(dict.fromkeys(state.shape for state in states))) > 1:
        found = " and ".join(str(list(shape)) for shape in shapes)
        raise UserError(f"layers that are averaged are of one shape, found {found}; leave out those that differ")
    return torch.stack([*states]).mean(0)


@dataclass(frozen=True)
class Layers:
    """The choices of layers that an encoder gives side by side."""

    each: tuple[Layer, ...]

    @classmethod
    def chosen(cls, texts: Sequence[str], n_layers: int) -> Layers:
        """What `texts` stand for in a model of `n_layers` layers.

        Raises:
            UserError: see `chosen_layer`.
        """
        return cls(tuple(chosen_layer(text, n_layers) for text in texts))

    @property
    def width(self) -> int:
        """How many hidden states stand side by side."""
        return sum(layer.width for layer in self.each)

    @property
    def need_hidden_states(self) -> bool:
        """Whether more than the model's output is asked for."""
        return any(layer.bands for layer in self.each)

    @property
    def identity(self) -> str | list[str]:
        """Their part of an encoder's identity: a text for one, a list for several."""
        texts = [layer.identity for layer in self.each]
        return texts[0] if len(texts) == 1 else texts

    def of(self, output: Any) -> Float[Tensor, "batch time width*dim"]:
        """The layers of a model's output, which has `hidden_states` where they are needed.

        Raises:
            UserError: layers of different shapes.
        """
        states = [state for layer in self.each for state in layer.states(output)]
        if len({state.shape for state in states}) > 1:
            found = ", ".join(
                f"{layer.identity} {' and '.join(str(list(state.shape)) for state in layer.states(output))}"
                for layer in self.each
            )
            raise UserError(f"layers of one encoder are of one shape, found {found}; leave out those that differ")
        return states[0] if len(states) == 1 else torch.cat(states, dim=-1)


def chosen_layer(text: str, n_layers: int) -> Layer:
    """The layers that "last", a number, "mean:a-b" or "weighted:K" stand for; 0 is the first layer's input.

    Raises:
        UserError: none of these forms, or layers that a model of `n_layers` layers does not have.
    """
    if text == OUTPUT:
        return Layer()
    found = re.fullmatch(rf"(\d{{1,4}})|mean:(\d{{1,4}})-(\d{{1,4}})|({WEIGHTED})(?::(\d{{1,4}}))?", text)
    if found is None:
        raise UserError(
            f"a layer is a number, 'last', 'mean:a-b' or '{WEIGHTED}:K', found {text!r}; for example "
            f"'mean:1-{n_layers}'"
        )
    single, low, high, weighted, n_bands = found.groups()
    if weighted:
        return Layer(_bands(int(n_bands or USUAL_BANDS), n_layers, text))
    layers = range(int(low or single), int(high or single) + 1)
    if len(layers) == 0 or layers[-1] > n_layers:
        raise UserError(
            f"layers run from 0 to {n_layers} in an encoder of {counted(n_layers, 'layer')}, found {text!r}; "
            "choose among them"
        )
    return Layer((layers,))


def _bands(n_bands: int, n_layers: int, text: str) -> tuple[range, ...]:
    """All hidden states in `n_bands` runs, of which the first are longer where they cannot be equally long."""
    n_states = n_layers + 1
    if not 2 <= n_bands <= n_states:
        raise UserError(
            f"{WEIGHTED} layers are 2 to {n_states} bands in an encoder of {counted(n_layers, 'layer')}, found "
            f"{text!r}; choose another number, as '{WEIGHTED}:{min(n_states, USUAL_BANDS)}'"
        )
    shortest, n_longer = divmod(n_states, n_bands)
    ends = [shortest * number + min(number, n_longer) for number in range(n_bands + 1)]
    return tuple(range(first, end) for first, end in pairwise(ends))
