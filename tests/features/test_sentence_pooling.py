"""Models of sentence-transformers: the sentence vector is the declared one, and what is not done is refused."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from study.errors import UserError
from study.features.encoder import reading_of
from study.features.huggingface import _needed
from study.features.spec import EncoderSpec
from study.modalities import TEXT

TinyEncoder = Callable[[str], Path]
KIND = "sentence_transformers.models."
TEXTS = ["hello there dog", "cat", "what a very good day this is", ""]


@pytest.fixture
def declared(tiny_encoder: TinyEncoder, tmp_path: Path) -> Callable[..., Path]:
    """A folder as sentence-transformers writes it: `declared("Normalize", pooling_mode_mean_tokens=True)`."""

    def saved(*more: str, **pooling: Any) -> Path:
        folder = Path(shutil.copytree(tiny_encoder("bert"), tmp_path / "own", dirs_exist_ok=True))
        names = ("Transformer", "Pooling", *more)
        modules = [
            {"idx": n, "name": str(n), "path": f"{n}_{name}" if n else "", "type": KIND + name}
            for n, name in enumerate(names)
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16, **pooling}))
        return folder

    return saved


def states_of(folder: Path, text: str, layer: int | None = None) -> list[list[float]]:
    """The states of all tokens, special ones included, by a plain call of transformers."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        model = transformers.AutoModel.from_pretrained(folder).eval()
        output = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
    found: list[list[float]] = (output.last_hidden_state if layer is None else output.hidden_states[layer])[0].tolist()
    return found


def over_tokens(states: list[list[float]], value: Callable[[list[float]], float]) -> Tensor:
    return torch.tensor([value(list(values)) for values in zip(*states, strict=True)])


# Of the values of one dimension over all tokens.
MODES: dict[str, tuple[dict[str, Any], Callable[[list[float]], float]]] = {
    "mean": ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, lambda v: sum(v) / len(v)),
    "cls": ({"pooling_mode_cls_token": True}, lambda v: v[0]),
    "max": ({"pooling_mode_max_tokens": True}, max),
    "root": ({"pooling_mode_mean_sqrt_len_tokens": True}, lambda v: sum(v) / math.sqrt(len(v))),
    "weighted": (
        {"pooling_mode_weightedmean_tokens": True},
        lambda v: sum((n + 1) * each for n, each in enumerate(v)) / sum(range(1, len(v) + 1)),
    ),
    "last": ({"pooling_mode_lasttoken": True}, lambda v: v[-1]),
    "by name": ({"pooling_mode": "mean"}, lambda v: sum(v) / len(v)),
}


@pytest.mark.parametrize("mode", MODES)
def test_the_sentence_vector_is_the_declared_one(declared: Callable[..., Path], mode: str) -> None:
    settings, value = MODES[mode]
    folder = declared(**settings)
    for text, (tokens, sentence) in zip(TEXTS, TEXT.open(EncoderSpec(str(folder))).encode(TEXTS), strict=True):
        states = states_of(folder, text)
        torch.testing.assert_close(sentence, over_tokens(states, value), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(tokens, torch.tensor(states[1:-1] or states), atol=1e-5, rtol=1e-4)


def test_normalised_vectors_have_a_length_of_one_for_each_layer(declared: Callable[..., Path]) -> None:
    folder = declared("Normalize", pooling_mode_mean_tokens=True)
    specs = [EncoderSpec(str(folder), layer) for layer in ("last", "1")]
    ((_, sentence),) = TEXT.open_layers(specs).encode(["hello dog"])
    for half, layer in zip(sentence.chunk(2), (None, 1), strict=True):
        mean = over_tokens(states_of(folder, "hello dog", layer), lambda v: sum(v) / len(v))
        torch.testing.assert_close(half, mean / math.sqrt(sum(each**2 for each in mean.tolist())), atol=1e-5, rtol=1e-4)


def test_the_pooling_is_part_of_what_features_are_found_by(
    declared: Callable[..., Path], tiny_encoder: TinyEncoder
) -> None:
    plain = TEXT.open(EncoderSpec(str(tiny_encoder("bert")))).identity
    assert "pooling" not in plain
    mean = TEXT.open(EncoderSpec(str(declared(pooling_mode_mean_tokens=True)))).identity
    most = TEXT.open(EncoderSpec(str(declared(pooling_mode_max_tokens=True)))).identity
    unit = TEXT.open(EncoderSpec(str(declared("Normalize", pooling_mode_max_tokens=True)))).identity
    assert [each["pooling"] for each in (mean, most, unit)] == ["mean", "max", "max, normalised"]


def test_texts_are_cut_where_it_says_and_counted(declared: Callable[..., Path]) -> None:
    folder = declared(pooling_mode_mean_tokens=True)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 10, "do_lower_case": false}')
    encoder = TEXT.open(EncoderSpec(str(folder)))
    ((tokens, _),) = encoder.encode(["dog " * 20])
    read = reading_of(encoder)
    assert read is not None
    assert (len(tokens), read("dog " * 20).cut) == (8, 12)


def test_files_of_a_module_s_settings_are_downloaded() -> None:
    files = ["config.json", "model.safetensors", "modules.json", "1_Pooling/config.json", "onnx/config.json"]
    assert set(_needed(files)) == set(files[:4])
    assert _needed(["1_Pooling/config.json"]) == []


def lower_case(folder: Path) -> None:
    (folder / "sentence_bert_config.json").write_text('{"do_lower_case": true}')


def prompt(folder: Path) -> None:
    (folder / "config_sentence_transformers.json").write_text('{"default_prompt_name": "query", "prompts": {}}')


def outside(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["path"] = "../../somewhere"
    (folder / "modules.json").write_text(json.dumps(modules))


REFUSED: dict[str, tuple[tuple[str, ...], dict[str, Any], Callable[[Path], object], str]] = {
    "dense": (("Dense",), {"pooling_mode_mean_tokens": True}, lambda f: None, "found Transformer, Pooling, Dense"),
    "two": ((), dict.fromkeys(("pooling_mode_mean_tokens", "pooling_mode_max_tokens"), True), lambda f: None,
            "declares max and mean"),
    "none": ((), {}, lambda f: None, "declares none"),
    "unknown": ((), {"pooling_mode_own": True}, lambda f: None, "declares pooling_mode_own"),
    "lower case": ((), {"pooling_mode_mean_tokens": True}, lower_case, "declares lower case"),
    "prompt": ((), {"pooling_mode_mean_tokens": True}, prompt, "declares the prompt 'query'"),
    "outside": ((), {"pooling_mode_mean_tokens": True}, outside, "found '../../somewhere'"),
    "gone": ((), {}, lambda f: (f / "1_Pooling" / "config.json").unlink(), "cannot be read"),
    "broken": ((), {}, lambda f: (f / "1_Pooling" / "config.json").write_text("["), "cannot be read"),
    "no list": ((), {}, lambda f: (f / "modules.json").write_text("{}"), "are a list"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_refused_in_one_line_with_a_way_out(declared: Callable[..., Path], case: str) -> None:
    more, pooling, change, found = REFUSED[case]
    folder = declared(*more, **pooling)
    change(folder)
    with pytest.raises(UserError) as refusal:
        TEXT.open(EncoderSpec(str(folder)))
    assert found in str(refusal.value)
    assert "remove modules.json for this project's own sentence vectors" in str(refusal.value)
    assert "\n" not in str(refusal.value)
