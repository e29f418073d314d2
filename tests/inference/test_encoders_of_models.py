"""Models on pretrained encoders: the check goes from the recording through the encoder, with its layers and rates."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from study.errors import UserError
from study.inference import model_folder
from study.inference.encoding import opened_encoder
from study.inference.export import export
from study.inference.selected import select
from tests.plugins.exportable_study import write_exportable


def exported_with(home: Path, manifest: Path, encoder: Path | None, *options: str) -> Path:
    """The model folder of a study with this audio encoder and these options."""
    own = ["--audio-encoder", str(encoder)] if encoder else []
    folder, corpus = write_exportable(home / "output", manifest, *options, *own, "--seeds", "1", name="own")
    found = export(
        select(folder),
        corpus,
        home / "model",
        weights="folds",
        license="apache-2.0",
        trust_remote_code=False,
        on_progress=lambda *_: None,
    )
    assert found.check.largest < 1e-2
    return found.folder


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("audio", ["--audio-layer", "weighted:2", "--frame-rate", "25"]),
        ("audio", ["--audio-layer", "mean:1-2"]),
        ("cross-cls", ["--text-layer", "1"]),
    ],
)
def test_models_predict_from_recordings_through_pretrained_encoders(tmp_path, manifest, tiny_encoder, variant, options):
    text = ["--text-encoder", str(tiny_encoder("bert"))] if variant != "audio" else []
    model = exported_with(tmp_path, manifest, tiny_encoder("wavlm"), "--variant", variant, *options, *text)
    check = json.loads((model / "metrics.json").read_text(encoding="utf-8"))["check"]
    assert check["from_recordings"] is True
    assert check["largest"] < 2e-3
    assert "license: apache-2.0" in (model / "README.md").read_text(encoding="utf-8")
    own = model_folder.read(model).config.modalities["audio"]
    moved = replace(own, spec=replace(own.spec, name=str(tmp_path / "gone")))
    with pytest.raises(UserError, match="gone' is not a folder here; say where its audio encoder is now") as caught:
        opened_encoder("audio", moved, None, False)
    assert "--audio-encoder" in str(caught.value)
    assert "logmel" not in str(caught.value)
