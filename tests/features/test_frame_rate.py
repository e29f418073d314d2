"""Frames averaged to a lower rate: their values, their number, their rate, and that no pack is taken for another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.extract import Progress
from study.features.frame_rate import averaged
from study.features.pack import Pack
from study.features.prepare import pack_of, prepare
from study.features.spec import EncoderSpec
from study.modalities import AUDIO


@pytest.mark.parametrize(
    ("n_frames", "together", "cuts"),
    [(1, 4, []), (3, 4, []), (4, 4, []), (7, 4, []), (8, 4, [4]), (5, 2, [2]), (6, 2, [2, 4]), (3, 1, [1, 2])],
)
def test_leftover_frames_join_the_last_mean(n_frames: int, together: int, cuts: list[int]) -> None:
    frames = torch.randn(n_frames, 3)
    bounds = [0, *cuts, n_frames]
    expected = [frames[a:b].sum(0) / (b - a) for a, b in pairwise(bounds)]
    torch.testing.assert_close(averaged(frames, together), torch.stack(expected))


@pytest.mark.parametrize(("rate_hz", "together"), [(50.0, 1), (25.0, 2), (12.5, 4)])
def test_an_encoder_at_a_lower_rate_gives_means_of_its_frames(
    tiny_encoder: Callable[[str], Path], rate_hz: float, together: int
) -> None:
    spec = EncoderSpec(str(tiny_encoder("wavlm")))
    encoder, slow = AUDIO.open(spec), AUDIO.open(replace(spec, rate_hz=rate_hz))
    samples = torch.randn(16_000)
    frames = encoder.encode(samples)  # 49
    assert slow.rate_hz == rate_hz
    assert slow.dim == encoder.dim
    found = slow.encode(samples)
    assert len(found) == 49 // together
    # Frames are kept in float16, and averaged as they are kept.
    torch.testing.assert_close(found[1], frames[together : 2 * together].mean(0), atol=2e-3, rtol=1e-3)


def test_every_rate_has_a_pack_of_its_own_and_the_native_one_shares_it(
    tones: Corpus, tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    spec = EncoderSpec(str(tiny_encoder("hubert")))
    rates = (None, 50.0, 25.0, 12.5)
    paths = {rate: pack_of(tones, AUDIO, replace(spec, rate_hz=rate), tmp_path) for rate in rates}
    assert paths[None] == paths[50.0]
    assert len(set(paths.values())) == 3
    counts = {rate: len(Pack.open(path).frames) for rate, path in paths.items()}
    assert counts[None] > 1.8 * counts[25.0] > 3 * counts[12.5]


@pytest.mark.parametrize("rate_hz", [50.0, 25.0])
def test_a_rate_above_the_encoders_own_is_refused(rate_hz: float) -> None:
    with pytest.raises(UserError, match=r"logmel has 12\.5 per second; found (50|25), choose 12\.5"):
        AUDIO.open(EncoderSpec("logmel", rate_hz=rate_hz))


@dataclass
class Counting:
    """Frames of 20 ms from the samples themselves, which the encoder counts as it encodes them."""

    encoded: list[int] = field(default_factory=list)
    dim: int = 2
    rate_hz: float = 50.0
    sample_rate_hz: int = 16_000

    @property
    def identity(self) -> Mapping[str, object]:
        return {"name": "counting"}

    def load(self) -> None:
        raise AssertionError("there are no weights")

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        self.encoded.append(len(samples))
        frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
        return torch.stack([frames.mean(1), 1000 * frames.std(1)], dim=1)


class Loaded(Counting):
    """The same, loaded before use."""

    def load(self) -> None:
        """Does nothing."""


def test_averages_of_frames_in_a_pack_are_not_encoded_again_and_are_equal_to_those_that_are(
    tones: Corpus, tmp_path: Path
) -> None:
    counting, unloadable = Loaded(), Counting()
    modality = replace(AUDIO, built_in={"counting": lambda: counting})
    own, slow = EncoderSpec("counting"), EncoderSpec("counting", rate_hz=25.0)
    encoded = pack_of(tones, modality, slow, tmp_path / "alone")
    assert len(counting.encoded) == len(tones.utterances)
    pack_of(tones, modality, own, tmp_path / "both")
    known = replace(AUDIO, built_in={"counting": lambda: unloadable})
    calls: list[Progress] = []
    from_pack = pack_of(tones, known, slow, tmp_path / "both", on_progress=calls.append)
    assert not unloadable.encoded
    assert calls[-1].utterances_done == len(tones.utterances)
    assert from_pack.read_bytes() == encoded.read_bytes()


def test_only_utterances_that_the_own_rates_pack_lacks_are_encoded(tones: Corpus, tmp_path: Path) -> None:
    counting = Loaded()
    modality = replace(AUDIO, built_in={"counting": lambda: counting})
    own, slow = EncoderSpec("counting"), EncoderSpec("counting", rate_hz=12.5)
    pack_of(replace(tones, utterances=tones.utterances[::2]), modality, own, tmp_path / "some")
    counting.encoded.clear()
    mixed = pack_of(tones, modality, slow, tmp_path / "some")
    assert len(counting.encoded) == len(tones.utterances) // 2
    assert mixed.read_bytes() == pack_of(tones, modality, slow, tmp_path / "none").read_bytes()


def _same(counting: Counting) -> Counting:
    return counting


def test_several_rates_cost_one_encoding_whatever_their_order(tones: Corpus, tmp_path: Path) -> None:
    for name, rates in (("falling", (50.0, 25.0, 12.5)), ("rising", (12.5, 25.0, 50.0))):
        counting = Loaded()
        modality = replace(AUDIO, built_in={"counting": partial(_same, counting)})
        prepare(tones, modality, [EncoderSpec("counting", rate_hz=rate) for rate in rates], tmp_path / name)
        assert len(counting.encoded) == len(tones.utterances)
