"""Learned vectors for missing modalities: laws of every system, whatever its context and pooling."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from models.build import build
from models.missing import WithMissing, filled_in
from models.streams import Stream
from models.unimodal import Unimodal
from study.variants import TRAINED, VARIANTS

DIMS = {"audio": 7, "text": 5, "sentence": 5, "video": 6}
LENGTHS = {"audio": (9, 3, 14, 1), "text": (2, 1, 6, 3), "sentence": (1, 1, 1, 1), "video": (3, 5, 1, 2)}
CHOICES = (("gru", "mean"), ("linear", "max"), ("linear", "attention"))


def cases() -> Iterator[Any]:
    """Every fusion, and those of audio and words with several contexts and poolings, where they have them."""
    for name in TRAINED:
        config = VARIANTS[name].config
        if len(VARIANTS[name].inputs) > 1:
            own = {field.name for field in fields(config)}
            choices = CHOICES if len(VARIANTS[name].inputs) == 2 else CHOICES[:1]
            for chosen in choices if "time_pooling" in own else [()]:
                choice = dict(zip(("context", "time_pooling"), chosen, strict=False))
                yield pytest.param(name, replace(config, **choice), id="-".join((name, *chosen)))


def module_of(name: str, config: Any, missing: tuple[str, ...]) -> torch.nn.Module:
    torch.manual_seed(0)
    dims = {stream: DIMS[stream] for stream in VARIANTS[name].inputs}
    model = VARIANTS[name].model
    assert model is not None
    return build(model, config, dims, {}, 4, missing)


def streams_of(name: str, lacking: Mapping[str, tuple[int, ...]], seed: int = 1) -> dict[str, Stream]:
    """Four utterances; those at the places in `lacking` have one frame of zeros, as batches give it."""
    generator, found = torch.Generator().manual_seed(seed), {}
    for stream in VARIANTS[name].inputs:
        absent = lacking.get(stream, ())
        lengths = tuple(1 if n in absent else length for n, length in enumerate(LENGTHS[stream]))
        frames = torch.randn(sum(lengths), DIMS[stream], generator=generator)
        places = torch.tensor([sum(lengths[:n]) for n in absent], dtype=torch.long)
        frames[places] = 0.0
        found[stream] = Stream(frames, lengths, missing=places if absent else None)
    return found


@pytest.mark.parametrize(("name", "config"), list(cases()))
def test_every_parameter_gets_a_gradient_and_so_does_every_learned_vector(name: str, config: Any) -> None:
    inputs = VARIANTS[name].inputs
    module = module_of(name, config, inputs)
    for vector in module.vectors.values():
        torch.nn.init.normal_(vector)
    logits = module(streams_of(name, dict(zip(inputs, ((1,), (0, 2), (3,)), strict=False))))
    torch.nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    without = {key for key, value in module.named_parameters() if value.grad is None or not value.grad.any()}
    # Attention over one frame has no choice, and a constant changes no choice among several. A recurrent layer that
    # only ever sees one frame starts from zero: its recurrent weights have no effect.
    free = {key for key in without if ".score." in key}
    assert [key for key in without - free if "sentence" not in key or "weight_hh" not in key] == []


@pytest.mark.parametrize(("name", "config"), list(cases()))
def test_what_is_missing_is_the_learned_vector_and_nothing_else(name: str, config: Any) -> None:
    inputs = VARIANTS[name].inputs
    lost = inputs[-1]
    module = module_of(name, config, inputs).eval()
    torch.nn.init.normal_(module.vectors[lost])
    gone = streams_of(name, {lost: (0, 1, 2, 3)})
    logits = module(gone)
    assert torch.isfinite(logits).all()
    # The same as an utterance whose one frame is that vector, to the model itself.
    given = Stream(module.vectors[lost].detach().expand(4, -1), (1, 1, 1, 1))
    torch.testing.assert_close(logits, module.model({**gone, lost: given}), atol=1e-6, rtol=1e-6)


def test_vectors_change_neither_the_models_own_numbers_nor_its_random_ones() -> None:
    config = VARIANTS["cross"].config
    plain, behind = module_of("cross", config, ()), module_of("cross", config, ("audio", "text"))
    own = {f"model.{name}": value for name, value in plain.state_dict().items()}
    assert set(behind.state_dict()) - set(own) == {"vectors.audio", "vectors.text"}
    assert all(behind.state_dict()[name].equal(value) for name, value in own.items())
    plain.train(), behind.train()
    torch.manual_seed(3)
    expected = plain(streams_of("cross", {}))
    torch.manual_seed(3)
    assert behind(streams_of("cross", {})).equal(expected)


def test_a_vector_is_as_wide_as_all_bands_of_layers() -> None:
    module = build(Unimodal, VARIANTS["audio"].config, {"audio": 5}, {"audio": ("0-1", "2-3")}, 3, ("audio",))
    assert isinstance(module, WithMissing)
    assert module.vectors["audio"].shape == (10,)
    stream = Stream(torch.zeros(3, 10), (2, 1), missing=torch.tensor([2]))
    assert module({"audio": stream}).shape == (2, 3)


def test_a_stream_that_lacks_nothing_is_itself() -> None:
    stream = Stream(torch.randn(3, 2), (2, 1))
    assert filled_in(stream, torch.ones(2)) is stream
