"""Encoders in bfloat16: close to float32, separate in the cache."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from study.corpus.utterance import Corpus
from study.features.pack import Pack
from study.features.prepare import pack_of
from study.features.spec import EncoderSpec
from study.modalities import AUDIO, TEXT

TinyEncoder = Callable[[str], Path]
TOLERANCE = 0.05  # bfloat16 has 8 bits: a rounding is .004, and layers add up


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2-layer-norm", "hubert", "wavlm", "data2vec-audio", "whisper"])
def test_speech_in_bfloat16_is_close_and_not_equal(tiny_encoder: TinyEncoder, family: str) -> None:
    spec = EncoderSpec(str(tiny_encoder(family)))
    samples = 0.1 * torch.randn(9600, generator=torch.Generator().manual_seed(0))
    exact, half = AUDIO.open(spec), AUDIO.open(replace(spec, dtype="bfloat16"))
    found = half.encode(samples)
    assert found.dtype == torch.float32
    assert 0 < distance(found, exact.encode(samples)) < TOLERANCE
    assert (half.dim, half.rate_hz, half.sample_rate_hz) == (exact.dim, exact.rate_hz, exact.sample_rate_hz)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_words_in_bfloat16_are_close_and_not_equal(tiny_encoder: TinyEncoder, family: str) -> None:
    spec = EncoderSpec(str(tiny_encoder(family)))
    texts = ["hello there dog", "", "what a very good day this is"]
    exact = TEXT.open(spec).encode(texts)
    found = TEXT.open(replace(spec, dtype="bfloat16")).encode(texts)
    for (tokens, sentence), (own_tokens, own_sentence) in zip(found, exact, strict=True):
        assert tokens.dtype == sentence.dtype == torch.float32
        assert 0 < distance(tokens, own_tokens) < TOLERANCE
        assert distance(sentence, own_sentence) < TOLERANCE


def test_a_precision_has_a_pack_of_its_own(tones: Corpus, tiny_encoder: TinyEncoder, tmp_path: Path) -> None:
    own = EncoderSpec(str(tiny_encoder("hubert")))
    half = replace(own, dtype="bfloat16")
    specs = [own, replace(own, dtype="float32"), half, replace(half, rate_hz=25.0)]
    paths = [pack_of(tones, AUDIO, spec, tmp_path) for spec in specs]
    assert paths[0] == paths[1]
    assert len(set(paths)) == 3
    identities = [Pack.open(path).metadata["encoder"] for path in paths]
    assert [each["dtype"] for each in identities] == ["float32", "float32", "bfloat16", "bfloat16"]
    assert identities[3]["frames_averaged"] == 2
    assert {**identities[2], "dtype": "float32"} == identities[0]
