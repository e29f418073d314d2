from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from study.errors import UserError
from study.features.hashed_words import HashedWords
from study.features.logmel import ENERGY, PITCH, VOICING, LogMel
from study.features.modality import Modality
from study.features.spec import EncoderSpec
from study.modalities import AUDIO, TEXT

TOPICS = (
    "dog cat horse cow sheep goat rabbit mouse duck goose",
    "rain snow wind storm cloud thunder sunshine fog frost breeze",
    "bread cheese apple soup butter pepper onion rice potato honey",
)
COMMON = "the a is was there and then it very quite".split()


def voice(pitch_hz: torch.Tensor) -> torch.Tensor:
    """One second of a sound with the fundamental `pitch_hz` (one value or one per sample) and three overtones."""
    phase = 2 * torch.pi * torch.cumsum(pitch_hz.double().expand(16_000) / 16_000, 0)
    return sum(0.1 / k * torch.sin(k * phase) for k in (1, 2, 3, 4)).float()


@pytest.mark.parametrize("pitch_hz", [70.0, 100.0, 150.0, 220.0, 330.0, 480.0])
def test_pitch_of_a_steady_voice_is_its_fundamental(pitch_hz: float) -> None:
    frames = LogMel().encode(voice(torch.tensor(pitch_hz)))[2:-2]
    assert torch.allclose(100 * 2 ** frames[:, PITCH], torch.tensor(pitch_hz), rtol=0.01)
    assert (frames[:, VOICING] > 0.9).all()


def test_pitch_follows_a_rising_voice() -> None:
    frames = LogMel().encode(voice(torch.linspace(100, 200, 16_000)))
    middle = 100 + 100 * (torch.arange(len(frames)) + 0.25) / 12.5  # of windows centred on 0 and 40 ms
    assert torch.allclose(100 * 2 ** frames[1:-1, PITCH], middle[1:-1], rtol=0.02)


def test_noise_is_less_voiced_than_a_voice() -> None:
    noise = 0.1 * torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    assert LogMel().encode(noise)[:, VOICING].max() < 0.45


def test_pitch_is_carried_over_an_unvoiced_gap() -> None:
    samples = voice(torch.tensor(200.0))
    samples[6000:10_000] = 0
    frames = LogMel().encode(samples)
    assert torch.allclose(frames[1:-1, PITCH], torch.ones(()), atol=0.05)
    assert frames[6, VOICING] == 0


def test_twice_the_amplitude_adds_log_four_to_the_energy() -> None:
    samples = voice(torch.tensor(150.0))
    rise = LogMel().encode(2 * samples)[:, ENERGY] - LogMel().encode(samples)[:, ENERGY]
    assert torch.allclose(rise, torch.tensor(4.0).log(), atol=1e-4)


def test_a_higher_tone_is_loudest_in_a_higher_band() -> None:
    time = torch.arange(16_000) / 16_000
    loudest = [
        int(LogMel().encode(torch.sin(2 * torch.pi * tone * time))[5, :ENERGY].argmax()) for tone in (200, 800, 3200)
    ]
    assert loudest == sorted(set(loudest))


