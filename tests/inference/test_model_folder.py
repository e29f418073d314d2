"""A model folder is hostile data: what was changed, cut, mixed up or made up is one line that names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from study.errors import UserError
from study.inference import model_folder
from study.inference.ensemble import Ensemble
from study.inference.model_config import config_of
from study.inference.trained_on import trained_on_of
from study.tensor_file import sealed_pieces

CONFIG, WEIGHTS = "config.json", "model.safetensors"


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "copy"))


def test_what_is_read_and_written_again_is_equal_to_the_byte(model, tmp_path):
    model_folder.read(model).write(tmp_path)
    for name in model_folder.FILES:
        assert (tmp_path / name).read_bytes() == (model / name).read_bytes()


def test_config_json_says_of_which_type_it_is_and_numbers_the_labels(model):
    found = json.loads((model / CONFIG).read_text(encoding="utf-8"))
    assert found["model_type"] == "ser-study"
    assert found["id2label"] == {"0": "calm", "1": "tense"}
    assert found["label2id"] == {"calm": 0, "tense": 1}
    assert found["modalities"]["audio"]["identity"]["name"] == "logmel"


def test_any_safetensors_reader_reads_the_weights_and_scalings(model):
    tensors = load_file(model / WEIGHTS)
    assert tensors["members.5.scaling.text.deviation"].shape == (128,)
    assert not any(name.startswith("members.6") for name in tensors)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.5, 0.9999])
def test_one_changed_byte_of_the_weights_is_refused_with_the_files_name(copy, share):
    path = copy / WEIGHTS
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors cannot be used") as refused:
        model_folder.read(copy)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
@pytest.mark.parametrize("kept", [None, 0, 10, 1000])
def test_a_missing_or_cut_file_is_refused_with_its_name(copy, name, kept):
    path = copy / name
    content = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(content[:kept])
    with pytest.raises(UserError, match=name):
        model_folder.read(copy)


def test_a_config_that_the_weights_were_not_written_with_is_refused(copy):
    path = copy / CONFIG
    path.write_text(path.read_text(encoding="utf-8").replace('"calm"', '"mild"'), encoding="utf-8")
    with pytest.raises(UserError, match=r"config\.json cannot be used \(it is not the one that model\.safetensors"):
        model_folder.read(copy)


def test_weights_of_another_kind_are_refused(copy, model):
    save_file(load_file(model / WEIGHTS), copy / WEIGHTS)
    with pytest.raises(UserError, match="it has no checksum"):
        model_folder.read(copy)
    (copy / WEIGHTS).write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(UserError, match=WEIGHTS):
        model_folder.read(copy)


def changed(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda found: found.update(values)


def size(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda found: found["model"].update(values)


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another type": (changed(model_type="bert"), "a model of type 'bert'"),
    "a later format": (changed(format=2), "format 2, and this version reads 1"),
    "a format that is true": (changed(format=True), "a format of type bool"),
    "an unknown variant": (changed(variant="mine"), "variant 'mine'"),
    "a guess": (changed(variant="random"), "variant 'random'"),
    "no classes": (changed(id2label={}), "id2label"),
    "a class twice": (changed(id2label={"0": "a", "1": "a"}), "different printable texts"),
    "a class with a line break": (changed(id2label={"0": "a\nb", "1": "c"}), "different printable texts"),
    "classes by other numbers": (changed(id2label={"1": "a", "2": "b"}), "id2label"),
    "no members": (changed(members=[]), "0 members"),
    "members of another kind": (changed(members=[3]), "no run"),
    "a list for streams": (changed(streams=[]), "a streams of type list"),
    "a stream of no dimensions": (
        changed(streams={"audio": {"modality": "audio", "dim": 0, "bands": []}}),
        "usual dimensions",
    ),
    "a spec with more": (
        lambda found: found["modalities"]["audio"]["spec"].update(hidden=1),
        "an encoder's spec that is none",
    ),
    "a layer that is a number": (
        lambda found: found["modalities"]["audio"]["spec"].update(layer=6),
        "an encoder's spec that is none",
    ),
    "a huge size": (size(n_heads=10**9), "no usual value"),
    "a size that is not finite": (size(dropout=float("nan")), "no usual value"),
    "a nested size": (size(n_heads=[2]), "no usual value"),
    "a study of numbers": (changed(study={"name": 3}), "where texts are expected"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_config_is_refused_by_what_is_wrong(model, name):
    change, message = HOSTILE[name]
    found = json.loads((model / CONFIG).read_text(encoding="utf-8"))
    change(found)
    with pytest.raises(ValueError, match=message):
        config_of(json.dumps(found))


@pytest.mark.parametrize("text", ["", "[]", "null", "3", '{"a"', "[" * 100_000, '{"model_type": "ser-study"}'])
def test_a_text_that_is_no_config_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        config_of(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (size(n_heads=7, width_per_head=9), "a config that no model can have: .* even width; got 63"),
        (size(n_layers=0), "tensors more than its models have|cannot"),
        (size(n_layers=3), "no tensor members.0.model"),
        (size(width_per_head=19, n_heads=5), "width|tensor"),
        (size(unknown=3), "unexpected keyword"),
        (size(context="lstm"), "tensor|context"),
        (changed(variant="mdre"), "unexpected keyword"),
        (changed(variant="audio"), "streams audio, text, not audio"),
        (lambda found: found["members"].pop(), "tensors more than its models have, as 'members.5"),
        (lambda found: found["members"].append(found["members"][0]), "no tensor members.6"),
        (lambda found: found["streams"]["audio"].update(dim=44), "tensor members.0"),
        (lambda found: found["streams"]["audio"].update(dim=21, bands=["0-1", "2-3"]), "tensor members.0"),
        (lambda found: found["id2label"].update({"2": "other"}), "tensor members.0"),
    ],
)
def test_weights_that_are_not_those_of_the_config_are_refused_in_one_line(model, change, message):
    found = json.loads((model / CONFIG).read_text(encoding="utf-8"))
    change(found)
    with pytest.raises(UserError, match=message) as refused:
        Ensemble.of(config_of(json.dumps(found)), load_file(model / WEIGHTS))
    assert "\n" not in str(refused.value)


def test_a_large_model_that_no_weights_have_costs_no_memory(model):
    found = json.loads((model / CONFIG).read_text(encoding="utf-8"))
    found["model"].update(n_heads=100, width_per_head=1000)  # 10^5 wide: 120 GB of weights
    with pytest.raises(UserError, match="tensor members"):
        Ensemble.of(config_of(json.dumps(found)), load_file(model / WEIGHTS))


def test_tensors_of_another_type_are_refused(model):
    loaded = model_folder.read(model)
    tensors = {name: value.half() if value.ndim == 2 else value for name, value in loaded.tensors.items()}
    with pytest.raises(UserError, match=r"torch\.float16, not .* torch\.float32"):
        Ensemble.of(loaded.config, tensors)


def test_weights_that_are_no_numbers_give_no_prediction(model, finished):
    from study.inference.predictor import Predictor

    loaded = model_folder.read(model)
    tensors = {name: torch.full_like(value, float("nan")) for name, value in loaded.tensors.items()}
    broken = Predictor(model_folder.Model(loaded.config, tensors, {}, ""))
    with pytest.raises(UserError, match="probabilities are numbers"):
        broken.predict(finished[1].utterances[0])


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_damaged_figures_are_refused_with_the_files_name(copy, content):
    (copy / "metrics.json").write_bytes(content)
    with pytest.raises(UserError, match=r"metrics\.json"):
        model_folder.read(copy)


def test_training_digests_of_another_folder_are_refused(copy):
    path = copy / "trained_on.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"ids"', '"ids" '), encoding="utf-8")
    with pytest.raises(UserError, match=r"trained_on\.json cannot be used \(it is not the one that config\.json"):
        model_folder.read(copy)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "[" * 100_000, '{"format": 1}', '{"format": 1, "salt": "a", "ids": [3], "recordings": [], "words": []}'],
)
def test_texts_that_are_no_training_digests_are_refused(text):
    with pytest.raises(ValueError, match=r"."):
        trained_on_of(text)


@pytest.mark.parametrize("metadata", [{}, {"model": "3"}, {"model": "["}, {"model": '{"format": "other"}'}])
def test_sealed_files_of_another_kind_are_refused(copy, metadata):
    (copy / WEIGHTS).write_bytes(b"".join(sealed_pieces({"a": torch.zeros(1)}, metadata)))
    with pytest.raises(UserError, match=WEIGHTS):
        model_folder.read(copy)
