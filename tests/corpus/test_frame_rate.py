"""Frames averaged to a lower rate: their values, their number, their rate, and that no pack is taken for another."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from study.corpus.encoders import open_audio_encoder
from study.corpus.features import prepare
from study.corpus.frame_rate import averaged, split_rate, with_rate
from study.corpus.pack import Pack
from study.corpus.utterance import Corpus
from study.errors import UserError


@pytest.mark.parametrize(
    ("n_frames", "together", "cuts"),
    [(1, 4, []), (3, 4, []), (4, 4, []), (7, 4, []), (8, 4, [4]), (5, 2, [2]), (6, 2, [2, 4]), (3, 1, [1, 2])],
)
def test_leftover_frames_join_the_last_mean(n_frames: int, together: int, cuts: list[int]) -> None:
    frames = torch.randn(n_frames, 3)
    bounds = [0, *cuts, n_frames]
    expected = [frames[a:b].sum(0) / (b - a) for a, b in pairwise(bounds)]
    torch.testing.assert_close(averaged(frames, together), torch.stack(expected))


@pytest.mark.parametrize(("rate", "together"), [("50", 1), ("25", 2), ("12.5", 4)])
def test_an_encoder_at_a_lower_rate_gives_means_of_its_frames(
    tiny_encoder: Callable[[str], Path], rate: str, together: int
) -> None:
    folder = str(tiny_encoder("wavlm"))
    encoder, slow = open_audio_encoder(folder), open_audio_encoder(with_rate(folder, rate))
    samples = torch.randn(16_000)
    frames = encoder.encode(samples)  # 49
    assert slow.rate_hz == float(rate)
    assert slow.dim == encoder.dim
    found = slow.encode(samples)
    assert len(found) == 49 // together
    torch.testing.assert_close(found[1], frames[together : 2 * together].mean(0))


def test_every_rate_has_a_pack_of_its_own_and_the_native_one_shares_it(
    tones: Corpus, tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = str(tiny_encoder("hubert"))
    paths = {
        rate: prepare(tones, "audio", with_rate(folder, rate), "last", tmp_path) for rate in (None, "50", "25", "12.5")
    }
    assert paths[None] == paths["50"]
    assert len(set(paths.values())) == 3
    counts = {rate: len(Pack.open(path).frames) for rate, path in paths.items()}
    assert counts[None] > 1.8 * counts["25"] > 3 * counts["12.5"]


@pytest.mark.parametrize("rate", ["50", "25"])
def test_a_rate_above_the_encoders_own_is_refused(rate: str) -> None:
    with pytest.raises(UserError, match=r"logmel has 12\.5 per second; found (50|25), choose 12\.5"):
        open_audio_encoder(with_rate("logmel", rate))


def test_names_with_and_without_a_rate_are_told_apart() -> None:
    assert split_rate("a/b@25Hz") == ("a/b", 25.0)
    assert split_rate("a/b@12.5Hz") == ("a/b", 12.5)
    assert split_rate("folder@30Hz") == ("folder@30Hz", None)
    assert split_rate(with_rate("logmel", None)) == ("logmel", None)
