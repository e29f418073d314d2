"""Encoders that cannot be opened, do not fit or fail: one line with the cause, its place and its own remedy."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import soundfile
import torch
import transformers

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.modality import Modality
from study.features.model_faults import encoding_fault
from study.features.prepare import pack_of
from study.features.spec import EncoderSpec
from study.modalities import AUDIO, TEXT

TinyEncoder = Callable[[str], Path]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
# Longer than the parts of a message that used to be cut.
LONG = "a-folder-of-models-" * 12


def copied(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / LONG / original.name))


def refusal(modality: Modality[object], folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        modality.open(EncoderSpec(str(folder))).load()  # type: ignore[attr-defined]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("model", "extractor"), [("wavlm", "whisper"), ("whisper", "wavlm")])
def test_an_extractor_of_another_model_is_named(
    tiny_encoder: TinyEncoder, tmp_path: Path, model: str, extractor: str
) -> None:
    folder = copied(tiny_encoder(model), tmp_path)
    shutil.copy(tiny_encoder(extractor) / "preprocessor_config.json", folder)
    kind = {"whisper": "WhisperFeatureExtractor", "wavlm": "Wav2Vec2FeatureExtractor"}[extractor]
    assert f"'{folder}', a {kind}, does not fit its {model} model" in refusal(AUDIO, folder)


def edit(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    kept = {name: value for name, value in (config | changes).items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "no extractor": ("wavlm", lambda f: (f / "preprocessor_config.json").unlink(), "no preprocessor_config.json"),
    "broken JSON": ("wavlm", lambda f: (f / "preprocessor_config.json").write_text("{"), "is no valid JSON"),
    "no weights left": ("wavlm", lambda f: (f / "model.safetensors").write_bytes(b""), "damaged or cut short"),
    "other shapes": ("wavlm", lambda f: edit(f, hidden_size=32), "other shapes than its config.json says"),
    "a kind to come": ("wavlm", lambda f: edit(f, model_type="to-come"), "install a newer transformers"),
    "no kind": ("wavlm", lambda f: edit(f, model_type=None), "names no model_type"),
    "own code": ("bert", lambda f: edit(f, model_type="own", auto_map={"AutoConfig": "a.B"}), "--trust-remote-code"),
    "no tokenizer": ("bert", lambda f: [path.unlink() for path in f.glob("token*")], "has no vocabulary"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_cause_has_its_own_remedy_and_the_whole_path(
    tiny_encoder: TinyEncoder, tmp_path: Path, damage: str
) -> None:
    family, change, remedy = DAMAGES[damage]
    folder = copied(tiny_encoder(family), tmp_path)
    change(folder)
    message = refusal(TEXT if family == "bert" else AUDIO, folder)
    assert str(folder) in message
    assert remedy in message
    assert ("--trust-remote-code" in message) is (damage == "own code")


def test_a_model_of_text_and_images_is_no_text_encoder_but_its_text_half_is(
    tiny_encoder: TinyEncoder, tmp_path: Path
) -> None:
    text = {**SIZES, "vocab_size": 300, "max_position_embeddings": 40}
    both = transformers.CLIPConfig(text_config=text, vision_config={**SIZES, "image_size": 16, "patch_size": 8})
    models = {"both": transformers.CLIPModel(both), "half": transformers.CLIPTextModel(both.text_config)}
    for name, model in models.items():
        model.save_pretrained(tmp_path / name)
        shutil.copy(tiny_encoder("bert") / "tokenizer.json", tmp_path / name)
        shutil.copy(tiny_encoder("bert") / "tokenizer_config.json", tmp_path / name)
    assert "found a clip model" in refusal(TEXT, tmp_path / "both")
    ((tokens, _),) = TEXT.open(EncoderSpec(str(tmp_path / "half"))).encode(["hello dog"])
    assert tokens.shape == (2, 16)


@pytest.mark.parametrize("kind", [transformers.T5EncoderModel, transformers.T5Model])
def test_the_encoder_of_t5_is_taken_saved_alone_or_whole(
    tiny_encoder: TinyEncoder, tmp_path: Path, kind: type[transformers.PreTrainedModel]
) -> None:
    config = transformers.T5Config(vocab_size=300, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    model = kind(config).eval()
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_encoder("bert") / name, tmp_path)
    ids = torch.tensor([transformers.AutoTokenizer.from_pretrained(tmp_path)("hello dog")["input_ids"]])
    with torch.no_grad():
        expected = model.get_encoder()(input_ids=ids).last_hidden_state[0, 1:-1]
    ((tokens, _),) = TEXT.open(EncoderSpec(str(tmp_path))).encode(["hello dog"])
    torch.testing.assert_close(tokens, expected)


def test_a_tokenizer_of_sentencepiece_is_read(tmp_path: Path) -> None:
    """As in folders of DeBERTa-v3, which hold nothing else."""
    (tmp_path / "words").write_text("hello there dog cat house angry happy sad what a day\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "words"), model_prefix=str(tmp_path / "spm"), vocab_size=40, pad_id=0, bos_id=-1,
        eos_id=1, unk_id=2, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    config = transformers.DebertaV2Config(**SIZES, vocab_size=32, relative_attention=True, pos_att_type=["c2p", "p2c"])
    transformers.DebertaV2Model(config).save_pretrained(tmp_path)
    settings = {"tokenizer_class": "DebertaV2Tokenizer", "vocab_type": "spm"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    ((short, _), (long, _)) = TEXT.open(EncoderSpec(str(tmp_path))).encode(["hello", "hello there dog"])
    assert 1 <= len(short) < len(long)


NO_ENCODERS: dict[str, Callable[[], tuple[transformers.PreTrainedConfig, object]]] = {
    "codec": lambda: (
        transformers.EncodecConfig(num_filters=4, hidden_size=8, codebook_size=16),
        transformers.EncodecFeatureExtractor(),
    ),
    "without its own input": lambda: (
        transformers.Wav2Vec2BertConfig(**SIZES, feature_projection_input_dim=160, output_hidden_size=16),
        transformers.Wav2Vec2FeatureExtractor(),
    ),
}


@pytest.mark.parametrize("kind", NO_ENCODERS)
def test_a_model_that_gives_no_frames_of_its_extractor_s_inputs_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    config, extractor = NO_ENCODERS[kind]()
    config.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")  # it is not read
    extractor.save_pretrained(tmp_path)  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="a speech encoder gives hidden states for what its feature extractor") as found:
        AUDIO.open(EncoderSpec(str(tmp_path)))
    assert "\n" not in str(found.value)
    assert f"{config.model_type} model with a {type(extractor).__name__}, does not" in str(found.value)


def corpus_of(folder: Path, words: tuple[str, ...]) -> Corpus:
    utterances = []
    for number, text in enumerate(words):
        path = folder / f"{number}.wav"
        soundfile.write(path, np.full(1600 + number, 0.1), 16_000)
        utterances.append(Utterance(f"u{number}", path, text, "sad", "s", "g"))
    return Corpus("c", ("sad",), tuple(utterances))


def test_an_encoder_that_fails_on_an_utterance_is_named_with_it(tiny_encoder: TinyEncoder, tmp_path: Path) -> None:
    """A tokenizer with one word more than the model knows."""
    folder = copied(tiny_encoder("bert"), tmp_path)
    words = json.loads((folder / "tokenizer.json").read_text())
    words["model"]["vocab"]["unheard"] = 300
    (folder / "tokenizer.json").write_text(json.dumps(words))
    corpus = corpus_of(tmp_path, ("hello dog", "unheard", "cat"))
    with pytest.raises(UserError) as caught:
        pack_of(corpus, TEXT, EncoderSpec(str(folder)), tmp_path / "features")
    message = str(caught.value)
    assert "1 of 3 could not be encoded" in message
    assert "encoder tiny-bert fails on the words of utterance u1: IndexError: index out of range" in message
    assert "\n" not in message


class Failing:
    """An encoder that fails on one length."""

    dim, rate_hz, sample_rate_hz = 2, 50.0, 16_000

    @property
    def identity(self) -> dict[str, object]:
        return {"name": "failing"}

    def load(self) -> None:
        """Does nothing."""

    def encode(self, samples: torch.Tensor) -> torch.Tensor:
        if len(samples) == 1601:
            raise RuntimeError("too short\nand more")
        return torch.zeros(3, 2)


def test_a_recording_that_a_model_cannot_read_is_named_with_its_file(tmp_path: Path) -> None:
    modality = replace(AUDIO, built_in={"failing": Failing})
    with pytest.raises(UserError) as caught:
        pack_of(corpus_of(tmp_path, ("", "", "")), modality, EncoderSpec("failing"), tmp_path / "features")
    assert "1 of 3 could not be encoded" in str(caught.value)
    expected = f"encoder failing fails on 0.1001 s of {tmp_path}/1.wav (utterance u1): RuntimeError: too short; if"
    assert expected in str(caught.value)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_too_little_memory_has_a_remedy_of_its_own(error: Exception) -> None:
    assert str(encoding_fault("big", "u1", error)) == (
        "encoder big fails on u1: memory is too small for it; run where there is more, or pass a smaller encoder"
    )
