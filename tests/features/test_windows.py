"""Long utterances in windows: every frame once, near what a whole pass gives, and no pack that mixes both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from rich.console import Console
from torch import Tensor

from study.corpus.check import check
from study.corpus.check_view import render
from study.corpus.lengths import CONTEXT_SECONDS, CORE_SECONDS, WHOLE_SECONDS
from study.corpus.options import CorpusOptions
from study.corpus.utterance import Corpus, Utterance
from study.features.audio import audio_contents
from study.features.pack import Pack
from study.features.prepare import pack_of
from study.features.spec import EncoderSpec
from study.features.windows import READING, windows
from study.modalities import AUDIO

RATE_HZ = 50.0


@given(n_frames=st.integers(1, 40_000))
def test_every_frame_is_in_one_core_with_its_context_around_it(n_frames: int) -> None:
    kept: list[int] = []
    for window in windows(n_frames, RATE_HZ):
        frames = range(window.first, window.last)
        core = frames[window.core]
        kept += core
        assert len(core) <= CORE_SECONDS * RATE_HZ
        assert len(frames) <= WHOLE_SECONDS * RATE_HZ
        assert window.first == max(0, core[0] - CONTEXT_SECONDS * RATE_HZ)
        assert window.last == min(n_frames, core[-1] + 1 + CONTEXT_SECONDS * RATE_HZ)
    assert kept == list(range(n_frames))


def whole_pass(folder: Path, samples: Tensor) -> Tensor:
    """The frames of a plain call of transformers on all samples."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = extractor(samples.numpy(), sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        model = transformers.AutoModel.from_pretrained(folder).eval()
        is_encoder = not hasattr(model, "decoder") and "ForCTC" not in type(model).__name__
        encoder = model if is_encoder else model.encoder
        frames: Tensor = encoder(**inputs).last_hidden_state[0]
    return frames


@pytest.mark.parametrize(
    "family", ["wav2vec2", "wav2vec2-layer-norm", "data2vec-audio", "wav2vec2-adapter", "parakeet", "moonshine"]
)
def test_windows_give_nearly_the_frames_of_a_whole_pass(tiny_encoder: Callable[[str], Path], family: str) -> None:
    generator = torch.Generator().manual_seed(0)
    samples = 0.1 * torch.randn(round(67.01 * 16_000), generator=generator)
    expected = whole_pass(tiny_encoder(family), samples)
    found = AUDIO.open(EncoderSpec(str(tiny_encoder(family)))).encode(samples)
    assert found.shape == expected.shape
    error = (found - expected).norm(dim=1) / expected.norm(dim=1)
    neighbours = (expected[1:] - expected[:-1]).norm(dim=1) / expected[1:].norm(dim=1)
    # Attention is over all frames, so none is equal; but neighbours differ by far more.
    assert error.median() < min(0.03, neighbours.median() / 10)
    assert error.max() < 0.15


def test_up_to_the_stated_length_an_utterance_is_read_whole(tiny_encoder: Callable[[str], Path]) -> None:
    samples = 0.1 * torch.randn(round(WHOLE_SECONDS * 16_000), generator=torch.Generator().manual_seed(1))
    folder = tiny_encoder("wav2vec2")
    found = AUDIO.open(EncoderSpec(str(folder))).encode(samples)
    torch.testing.assert_close(found, whole_pass(folder, samples), atol=1e-5, rtol=1e-4)


@dataclass
class Reading:
    """An encoder whose frame is the utterance's length, and which counts what it encodes."""

    long_reading: str = ""
    encoded: list[int] = field(default_factory=list)
    dim: int = 1
    rate_hz: float = 50.0
    sample_rate_hz: int = 1000

    @property
    def identity(self) -> Mapping[str, object]:
        return {"name": "reading"}

    def load(self) -> None:
        """Does nothing."""

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        self.encoded.append(len(samples) // self.sample_rate_hz)
        return torch.full((4, 1), len(samples) / 1e5)


@pytest.fixture
def long_corpus(tmp_path: Path) -> Corpus:
    utterances = []
    for seconds in (1, 40, 41, 90):
        path = tmp_path / f"{seconds}.wav"
        soundfile.write(path, np.full(seconds * 1000, 0.1), 1000)
        utterances.append(Utterance(f"u{seconds}", path, "", "sad", "s", "g"))
    return Corpus("long", ("sad",), tuple(utterances))


def test_only_long_utterances_of_an_older_pack_are_made_again(long_corpus: Corpus, tmp_path: Path) -> None:
    short = replace(long_corpus, utterances=long_corpus.utterances[:2])
    before, now = Reading(), Reading(READING)
    old = replace(AUDIO, built_in={"reading": lambda: before})
    new = replace(AUDIO, built_in={"reading": lambda: now})
    spec = EncoderSpec("reading")
    packs = {name: pack_of(corpus, old, spec, tmp_path / name) for name, corpus in (("l", long_corpus), ("s", short))}
    assert pack_of(short, new, spec, tmp_path / "s") == packs["s"]
    assert now.encoded == []
    made = pack_of(long_corpus, new, spec, tmp_path / "l")
    assert sorted(now.encoded) == [41, 90]
    assert made != packs["l"]
    assert Pack.open(made).ids == Pack.open(packs["l"]).ids


@pytest.mark.parametrize("spec", [EncoderSpec("x", rate_hz=25.0), EncoderSpec("x", dtype="bfloat16")])
def test_averaged_and_half_frames_are_read_as_their_encoder_reads(
    long_corpus: Corpus, tiny_encoder: Callable[[str], Path], spec: EncoderSpec
) -> None:
    encoder = AUDIO.open(replace(spec, name=str(tiny_encoder("wavlm"))))
    plain, found = audio_contents(long_corpus, Reading()), audio_contents(long_corpus, encoder)
    assert [id for id in plain if plain[id] != found[id]] == ["u41", "u90"]
    whisper = AUDIO.open(EncoderSpec(str(tiny_encoder("whisper"))))
    assert audio_contents(long_corpus, whisper) == plain


def test_check_says_which_utterances_are_read_in_windows_or_are_too_long(
    tiny_manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = tiny_manifest.parent / "audio"
    soundfile.write(audio / "a0.wav", np.zeros(41 * 1000), 1000)
    report = check(CorpusOptions(corpus=str(tiny_manifest)))
    assert not report.fatal
    Console(width=200).print(render(report))
    words = "longer than 40 s: 1 utterance, which pretrained speech encoders get in windows of 30 s with 5 s of context"
    assert words in capsys.readouterr().out
    soundfile.write(audio / "a1.wav", np.zeros(601 * 100), 100)
    report = check(CorpusOptions(corpus=str(tiny_manifest)))
    assert [problem.message for problem in report.problems if problem.fatal] == [
        f"an utterance lasts at most 600 seconds, a1 lasts 601 s in {audio}/a1.wav; give its start and end in the file"
    ]
