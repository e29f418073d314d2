"""Several layers of an encoder from one pass: each has the pack that it would have alone, whatever stops the pass."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.audio import encode_audio
from study.features.elsewhere.export import export
from study.features.encoder import AudioEncoder, Encoded
from study.features.huggingface import folder_digest
from study.features.options import FeatureOptions
from study.features.pack import Pack
from study.features.prepare import pack_of, prepare
from study.features.spec import EncoderSpec, FeatureChoice
from study.modalities import AUDIO, MODALITIES, TEXT

TinyEncoder = Callable[[str], Path]
LAYERS = ("last", "1", "weighted:3", "mean:0-2")


@pytest.fixture
def few(tones: Corpus) -> Corpus:
    return replace(tones, utterances=tones.utterances[:5])


def contents_of(paths: list[Path]) -> list[bytes]:
    return [path.read_bytes() for path in paths]


@pytest.mark.parametrize(
    ("modality", "family", "rate_hz"),
    [
        *(("audio", family, rate_hz) for family in ("wavlm", "whisper") for rate_hz in (None, 25.0)),
        ("text", "bert", None),  # words are not timed
    ],
)
def test_layers_of_one_pass_have_the_packs_that_they_have_alone(
    few: Corpus, tiny_encoder: TinyEncoder, tmp_path: Path, modality: str, family: str, rate_hz: float | None
) -> None:
    row, name = MODALITIES[modality], str(tiny_encoder(family))
    specs = [EncoderSpec(name, layer, rate_hz=rate_hz) for layer in LAYERS]
    together = [Path(choice.path) for choice in prepare(few, row, specs, tmp_path / "together")]
    alone = [pack_of(few, row, spec, tmp_path / "alone") for spec in specs]
    assert len(set(together)) == len(LAYERS)
    assert [path.name for path in together] == [path.name for path in alone]
    assert contents_of(together) == contents_of(alone)


def test_token_and_sentence_vectors_are_those_of_the_hidden_state(few: Corpus, tiny_encoder: TinyEncoder) -> None:
    folder = tiny_encoder("bert")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        inputs = tokenizer("hello dog", return_tensors="pt")
        model = transformers.AutoModel.from_pretrained(folder).eval()
        states = model(**inputs, output_hidden_states=True).hidden_states
    [(tokens, sentence)] = TEXT.open(EncoderSpec(str(folder), "mean:1-2")).encode(["hello dog"])
    expected = (states[1][0] + states[2][0]) / 2
    torch.testing.assert_close(tokens, expected[1:-1])
    torch.testing.assert_close(sentence, expected[0])


@pytest.mark.parametrize(("rate_hz", "ratio"), [(None, 2), (25.0, 1), (12.5, 1)])
def test_layers_at_two_rates_are_choices_of_one_study(
    few: Corpus, tiny_encoder: TinyEncoder, tmp_path: Path, rate_hz: float | None, ratio: int
) -> None:
    """SEW squeezes two frames into one in its layers, and the output has both again."""
    specs = [EncoderSpec(str(tiny_encoder("sew")), layer, rate_hz=rate_hz) for layer in ("last", "1", "2")]
    paths = [Path(choice.path) for choice in prepare(few, AUDIO, specs, tmp_path / "together")]
    assert contents_of(paths) == contents_of([pack_of(few, AUDIO, spec, tmp_path / "alone") for spec in specs])
    output, *layers = (len(Pack.open(path).frames) for path in paths)
    assert layers[0] == layers[1] == pytest.approx(output / ratio, abs=len(few.utterances))


def counted_passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of what the model reads, call by call."""
    shapes: list[tuple[int, ...]] = []
    forward = transformers.WavLMModel.forward

    def counting(self: Any, input_values: torch.Tensor, *args: Any, **more: Any) -> Any:
        if input_values.device.type != "meta":  # where shapes are measured
            shapes.append(tuple(input_values.shape))
        return forward(self, input_values, *args, **more)

    monkeypatch.setattr(transformers.WavLMModel, "forward", counting)
    return shapes


