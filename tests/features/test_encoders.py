import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from study.errors import UserError
from study.features.layers import chosen_layer
from study.features.modality import Modality
from study.features.spec import EncoderSpec
from study.modalities import AUDIO, TEXT

TinyEncoder = Callable[[str], Path]
# By family: the rate of the output and its dimensions, and the rate of the layers; None where there are none.
SPEECH: dict[str, tuple[float, int, float | None]] = {
    **dict.fromkeys(
        ("wav2vec2", "wav2vec2-layer-norm", "hubert", "wavlm", "data2vec-audio", "whisper"), (50.0, 16, 50.0)
    ),
    "wav2vec2-adapter": (50 / 8, 24, 50.0),
    "sew": (50.0, 16, 25.0),
    "moonshine": (16_000 / (64 * 3 * 2), 16, 16_000 / (64 * 3 * 2)),
    "wav2vec2-bert": (50.0, 16, 50.0),
    "parakeet": (100 / 8, 16, 100 / 8),
    "speech-to-text": (100 / 4, 16, 100 / 4),
    "qwen2-audio": (25.0, 16, 50.0),
    "spectrogram-transformer": (5 / 0.64, 16, 5 / 0.64),  # (64 - 16) // 10 + 1 patches in 64 frames of 10 ms
    "clap": (32 / 10, 32, None),
}
SPEECH_FAMILIES = tuple(SPEECH)
LAYERED = tuple(family for family, (*_, rate) in SPEECH.items() if rate is not None)
TEXT_FAMILIES = ("bert", "roberta", "distilbert", "modernbert", "bart", "mbart", "pegasus")
TEXTS = ["hello there dog", "", "what a very good day this is", "cat", "hello dog"]


