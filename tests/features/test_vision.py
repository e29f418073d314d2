"""Encoders of pictures: one frame for each, as the model's library gives it; layers, films and what is refused."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from study.corpus.utterance import NO_VIDEO, Corpus, Utterance, Video
from study.errors import UserError
from study.features.encoder import Encoded
from study.features.pack import Pack
from study.features.pixels import SIDE, Pixels
from study.features.prepare import pack_of, prepare
from study.features.spec import EncoderSpec
from study.modalities import VIDEO
from tests.plugins.films import grey, write_film

Opened = Callable[[str], Path]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    @cache
    def saved(family: str) -> Path:
        from tests.plugins.tiny_vision import save_tiny_vision

        return save_tiny_vision(family, tmp_path_factory.mktemp("vision") / f"tiny-{family}")

    return saved


def pictures(n: int = 10, height: int = 40, width: int = 56) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, height, width, 3), generator=generator, dtype=torch.uint8)


def direct_states(folder: Path, given: Tensor) -> list[Tensor]:
    """The vectors of each hidden state and then of the output, by a plain call of transformers."""
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    model: Any = transformers.AutoModel.from_pretrained(folder).eval()
    kind = model.config.model_type
    model = model.vision_model if kind in ("clip", "siglip") else model
    with torch.no_grad():
        output = model(**processor(list(given.numpy()), return_tensors="pt"), output_hidden_states=True)
    one: Callable[[Tensor], Tensor] = {
        "siglip": lambda state: state.mean(1), "convnext": lambda state: state.mean((2, 3)),
    }.get(kind, lambda state: state[:, 0])  # fmt: skip
    return [one(state) for state in (*output.hidden_states, output.last_hidden_state)]


@pytest.mark.parametrize("family", ["vit", "clip", "siglip", "dinov2", "convnext"])
def test_frames_are_those_of_a_plain_call_for_every_layer(tiny: Opened, family: str) -> None:
    folder, given = tiny(family), pictures()
    *states, output = direct_states(folder, given)
    encoder = VIDEO.open(EncoderSpec(str(folder)))
    encoder.load()
    torch.testing.assert_close(encoder.encode(given), output, atol=1e-5, rtol=1e-4)
    assert encoder.dim == output.shape[1]
    last = len(states) - 1
    for layer, expected in (("1", states[1]), (f"mean:{last - 1}-{last}", torch.stack(states[-2:]).mean(0))):
        found = VIDEO.open(EncoderSpec(str(folder), layer))
        torch.testing.assert_close(found.encode(given), expected, atol=1e-5, rtol=1e-4)
        assert found.dim == expected.shape[1]
    assert (states[1] - states[-1]).abs().max() > 0.1
    with pytest.raises(UserError, match=f"layers run from 0 to {last}"):
        VIDEO.open(EncoderSpec(str(folder), str(last + 1)))


def test_layers_side_by_side_are_those_of_each_and_a_picture_does_not_depend_on_others(tiny: Opened) -> None:
    folder, given = str(tiny("vit")), pictures(11)
    specs = [EncoderSpec(folder, "1"), EncoderSpec(folder, "weighted:2")]
    together = VIDEO.open_layers(specs).encode(given)
    each = [VIDEO.open(spec).encode(given) for spec in specs]
    torch.testing.assert_close(together, torch.cat(each, dim=1))
    alone = torch.cat([VIDEO.open(specs[0]).encode(given[n : n + 1]) for n in range(11)])
    torch.testing.assert_close(alone, each[0], atol=1e-5, rtol=1e-4)


def test_a_model_of_another_kind_is_refused_in_one_line(tiny_encoder: Opened) -> None:
    for family in ("bert", "wavlm"):
        with pytest.raises(UserError, match="expected an encoder of pictures in") as caught:
            VIDEO.open(EncoderSpec(str(tiny_encoder(family))))
        assert "\n" not in str(caught.value)


def test_pixels_are_brightness_and_its_change() -> None:
    shades = torch.tensor([0, 51, 255], dtype=torch.uint8)[:, None, None, None].expand(3, 30, 44, 3)
    frames = Pixels().encode(shades)
    assert frames.shape == (3, Pixels.dim)
    torch.testing.assert_close(frames[:, 0], torch.tensor([0, 0.2, 1.0]))
    torch.testing.assert_close(frames[:, SIDE * SIDE], torch.tensor([0, 0.2, 0.8]))
    half = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    half[:, :, 16:, 1] = 255  # green, on the right
    seen = Pixels().encode(half)[0, : SIDE * SIDE].view(SIDE, SIDE)
    torch.testing.assert_close(seen, torch.tensor([0.0, 0.587]).repeat_interleave(8).expand(16, 16))


def films(folder: Path, n: int = 5) -> Corpus:
    """Utterances that are the seconds of one film, each brighter than the one before."""
    path = write_film(folder / "f.mp4", lambda seconds: grey(20 + 40 * int(seconds)), n, 10)
    return Corpus(
        "films",
        ("sad",),
        tuple(Utterance(f"u{k}", Path(), "", "sad", "s", "g", video=Video(path, float(k), k + 1.0)) for k in range(n)),
    )


def test_packs_of_films_are_made_once_and_follow_spans_halves_and_files(tmp_path: Path, tiny: Opened) -> None:
    corpus = films(tmp_path)
    made = pack_of(corpus, VIDEO, EncoderSpec("pixels"), tmp_path / "features")
    pack = Pack.open(made)
    shades = [float(pack.of(row)[:, : SIDE * SIDE].float().mean()) * 255 for row in range(5)]
    assert shades == pytest.approx([20, 60, 100, 140, 180], abs=4)
    assert [len(pack.of(row)) for row in range(5)] == [3] * 5
    assert pack_of(corpus, VIDEO, EncoderSpec("pixels"), tmp_path / "features") == made
    first, *rest = corpus.utterances
    others = [
        Video(first.video.file, 0.5, 1.5), Video(first.video.file, 0.0, 1.0, "left"),
        Video(write_film(tmp_path / "g.mp4", lambda seconds: grey(99), 2.0, 10), 0.0, 1.0),
    ]  # fmt: skip
    changed = [
        Corpus("films", ("sad",), (Utterance("u0", Path(), "", "sad", "s", "g", video=video), *rest))
        for video in others
    ]
    packs = {pack_of(each, VIDEO, EncoderSpec("pixels"), tmp_path / "features") for each in changed}
    assert len(packs - {made}) == 3
    layers = [EncoderSpec(str(tiny("vit")), layer) for layer in ("last", "1")]
    assert len({choice.path for choice in prepare(corpus, VIDEO, layers, tmp_path / "features")}) == 2


def test_a_film_that_cannot_be_read_is_a_line_and_the_others_are_encoded(tmp_path: Path) -> None:
    corpus = films(tmp_path)
    (tmp_path / "broken.mp4").write_text("no film")
    broken = Utterance("u9", Path(), "", "sad", "s", "g", video=Video(tmp_path / "broken.mp4"))
    found = list(VIDEO.encode(Pixels(), (*corpus.utterances[:2], broken, *corpus.utterances[2:])))
    assert [isinstance(each, Encoded) for each in found] == [True, True, False, True, True, True]
    assert "(utterance u9) cannot be decoded" in str(found[2])


def test_an_utterance_without_film_is_in_no_pack_and_giving_it_one_costs_nothing_else(tmp_path: Path) -> None:
    whole = films(tmp_path)
    blind = Utterance("u0", Path(), "", "sad", "s", "g")
    without = Corpus("films", ("sad",), (blind, *whole.utterances[1:]))
    assert VIDEO.missing(without) == ("u0",)
    assert VIDEO.missing(whole) == ()
    made = Pack.open(pack_of(without, VIDEO, EncoderSpec("pixels"), tmp_path / "features"))
    assert made.ids == ("u1", "u2", "u3", "u4")
    seen: list[int] = []
    more = pack_of(
        whole, VIDEO, EncoderSpec("pixels"), tmp_path / "features",
        on_progress=lambda progress: seen.append(progress.utterances_reused),  # type: ignore[union-attr]
    )  # fmt: skip
    assert seen[-1] == 4
    grown = Pack.open(more)
    assert grown.ids == tuple(u.id for u in whole.utterances)
    assert grown.of(1).equal(made.of(0))


def test_a_corpus_without_any_film_is_refused(tmp_path: Path) -> None:
    seeing = films(tmp_path)
    blind = tuple(Utterance(f"v{n}", Path(), "", "sad", "s", "g", video=NO_VIDEO) for n in range(4))
    with pytest.raises(UserError, match="variant cross\\+video needs films, and no utterance of x has one"):
        VIDEO.require(Corpus("x", ("sad",), blind), ["cross+video"])
    for utterances in (seeing.utterances, (*seeing.utterances, *blind)):
        VIDEO.require(Corpus("x", ("sad",), utterances), ["cross+video"])
