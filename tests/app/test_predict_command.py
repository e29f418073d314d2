"""What to type to predict finds the model from where it is typed."""

from pathlib import Path

from study.app.predict_command import predict_command


def test_a_study_is_named_with_its_place_even_where_a_folder_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "enc").mkdir()
    typed = predict_command("enc", ["audio", "text"], tmp_path / "out")
    assert typed == f'ser-study predict enc some.wav --text "..." --output {tmp_path / "out"}'
    assert predict_command("enc", ["audio"], Path("mlruns")) == "ser-study predict enc some.wav"


def test_a_model_folder_needs_no_place_of_studies(tmp_path):
    folder = tmp_path / "a model"
    assert predict_command(folder, ["text"], tmp_path) == f"ser-study predict '{folder}' --text \"...\""