@pytest.mark.parametrize("n_samples", [1, 160, 16_000])
def test_logmel_gives_12_and_a_half_frames_a_second_and_at_least_one(n_samples: int) -> None:
    encoder = AUDIO.open(EncoderSpec("logmel"))
    frames = encoder.encode(torch.zeros(n_samples))
    assert frames.shape == (max(1, (1 + n_samples // 640) // 2), encoder.dim)
    assert frames.isfinite().all()


@pytest.mark.parametrize("name", AUDIO.built_in)
@pytest.mark.parametrize("n_samples", [1, 160, 16_000])
def test_every_built_in_audio_encoder_gives_finite_frames_of_its_size(name: str, n_samples: int) -> None:
    encoder, again = AUDIO.open(EncoderSpec(name)), AUDIO.open(EncoderSpec(name))
    samples = 0.1 * torch.randn(n_samples, generator=torch.Generator().manual_seed(0))
    frames = encoder.encode(samples)
    assert len(frames) >= 1
    assert frames.shape[1] == encoder.dim
    assert frames.isfinite().all()
    assert torch.equal(again.encode(samples), frames)
    assert encoder.identity == again.identity
    assert encoder.identity["name"] == name
    assert encoder.rate_hz > 0


@pytest.mark.parametrize("name", TEXT.built_in)
@pytest.mark.parametrize("text", ["", "[]", "Not again, please!"])
def test_every_built_in_text_encoder_gives_finite_vectors_of_its_size(name: str, text: str) -> None:
    encoder = TEXT.open(EncoderSpec(name))
    ((tokens, sentence),) = encoder.encode([text])
    assert len(tokens) >= 1
    assert tokens.shape[1] == len(sentence) == encoder.dim
    assert tokens.isfinite().all()
    assert sentence.isfinite().all()
    assert encoder.identity["name"] == name


@pytest.mark.parametrize("modality", [AUDIO, TEXT], ids=lambda modality: modality.name)
def test_built_in_encoders_have_no_layers_and_no_precision_to_choose(modality: Modality[Any]) -> None:
    for name in modality.built_in:
        with pytest.raises(UserError, match=f"{name} has no layers"):
            modality.open(EncoderSpec(name, "3"))
        with pytest.raises(UserError, match=f"encoders with weights, and {name} has none"):
            modality.open(EncoderSpec(name, dtype="bfloat16"))


@pytest.mark.parametrize("text", ["", "   ", "...", "[]"])
def test_a_text_without_words_has_one_token_of_zeros(text: str) -> None:
    ((tokens, sentence),) = HashedWords().encode([text])
    assert torch.equal(tokens, torch.zeros(1, HashedWords.dim))
    assert torch.equal(sentence, torch.zeros(HashedWords.dim))


def test_one_vector_per_word_and_the_sentence_is_their_mean() -> None:
    ((tokens, sentence),) = TEXT.open(EncoderSpec("hash")).encode(["Don't you dare!"])
    assert tokens.shape == (4, 128)
    assert torch.allclose(sentence, tokens.mean(0))


def test_letter_case_does_not_matter_and_word_order_changes_only_the_order() -> None:
    (upper, _), (lower, _) = HashedWords().encode(["GO Home", "home go"])
    assert torch.equal(upper, lower.flip(0))


def test_words_of_like_spelling_are_alike_and_others_are_not() -> None:
    ((tokens, _),) = HashedWords().encode(["angry angrily table"])
    alike, unlike = torch.cosine_similarity(tokens[0], tokens[1:], dim=-1).tolist()
    assert alike > 0.15
    assert abs(unlike) < 0.25
    assert alike > unlike


def test_a_linear_model_tells_topics_apart_by_the_mean_token() -> None:
    generator = np.random.default_rng(0)
    topics = generator.integers(3, size=300)
    texts = [
        " ".join(generator.permutation([*generator.choice(TOPICS[t].split(), 2), *generator.choice(COMMON, 6)]))
        for t in topics
    ]
    means = torch.stack([tokens.mean(0) for tokens, _ in HashedWords().encode(texts)]).numpy()
    model = LogisticRegression(max_iter=1000).fit(means[:150], topics[:150])
    assert model.score(means[150:], topics[150:]) > 0.95


def test_words_have_the_vectors_that_they_had_in_other_processes_on_other_machines_and_in_earlier_releases() -> None:
    """The signs of each word's vector, as another process with another hash seed had it."""
    ((tokens, _),) = HashedWords().encode(["so Angry today?"])
    assert [np.packbits(word > 0).tobytes().hex() for word in tokens[:3].numpy()] == [
        "898963ede51e7443e318981714481c4e",
        "4b72fb719e8002d555faadbce424b2d1",
        "4da2d652205ca5e86a8fb52353ecfb82",
    ]


def test_a_long_word_does_not_fill_memory() -> None:
    ((tokens, _),) = HashedWords().encode(["x" * 1_000_000])
    assert tokens.shape == (1, 128)
