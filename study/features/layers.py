"""Which hidden states of a pretrained encoder its frames are: one layer, a mean of layers, or several of these at once.

Several are put side by side, layer after layer along the last axis, so that one pass of the encoder gives them all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from study.errors import UserError
from study.features.spec import OUTPUT
from study.plurals import counted


@dataclass(frozen=True)
class Layers:
    """The layers that an encoder gives side by side: each the hidden states to average, None for the model's output."""

    each: tuple[range | None, ...]

    @classmethod
    def chosen(cls, texts: Sequence[str], n_layers: int) -> Layers:
        """What `texts` stand for in a model of `n_layers` layers.

        Raises:
            UserError: see `chosen_layers`.
        """
        return cls(tuple(chosen_layers(text, n_layers) for text in texts))

    @property
    def need_hidden_states(self) -> bool:
        """Whether more than the model's output is asked for."""
        return any(layers is not None for layers in self.each)

    @property
    def identity(self) -> str | list[str]:
        """Their part of an encoder's identity: a text for one, a list for several."""
        texts = [OUTPUT if layers is None else f"mean:{layers[0]}-{layers[-1]}" for layers in self.each]
        return texts[0] if len(texts) == 1 else texts

    def of(self, output: Any) -> Float[Tensor, "batch time layers*dim"]:
        """The layers of a model's output, which has `hidden_states` where they are needed.

        Raises:
            UserError: layers of different shapes.
        """
        states: list[Tensor] = [
            output.last_hidden_state
            if layers is None
            else torch.stack([output.hidden_states[index] for index in layers]).mean(0)
            for layers in self.each
        ]
        if len({state.shape for state in states}) > 1:
            found = ", ".join(f"{text} {list(state.shape)}" for text, state in zip(self.identity, states, strict=True))
            raise UserError(f"layers of one encoder are of one shape, found {found}; leave out those that differ")
        return states[0] if len(states) == 1 else torch.cat(states, dim=-1)


def chosen_layers(layer: str, n_layers: int) -> range | None:
    """The hidden states that "last" (None), a number or "mean:a-b" stands for; 0 is the first layer's input.

    Raises:
        UserError: neither of these forms, or a layer that a model of `n_layers` layers does not have.
    """
    if layer == OUTPUT:
        return None
    found = re.fullmatch(r"(\d{1,4})|mean:(\d{1,4})-(\d{1,4})", layer)
    if found is None:
        raise UserError(f"a layer is a number, 'last' or 'mean:a-b', found {layer!r}; for example 'mean:1-{n_layers}'")
    single, low, high = found.groups()
    layers = range(int(low or single), int(high or single) + 1)
    if len(layers) == 0 or layers[-1] > n_layers:
        raise UserError(
            f"layers run from 0 to {n_layers} in an encoder of {counted(n_layers, 'layer')}, found {layer!r}; "
            "choose among them"
        )
    return layers
