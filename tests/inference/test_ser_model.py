"""`study.SerModel`: what it takes and gives, in a notebook's way; and the hub, by the library's own mixin."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from huggingface_hub import ModelHubMixin

import study
from study import SerModel
from study.errors import UserError


@pytest.fixture(scope="module")
def loaded(model) -> SerModel:
    return SerModel.from_pretrained(model)


@pytest.fixture(scope="module")
def wav(manifest) -> str:
    return str(manifest.parent / "said-04.wav")


def test_it_gives_what_the_audio_classification_pipeline_gives(loaded, wav):
    found = loaded(wav, text="all is well")
    assert isinstance(loaded, ModelHubMixin)
    assert all(set(each) == {"label", "score"} for each in found)
    assert {each["label"] for each in found} == set(loaded.labels) == {"calm", "tense"}
    assert found[0]["score"] >= found[1]["score"]
    assert loaded(wav, text="all is well", top_k=1) == found[:1]


def test_samples_dictionaries_and_lists_give_what_the_file_gives(loaded, wav):
    expected = loaded(wav, text="all is well")
    samples, rate_hz = soundfile.read(wav, dtype="float32")
    whole, _ = soundfile.read(wav, dtype="int16")
    for inputs, more in (
        (samples, {"sampling_rate": rate_hz}),
        (whole, {"sampling_rate": rate_hz}),
        (samples.tolist(), {"sampling_rate": float(rate_hz)}),
        ({"raw": samples, "sampling_rate": rate_hz}, {}),
        ({"array": samples, "sampling_rate": rate_hz, "path": None}, {}),
    ):
        assert loaded(inputs, text="all is well", **more) == expected
    assert loaded([wav, wav], text=["all is well", "run"]) == [expected, loaded(wav, text="run")]
    (window,) = loaded.windows(wav, text="all is well")
    assert window == {"start": None, "end": None, "scores": expected}


@pytest.mark.parametrize(
    ("inputs", "more", "message"),
    [
        (np.zeros((2, 100)), {"sampling_rate": 16_000}, r"shape \[2, 100\]"),
        (np.zeros(0), {"sampling_rate": 16_000}, r"shape \[0\]"),
        (np.zeros(100), {}, "found sampling_rate None"),
        (np.zeros(100), {"sampling_rate": 0}, "found sampling_rate 0"),
        (np.zeros(100), {"sampling_rate": float("nan")}, "found sampling_rate nan"),
        (np.zeros(100, dtype=complex), {"sampling_rate": 16_000}, "complex"),
        (np.zeros(100, dtype=np.uint8), {"sampling_rate": 16_000}, "uint8"),
        (np.full(100, np.nan), {"sampling_rate": 16_000}, "not numbers"),
        (
            {"raw": np.linspace(-9000, 9000, 100), "sampling_rate": 16_000},
            {},
            r"floats in -1\.\.1; found values to 9e\+03",
        ),
        ({"raw": [0.0]}, {}, '"sampling_rate"; found the keys'),
        ({"sampling_rate": 8000}, {}, "found the keys"),
        (object(), {"sampling_rate": 16_000}, "found type object"),
        ("nothing.wav", {}, "does not exist"),
        (None, {}, "reads sound, and no recording is given"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(loaded, inputs, more, message):
    with pytest.raises(UserError, match=message) as refused:
        loaded(inputs, text="all is well", **more)
    assert "\n" not in str(refused.value)


def test_missing_words_and_a_wrong_number_of_classes_are_refused(loaded, wav):
    with pytest.raises(UserError, match="reads words, and none are given"):
        loaded(wav)
    with pytest.raises(UserError, match="top_k is a whole number"):
        loaded(wav, text="so", top_k=0)
    with pytest.raises(UserError, match="found 2 recordings, 1 texts"):
        loaded([wav, wav], text=["all"])


def test_a_saved_model_predicts_the_same(loaded, wav, model, tmp_path):
    loaded.save_pretrained(tmp_path / "saved")
    assert {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()} == {
        path.name: path.read_bytes() for path in model.iterdir()
    }
    assert SerModel.from_pretrained(tmp_path / "saved")(wav, text="run") == loaded(wav, text="run")


def test_the_package_is_light_until_the_class_is_asked_for():
    heavy = {"torch", "transformers", "ray", "pandas", "numpy", "mlflow", "scipy"}
    program = f"import sys, study; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError):
        study.SerModels  # noqa: B018


def test_what_is_neither_a_folder_nor_on_the_hub_is_refused_in_one_line(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="is no folder, and the hub did not give it"):
        SerModel.from_pretrained("nothing/here", local_files_only=True, cache_dir=tmp_path)
    with pytest.raises(UserError, match=r"config\.json cannot be used"):
        SerModel.from_pretrained(tmp_path)
