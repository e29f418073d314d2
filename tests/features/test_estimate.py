"""What an extraction will come to, beside what it came to."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.estimate import estimate
from study.features.pack import Pack
from study.features.prepare import pack_of, wanted
from study.features.spec import EncoderSpec
from study.modalities import AUDIO, MODALITIES


@pytest.mark.parametrize("name", ["audio", "text"])
def test_frames_dimensions_and_disk_are_near_those_of_the_pack(
    tones: Corpus, tiny_encoder: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    spec = EncoderSpec(str(tiny_encoder({"audio": "wavlm", "text": "bert"}[name])))
    (asked,) = wanted(tones, MODALITIES[name], [spec], tmp_path / "features")
    found = estimate(tones, MODALITIES[name], asked, workers=2)
    assert not (tmp_path / "features").exists()
    pack = Pack.open(pack_of(tones, MODALITIES[name], spec, tmp_path / "features"))
    assert asked.choice.path == str(pack.path)
    assert found.dim == pack.dim
    assert found.n_frames == pytest.approx(len(pack.frames), rel=0.15)
    own = sum(each.numel() * 2 for each in (pack.frames, pack.vectors) if each is not None)
    assert found.size == pytest.approx(own, rel=0.15)
    assert (found.n_missing, found.n_sampled, found.rate_hz) == (80, 16, {"audio": 50.0}.get(name))


def test_only_what_is_missing_takes_time(tones: Corpus, tmp_path: Path) -> None:
    spec = EncoderSpec("logmel")
    pack_of(replace(tones, utterances=tones.utterances[:75]), AUDIO, spec, tmp_path)
    (asked,) = wanted(tones, AUDIO, [spec], tmp_path)
    found = estimate(tones, AUDIO, asked, workers=2)
    assert (found.n_missing, found.n_sampled) == (5, 5)
    # Of everything, although a sixteenth is missing.
    pack_of(tones, AUDIO, spec, tmp_path)
    assert found.n_frames == pytest.approx(len(Pack.open(Path(asked.choice.path)).frames), rel=0.2)


def test_an_utterance_that_cannot_be_encoded_is_named(tones: Corpus, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio")
    corpus = replace(tones, utterances=(replace(tones.utterances[0], audio=broken), *tones.utterances[1:4]))
    (asked,) = wanted(corpus, AUDIO, [EncoderSpec("logmel")], tmp_path / "features")
    with pytest.raises(UserError, match=r"broken.wav .* cannot be decoded"):
        estimate(corpus, AUDIO, asked)
