"""Encoders in bfloat16: close to float32, told apart by name and cache, refused where there are no weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from study.cli import _parser
from study.corpus.encoders import open_audio_encoder, open_text_encoder
from study.corpus.features import prepare
from study.corpus.frame_rate import with_rate
from study.corpus.pack import Pack
from study.corpus.precision import split_dtype, with_dtype
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.settings import from_arguments

TinyEncoder = Callable[[str], Path]
TOLERANCE = 0.05  # bfloat16 has 8 bits: a rounding is .004, and layers add up


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2-layer-norm", "hubert", "wavlm", "data2vec-audio", "whisper"])
def test_speech_in_bfloat16_is_close_and_not_equal(tiny_encoder: TinyEncoder, family: str) -> None:
    folder = str(tiny_encoder(family))
    samples = 0.1 * torch.randn(9600, generator=torch.Generator().manual_seed(0))
    exact, half = open_audio_encoder(folder), open_audio_encoder(with_dtype(folder, "bfloat16"))
    found = half.encode(samples)
    assert found.dtype == torch.float32
    assert 0 < distance(found, exact.encode(samples)) < TOLERANCE
    assert (half.dim, half.rate_hz, half.sample_rate_hz) == (exact.dim, exact.rate_hz, exact.sample_rate_hz)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_words_in_bfloat16_are_close_and_not_equal(tiny_encoder: TinyEncoder, family: str) -> None:
    folder = str(tiny_encoder(family))
    texts = ["hello there dog", "", "what a very good day this is"]
    exact = open_text_encoder(folder).encode(texts)
    found = open_text_encoder(with_dtype(folder, "bfloat16")).encode(texts)
    for (tokens, sentence), (own_tokens, own_sentence) in zip(found, exact, strict=True):
        assert tokens.dtype == sentence.dtype == torch.float32
        assert 0 < distance(tokens, own_tokens) < TOLERANCE
        assert distance(sentence, own_sentence) < TOLERANCE


def test_a_precision_has_a_pack_of_its_own(tones: Corpus, tiny_encoder: TinyEncoder, tmp_path: Path) -> None:
    folder = str(tiny_encoder("hubert"))
    specs = [folder, with_dtype(folder, "float32"), with_dtype(folder, "bfloat16")]
    specs.append(with_rate(specs[-1], "25"))
    paths = [prepare(tones, "audio", spec, "last", tmp_path) for spec in specs]
    assert paths[0] == paths[1]
    assert len(set(paths)) == 3
    identities = [Pack.open(path).metadata["encoder"] for path in paths]
    assert [each["dtype"] for each in identities] == ["float32", "float32", "bfloat16", "bfloat16"]
    assert identities[3]["frames_averaged"] == 2
    assert {**identities[2], "dtype": "float32"} == identities[0]


@pytest.mark.parametrize("opened", [open_audio_encoder, open_text_encoder], ids=["audio", "text"])
def test_an_encoder_without_weights_is_refused(opened: Callable[[str], object]) -> None:
    name = "logmel" if opened is open_audio_encoder else "hash"
    with pytest.raises(UserError, match=f"encoders with weights, and {name} has none"):
        opened(f"{name}@bfloat16")


def test_names_with_and_without_a_precision_are_told_apart() -> None:
    assert split_dtype(with_dtype("a/b", "bfloat16")) == ("a/b", "bfloat16")
    assert split_dtype(with_dtype("a/b", "float32")) == ("a/b", "float32")
    assert split_dtype("@bfloat16") == ("@bfloat16", "float32")


def test_the_option_means_the_encoders_with_weights() -> None:
    def encoders(*options: str) -> tuple[str, str]:
        named = from_arguments(_parser().parse_args(["run", *options])).encoders()
        return named["audio"], named["text"]

    half = ("--encoder-dtype", "bfloat16")
    assert encoders("--corpus", "c.csv", *half, "--frame-rate", "25") == (
        "microsoft/wavlm-base-plus@bfloat16@25Hz",
        "bert-base-uncased@bfloat16",
    )
    assert encoders("--text-encoder", "my/bert", *half) == ("logmel", "my/bert@bfloat16")
    assert encoders("--encoder-dtype", "float32") == ("logmel", "hash")
    with pytest.raises(UserError, match=r"--encoder-dtype expects float32 .*; found bfloat16"):
        encoders(*half)
