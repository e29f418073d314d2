"""Speech encoders beyond wav2vec 2.0 and Whisper: what they make of audio is measured, and is what they then make."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from study.errors import UserError
from study.features.spec import EncoderSpec
from study.modalities import AUDIO

WIDTH, LAYERS = 16, 2
SIZES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 2 * WIDTH,
}


def save_wav2vec2_bert(folder: Path, adapter: bool = False) -> None:
    config = transformers.Wav2Vec2BertConfig(**SIZES, feature_projection_input_dim=160, add_adapter=adapter)
    transformers.Wav2Vec2BertModel(config).save_pretrained(folder)
    transformers.SeamlessM4TFeatureExtractor().save_pretrained(folder)


def save_parakeet(folder: Path) -> None:
    config = transformers.ParakeetEncoderConfig(**SIZES, subsampling_conv_channels=8)
    transformers.ParakeetEncoder(config).save_pretrained(folder)
    transformers.ParakeetFeatureExtractor().save_pretrained(folder)


def save_clap(folder: Path) -> None:
    audio = {"patch_embeds_hidden_size": 8, "hidden_size": 64, "depths": [1, 1, 1, 1], "window_size": 8}
    audio |= {"num_attention_heads": [1, 1, 2, 2]}
    text = {**SIZES, "vocab_size": 32}
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=8)
    transformers.ClapModel(config).save_pretrained(folder)
    transformers.ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad").save_pretrained(folder)


def save_ast(folder: Path) -> None:
    transformers.ASTModel(transformers.ASTConfig(**SIZES)).save_pretrained(folder)
    transformers.ASTFeatureExtractor().save_pretrained(folder)


# How each is saved, its dimensions, and the frames that a second of audio has.
FAMILIES = {
    "wav2vec2-bert": (save_wav2vec2_bert, WIDTH, 50.0),
    "wav2vec2-bert with adapter": (lambda folder: save_wav2vec2_bert(folder, adapter=True), WIDTH, 25.0),
    "parakeet": (save_parakeet, WIDTH, 12.5),
    "clap": (save_clap, 64, None),
    "ast": (save_ast, WIDTH, None),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def folder_of(family: str) -> Path:
        folder = tmp_path_factory.mktemp("more") / family.replace(" ", "-")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            FAMILIES[family][0](folder)
        return folder

    return folder_of


def noise(seconds: float, rate_hz: int) -> Tensor:
    return 0.1 * torch.randn(round(seconds * rate_hz), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", FAMILIES)
def test_frames_are_as_wide_and_as_many_as_measured(saved: Callable[[str], Path], family: str) -> None:
    _, dim, rate_hz = FAMILIES[family]
    encoder = AUDIO.open(EncoderSpec(str(saved(family))))
    assert encoder.dim == dim
    assert rate_hz is None or encoder.rate_hz == pytest.approx(rate_hz, rel=0.01)
    encoder.load()
    for seconds in (0.01, 1.0, 3.0):
        frames = encoder.encode(noise(seconds, encoder.sample_rate_hz))
        assert frames.shape[1] == dim
        assert abs(len(frames) - max(1.0, seconds * encoder.rate_hz)) <= 2
        assert bool(frames.isfinite().all())


@pytest.mark.parametrize("family", ["wav2vec2-bert", "parakeet"])
def test_a_layer_is_the_hidden_state_of_a_plain_call(saved: Callable[[str], Path], family: str) -> None:
    folder = saved(family)
    samples = noise(1.0, 16_000)
    inputs = transformers.AutoFeatureExtractor.from_pretrained(folder)(
        samples.numpy(), sampling_rate=16_000, return_tensors="pt"
    )
    with torch.inference_mode():
        model = transformers.AutoModel.from_pretrained(folder).eval()
        states = model(**inputs, output_hidden_states=True).hidden_states
    frames = AUDIO.open(EncoderSpec(str(folder), "1")).encode(samples)
    torch.testing.assert_close(frames, states[1][0][: len(frames)])


def test_long_audio_is_read_in_windows_and_keeps_its_rate(saved: Callable[[str], Path]) -> None:
    encoder = AUDIO.open(EncoderSpec(str(saved("wav2vec2-bert"))))
    frames = encoder.encode(noise(45.0, encoder.sample_rate_hz))
    assert abs(len(frames) - 45 * encoder.rate_hz) <= 3


def test_what_gives_no_frames_is_one_line(tmp_path: Path) -> None:
    transformers.EncodecModel(transformers.EncodecConfig(num_filters=4, hidden_size=16)).save_pretrained(tmp_path)
    transformers.EncodecFeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="a speech encoder gives hidden states"):
        AUDIO.open(EncoderSpec(str(tmp_path))).load()