def test_one_pass_of_each_utterance_serves_all_layers_and_rates(
    few: Corpus, tiny_encoder: TinyEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = counted_passes(monkeypatch)
    name = str(tiny_encoder("wavlm"))
    specs = [EncoderSpec(name, layer, rate_hz=rate) for layer in LAYERS for rate in (25.0, 50.0)]
    choices = prepare(few, AUDIO, specs, tmp_path)
    assert [choice.spec for choice in choices] == specs
    assert len(passes) == len(few.utterances) + 1  # the noise by which the model is tried
    passes.clear()
    prepare(few, AUDIO, [EncoderSpec(name, layer) for layer in LAYERS], tmp_path)
    assert not passes


def half_of_it(encoder: AudioEncoder, utterances: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
    """Frames of the first three utterances of the corpus, and then no more."""
    for utterance, found in zip(utterances, encode_audio(encoder, utterances), strict=True):
        yield found if utterance.id < "u003" else UserError("stopped")


def test_layers_that_are_there_stay_and_a_pass_that_was_cut_short_goes_on(
    tones: Corpus, tiny_encoder: TinyEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = replace(tones, utterances=tones.utterances[:6])
    audio, name = replace(AUDIO, block=2), str(tiny_encoder("wavlm"))
    specs = [EncoderSpec(name, layer) for layer in LAYERS]
    whole = [Path(choice.path) for choice in prepare(corpus, audio, specs, tmp_path / "whole")]
    folder = tmp_path / "cut"
    first = pack_of(corpus, audio, specs[1], folder)
    before = first.stat().st_mtime_ns
    with pytest.raises(UserError, match="3 of 6 could not be encoded, the others are kept"):
        prepare(corpus, replace(audio, encode=half_of_it), specs, folder)
    passes, calls = counted_passes(monkeypatch), list[Any]()
    found = [Path(choice.path) for choice in prepare(corpus, audio, specs, folder, on_progress=calls.append)]
    assert calls[0].utterances_reused == 3
    assert len(passes) == 3 + 1
    assert contents_of(found) == contents_of(whole)
    assert first.stat().st_mtime_ns == before
    assert {path.suffix for path in folder.iterdir()} <= {".safetensors", ".lock"}


def test_two_names_of_one_layer_have_one_pack(few: Corpus, tiny_encoder: TinyEncoder, tmp_path: Path) -> None:
    specs = [EncoderSpec(str(tiny_encoder("hubert")), layer) for layer in ("2", "mean:2-2", "last")]
    paths = [choice.path for choice in prepare(few, AUDIO, specs, tmp_path)]
    assert paths[0] == paths[1] != paths[2]


def test_half_precision_gives_the_same_layers_together_and_alone(
    few: Corpus, tiny_encoder: TinyEncoder, tmp_path: Path
) -> None:
    specs = [EncoderSpec(str(tiny_encoder("bert")), layer, dtype="bfloat16") for layer in ("last", "1")]
    paths = [Path(choice.path) for choice in prepare(few, TEXT, specs, tmp_path / "together")]
    assert contents_of(paths) == contents_of([pack_of(few, TEXT, spec, tmp_path / "alone") for spec in specs])
    assert Pack.open(paths[0]).metadata["encoder"]["dtype"] == "bfloat16"


def test_the_output_alone_is_known_by_what_it_always_was(tiny_encoder: TinyEncoder) -> None:
    folder = tiny_encoder("wavlm")
    [spec] = FeatureOptions(audio_encoders=(str(folder),), audio_layers=("last",)).specs(AUDIO, demo=False)
    fields = {"name": str(folder), "layer": "last", "dtype": "float32", "rate_hz": None}
    choice = FeatureChoice(spec, "a path")
    assert asdict(choice) == {"spec": {**fields, "content": None}, "path": "a path"}
    assert FeatureChoice.from_json({"spec": fields, "path": "a path"}) == choice
    identity = {"name": folder.name, "weights": folder_digest(folder), "layer": "last", "dtype": "float32"}
    assert AUDIO.open(spec).identity == {**identity, "version": 1}


@pytest.mark.parametrize("layer", ["4", "mean:2-4", "mean:2-1"])
def test_a_layer_that_a_text_encoder_does_not_have_is_refused(tiny_encoder: TinyEncoder, layer: str) -> None:
    with pytest.raises(UserError, match=f"layers run from 0 to 3 in an encoder of 3 layers, found '{layer}'"):
        TEXT.open(EncoderSpec(str(tiny_encoder("bert")), layer))


@pytest.mark.parametrize(
    ("layer", "bands"), [("weighted", "0 1 2 3"), ("weighted:3", "mean:0-1 2 3"), ("weighted:2", "mean:0-1 mean:2-3")]
)
def test_weighted_layers_are_the_means_of_consecutive_layers_side_by_side(
    few: Corpus, tiny_encoder: TinyEncoder, tmp_path: Path, layer: str, bands: str
) -> None:
    name = str(tiny_encoder("bert"))
    paths = [Path(choice.path) for choice in prepare(few, TEXT, [EncoderSpec(name, layer)], tmp_path)]
    own, each = (
        Pack.open(paths[0]),
        [Pack.open(pack_of(few, TEXT, EncoderSpec(name, band), tmp_path)) for band in bands.split()],
    )
    assert own.bands == tuple(band.removeprefix("mean:") if ":" in band else f"{band}-{band}" for band in bands.split())
    assert own.as_single_frames().bands == own.bands
    assert torch.equal(own.frames, torch.cat([pack.frames for pack in each], dim=1))
    assert own.vectors is not None
    assert torch.equal(own.vectors, torch.cat([pack.vectors for pack in each if pack.vectors is not None], dim=1))
    assert not each[0].bands


@pytest.mark.parametrize("layer", ["weighted:1", "weighted:5"])
def test_more_bands_than_layers_and_a_single_one_are_refused(tiny_encoder: TinyEncoder, layer: str) -> None:
    with pytest.raises(UserError, match=f"weighted layers are 2 to 4 bands in an encoder of 3 layers, found '{layer}'"):
        TEXT.open(EncoderSpec(str(tiny_encoder("bert")), layer))


def test_weighted_layers_are_not_exported_as_if_they_were_one(
    few: Corpus, tiny_encoder: TinyEncoder, tmp_path: Path
) -> None:
    pack = Pack.open(pack_of(few, TEXT, EncoderSpec(str(tiny_encoder("bert")), "weighted"), tmp_path))
    with pytest.raises(UserError, match="features are exported layer by layer, found weighted layers, whose 4 bands"):
        export(pack, "npz", tmp_path / "exported")