def noise(n_samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(n_samples, generator=torch.Generator().manual_seed(seed))


def direct_states(folder: Path, samples: Tensor) -> tuple[Tensor, ...]:
    """The hidden states and then the output of a plain call of transformers, without this project's code."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = extractor(samples.numpy(), sampling_rate=extractor.sampling_rate, return_tensors="pt")
    model: Any = transformers.AutoModel.from_pretrained(folder).eval()
    part = {"clap": "audio_model", "parakeet_ctc": "encoder"}.get(model.config.model_type)
    model = getattr(model, part) if part else model.get_encoder() if hasattr(model, "decoder") else model
    with torch.no_grad():
        output = model(**inputs, output_hidden_states=True)
    return tuple(in_time(state[0], model) for state in (*output.hidden_states, output.last_hidden_state))


def in_time(state: Tensor, model: Any) -> Tensor:
    """Frames of an output of one utterance, of which some kinds have several at a time."""
    if isinstance(model, transformers.ClapAudioModel):  # [dim, frequency, time]; its layers are pictures
        return torch.stack([state[:, :, time].sum(1) / state.shape[1] for time in range(state.shape[2])])
    if isinstance(model, transformers.ASTModel):  # two tokens, and then times of the first frequency
        n_times, n_bands = 5, (128 - 16) // 10 + 1
        of_time = [state[[2 + band * n_times + time for band in range(n_bands)]] for time in range(n_times)]
        return torch.stack([patches.sum(0) / n_bands for patches in of_time])
    return state


@pytest.mark.parametrize("family", SPEECH_FAMILIES)
def test_a_layer_is_that_hidden_state_of_a_direct_call(tiny_encoder: TinyEncoder, family: str) -> None:
    samples = noise(9600)
    expected = direct_states(tiny_encoder(family), samples)
    layers = ("0", "1", "2", "3", "last")
    for layer, states in zip(layers, expected, strict=True) if family in LAYERED else [("last", expected[-1])]:
        frames = AUDIO.open(EncoderSpec(str(tiny_encoder(family)), layer)).encode(samples)
        assert torch.allclose(frames, states[: len(frames)], atol=1e-5)


@pytest.mark.parametrize("family", LAYERED)
def test_a_mean_of_layers_is_their_mean(tiny_encoder: TinyEncoder, family: str) -> None:
    samples = noise(9600)
    expected = torch.stack(direct_states(tiny_encoder(family), samples)[1:3]).mean(0)
    frames = AUDIO.open(EncoderSpec(str(tiny_encoder(family)), "mean:1-2")).encode(samples)
    assert torch.allclose(frames, expected[: len(frames)], atol=1e-5)


def test_a_mean_of_layers_at_two_rates_is_refused(tiny_encoder: TinyEncoder) -> None:
    """The library gives the pooled output as the last layer."""
    with pytest.raises(UserError, match=r"layers that are averaged are of one shape, found \[1, 50, 16\] and \[1, 25"):
        AUDIO.open(EncoderSpec(str(tiny_encoder("qwen2-audio")), "mean:1-3")).load()


@pytest.mark.parametrize("family", SPEECH_FAMILIES)
def test_frames_do_not_depend_on_what_was_encoded_before(tiny_encoder: TinyEncoder, family: str) -> None:
    encoder = AUDIO.open(EncoderSpec(str(tiny_encoder(family))))
    alone = encoder.encode(noise(8000))
    encoder.encode(noise(12_345, seed=1))
    assert torch.equal(encoder.encode(noise(8000)), alone)


@pytest.mark.parametrize("family", SPEECH_FAMILIES)
@pytest.mark.parametrize("n_samples", [1, 160, 401])
def test_audio_however_short_has_a_frame(tiny_encoder: TinyEncoder, family: str, n_samples: int) -> None:
    encoder = AUDIO.open(EncoderSpec(str(tiny_encoder(family))))
    frames = encoder.encode(noise(n_samples))
    assert len(frames) >= 1
    assert frames.shape[1] == encoder.dim == SPEECH[family][1]
    assert frames.isfinite().all()


@pytest.mark.parametrize("family", SPEECH_FAMILIES)
def test_the_rate_is_measured_without_weights_and_is_that_of_the_frames(
    tiny_encoder: TinyEncoder, tmp_path: Path, family: str
) -> None:
    rate_hz, dim, rate_of_layers = SPEECH[family]
    empty = Path(shutil.copytree(tiny_encoder(family), tmp_path / "m"))
    (empty / "model.safetensors").write_bytes(b"")
    for layer, own_hz in (("last", rate_hz), ("1", rate_of_layers)):
        spec = EncoderSpec(str(empty), layer)
        if own_hz is None:
            with pytest.raises(UserError, match="a clap model, gives its output alone, found layer 1; leave it out"):
                AUDIO.open(spec)
            continue
        found = AUDIO.open(spec)
        assert (found.rate_hz, found.dim) == (own_hz, dim if layer == "last" else 16)
        encoder = AUDIO.open(replace(spec, name=str(tiny_encoder(family))))
        encoder.load()
        for seconds in (1, 10):
            frames = encoder.encode(noise(seconds * encoder.sample_rate_hz))
            assert len(frames) == pytest.approx(seconds * own_hz, abs=2)
            assert frames.shape[1] == found.dim


@pytest.mark.parametrize("n_samples", [1, 5000, 16_000, 16_001, 40_000])
def test_whisper_has_frames_for_the_true_length_only(tiny_encoder: TinyEncoder, n_samples: int) -> None:
    frames = AUDIO.open(EncoderSpec(str(tiny_encoder("whisper")))).encode(noise(n_samples))
    assert len(frames) == math.ceil(n_samples / 320)


def test_whisper_reads_a_long_utterance_in_windows(tiny_encoder: TinyEncoder) -> None:
    encoder = AUDIO.open(EncoderSpec(str(tiny_encoder("whisper"))))
    samples = noise(40_000)
    pieces = [
        encoder.encode(samples[:16_000]),
        encoder.encode(samples[16_000:32_000]),
        encoder.encode(samples[32_000:]),
    ]
    assert torch.equal(encoder.encode(samples), torch.cat(pieces))


def direct_tokens(folder: Path, texts: list[str]) -> list[tuple[Tensor, Tensor]]:
    """Token states without the first and last (both special), and the first state, of each text alone."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        encoder = model.get_encoder() if hasattr(model, "decoder") else model
        states = [encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in texts]
    return [((each[1:-1] if len(each) > 2 else each), each[0]) for each in states]


@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_a_text_in_a_batch_is_as_if_alone(tiny_encoder: TinyEncoder, family: str) -> None:
    encoded = TEXT.open(EncoderSpec(str(tiny_encoder(family)))).encode(TEXTS * 5)
    expected = direct_tokens(tiny_encoder(family), TEXTS) * 5
    for (tokens, sentence), (expected_tokens, expected_sentence) in zip(encoded, expected, strict=True):
        assert tokens.shape == expected_tokens.shape
        assert torch.allclose(tokens, expected_tokens, atol=1e-5)
        assert torch.allclose(sentence, expected_sentence, atol=1e-5)


@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_an_empty_text_has_tokens(tiny_encoder: TinyEncoder, family: str) -> None:
    ((tokens, sentence),) = TEXT.open(EncoderSpec(str(tiny_encoder(family)))).encode([""])
    assert len(tokens) >= 1
    assert sentence.isfinite().all()


@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_a_long_text_is_cut_at_the_models_limit(tiny_encoder: TinyEncoder, family: str) -> None:
    ((tokens, _),) = TEXT.open(EncoderSpec(str(tiny_encoder(family)))).encode(["cat " * 1000])
    assert len(tokens) == 40 - 2


@pytest.mark.parametrize("layer", ["4", "mean:1-4", "mean:3-2", "-1", "mean:1", "first", "", "1.5"])
def test_a_layer_that_is_not_there_is_refused(tiny_encoder: TinyEncoder, layer: str) -> None:
    with pytest.raises(UserError, match=r"layer.*3"):
        AUDIO.open(EncoderSpec(str(tiny_encoder("wavlm")), layer))


@pytest.mark.parametrize(
    ("layer", "chosen"),
    [
        ("last", ()),
        ("0", (range(0, 1),)),
        ("mean:1-12", (range(1, 13),)),
        ("weighted", (range(0, 4), range(4, 7), range(7, 10), range(10, 13))),
        ("weighted:13", tuple(range(n, n + 1) for n in range(13))),
    ],
)
def test_how_layers_are_written(layer: str, chosen: tuple[range, ...]) -> None:
    assert chosen_layer(layer, 12).bands == chosen


def test_identity_tells_weights_and_layers_apart_but_not_folders(tiny_encoder: TinyEncoder, tmp_path: Path) -> None:
    original = tiny_encoder("wavlm")
    moved = shutil.copytree(original, tmp_path / original.name)
    identity = AUDIO.open(EncoderSpec(str(original), "2")).identity
    assert AUDIO.open(EncoderSpec(str(moved), "2")).identity == identity
    assert AUDIO.open(EncoderSpec(str(moved), "1")).identity != identity
    weights = load_file(moved / "model.safetensors")
    weights["encoder.layers.0.final_layer_norm.bias"][0] += 1
    save_file(weights, moved / "model.safetensors", {"format": "pt"})
    assert AUDIO.open(EncoderSpec(str(moved), "2")).identity != identity


def damaged(folder: Path, tmp_path: Path, damage: Callable[[Path], None]) -> str:
    copy = shutil.copytree(folder, tmp_path / folder.name)
    damage(copy)
    return str(copy)


def without_a_tensor(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layers.1.attention.q_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("damage", [without_a_tensor, cut_short])
def test_weights_with_a_gap_are_refused_and_not_filled_with_random_numbers(
    tiny_encoder: TinyEncoder, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    encoder = AUDIO.open(EncoderSpec(damaged(tiny_encoder("hubert"), tmp_path, damage)))
    with pytest.raises(UserError, match="tiny-hubert"):
        encoder.load()


def with_broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def with_its_own_code(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}')
    (folder / "own.py").write_text("raise SystemExit('ran')")


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize("damage", [with_broken_config, with_its_own_code, without_weights])
def test_a_folder_that_is_not_a_model_is_refused_in_one_line(
    tiny_encoder: TinyEncoder, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    with pytest.raises(UserError, match="tiny-bert") as refusal:
        TEXT.open(EncoderSpec(damaged(tiny_encoder("bert"), tmp_path, damage)))
    assert "\n" not in str(refusal.value)


def test_a_text_encoder_is_not_a_speech_encoder(tiny_encoder: TinyEncoder) -> None:
    with pytest.raises(UserError, match="speech encoder"):
        AUDIO.open(EncoderSpec(str(tiny_encoder("bert"))))
    with pytest.raises(UserError, match="text encoder"):
        TEXT.open(EncoderSpec(str(tiny_encoder("hubert"))))


@pytest.mark.parametrize("modality", [AUDIO, TEXT], ids=lambda modality: modality.name)
def test_an_unreachable_hub_id_is_reported_in_one_line(
    modality: Modality[Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="`hf download nobody/none-such`") as refusal:
        modality.open(EncoderSpec("nobody/none-such"))
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_a_path_that_is_not_there_is_not_looked_for_on_the_hub() -> None:
    with pytest.raises(UserError, match="neither a folder"):
        AUDIO.open(EncoderSpec("./no/such/folder"))


def test_loading_is_quiet(tiny_encoder: TinyEncoder, capfd: pytest.CaptureFixture[str]) -> None:
    folder = str(tiny_encoder("wav2vec2"))
    capfd.readouterr()
    AUDIO.open(EncoderSpec(folder)).load()
    assert capfd.readouterr() == ("", "")
