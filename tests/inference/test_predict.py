"""`ser-study predict`: a recording gets the same probabilities alone, among others, as an array and in windows."""

import csv
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from study import SerModel
from study.corpus.recordings import inspect_recordings
from study.errors import UserError
from study.inference import model_folder
from study.inference.predictor import Predictor
from study.inference.recording import utterance_of
from study.inference.remarks import PredictionWarning
from tests.plugins.clips import write_clip
from tests.plugins.exportable_study import N_UTTERANCES, write_exportable
from tests.plugins.study_process import here


@pytest.fixture(scope="module")
def recordings(manifest: Path) -> Path:
    return manifest.parent


def predict(capsys, *arguments):
    return here(capsys, "predict", *arguments)


def objects(printed: str) -> list[dict]:
    return [json.loads(line) for line in printed.splitlines()]


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_a_recording_has_the_same_probabilities_alone_in_a_folder_and_in_a_manifest(
    capsys, audio_model, recordings, manifest
):
    code, out, _ = predict(capsys, audio_model, recordings, "--json")
    assert code == 0
    together = {each["file_name"]: each["scores"] for each in objects(out)}
    assert len(together) == N_UTTERANCES
    _, out, _ = predict(capsys, audio_model, manifest, "--json")
    assert {each["file_name"]: each["scores"] for each in objects(out)} == together
    for name in ("said-03.wav", "said-17.wav"):
        _, out, _ = predict(capsys, audio_model, recordings / name, "--json")
        assert objects(out)[0]["scores"] == together[name]


def test_the_classes_are_shown_the_most_probable_first(capsys, model, recordings):
    code, out, err = predict(capsys, model, recordings / "said-00.wav", "--text", "all is well")
    assert (code, err) == (0, "")
    name, *lines = out.splitlines()
    assert name == str(recordings / "said-00.wav")
    shares = [float(line.split()[1]) for line in lines]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=0.002)
    _, out, _ = predict(capsys, model, recordings / "said-00.wav", "--text", "all is well", "--top-k", "1")
    assert out.splitlines() == [name, lines[0]]


@pytest.mark.parametrize(("suffix", "tolerance"), [(".flac", 1e-6), (".ogg", 0.1), (".mp3", 0.1), (".m4a", 0.1)])
def test_formats_of_sound_are_read(audio_model, recordings, tmp_path, suffix, tolerance):
    samples, rate_hz = soundfile.read(recordings / "said-00.wav", dtype="int16")
    path = tmp_path / f"copy{suffix}"
    if suffix == ".m4a":
        write_clip(path, samples.astype(np.float32) / 2**15, rate_hz, film=False)
    else:
        soundfile.write(path, samples, rate_hz)
    model = SerModel.from_pretrained(audio_model)
    wav, other = (model.predict(each).probabilities for each in (recordings / "said-00.wav", path))
    np.testing.assert_allclose(other, wav, atol=tolerance)


def test_words_change_what_is_predicted_and_their_spaces_do_not(model, recordings):
    loaded = SerModel.from_pretrained(model)
    one, spaced, other = (loaded(recordings / "said-00.wav", text=t) for t in ("all is well", " all  is well\n", "run"))
    assert one == spaced
    assert one != other


def test_a_variant_that_reads_words_and_gets_none_is_refused_with_the_option(capsys, model, recordings, tmp_path):
    for inputs in ([recordings / "said-00.wav"], [recordings]):
        code, out, err = predict(capsys, model, *inputs)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert "give them with --text" in err
        assert "--asr ID" in err
    (tmp_path / "m.csv").write_text(f"file_name\n{recordings / 'said-00.wav'}\n", encoding="utf-8")
    code, _, err = predict(capsys, model, tmp_path / "m.csv")
    assert code == 2
    assert "has no column text" in err


@pytest.mark.parametrize(
    ("inputs", "more", "message"),
    [
        ([], [], "reads sound, and no recording is given"),
        (["none.wav"], [], "none.wav does not exist"),
        (["a.m4b"], [], "convert it, as `ffmpeg -i a.m4b a.wav`"),
        (["said-00.wav"], ["--text", "hello"], "reads sound alone; leave it out"),
        (["said-00.wav"], ["--window", "0.1"], "--window expects 0, or at least 0.5 seconds"),
        (["said-00.wav"], ["--top-k", "0"], "--top-k expects a whole number, at least 1; found 0"),
        (["said-00.wav"], ["--json", "--csv", "x.csv"], "leave one out"),
        (["said-00.wav"], ["--top-k", "1", "--csv", "x.csv"], "all classes; leave --top-k out"),
        (["empty"], [], "has none (.wav"),
    ],
)
def test_wrong_use_is_one_line(capsys, audio_model, recordings, tmp_path, monkeypatch, inputs, more, message):
    shutil.copy(recordings / "said-00.wav", tmp_path)
    (tmp_path / "a.m4b").touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    code, _, err = predict(capsys, audio_model, *inputs, *more)
    assert code == 2
    assert err.count("\n") == 1
    assert message in err


def test_what_cannot_be_read_is_a_row_with_its_reason_and_the_exit_code_says_so(
    capsys, audio_model, recordings, tmp_path
):
    lines = [str(recordings / "said-00.wav"), "bad.wav", "none.wav", "a.m4b", str(recordings / "said-01.wav")]
    (tmp_path / "bad.wav").write_text("no sound")
    (tmp_path / "a.m4b").touch()
    (tmp_path / "m.csv").write_text("\n".join(["file_name", *lines]), encoding="utf-8")
    code, _, err = predict(capsys, audio_model, tmp_path / "m.csv", "--csv", tmp_path / "out.csv")
    assert code == 1
    assert "3 could not be predicted" in err
    rows = rows_of(tmp_path / "out.csv")
    assert [row["file_name"] for row in rows] == lines
    assert [bool(row["label"]) for row in rows] == [True, False, False, False, True]
    reasons = [row["reason"] for row in rows]
    assert reasons[0] == reasons[4] == ""
    for reason, expected in zip(reasons[1:4], ("cannot be decoded", "does not exist", "convert it"), strict=True):
        assert expected in reason


@pytest.mark.parametrize(
    ("name", "content"), [("m.csv", "utterance_id,text\na,all is well\n"), ("m.jsonl", '{"id": "a", "text": "so"}\n')]
)
def test_a_manifest_without_recordings_is_refused_with_the_column_that_it_lacks(
    capsys, model, audio_model, tmp_path, name, content
):
    (tmp_path / name).write_text(content, encoding="utf-8")
    for own in (model, audio_model):
        code, _, err = predict(capsys, own, tmp_path / name)
        assert (code, err.count("\n")) == (2, 1)
        assert f"{name}" in err
        assert "no column file_name" in err
    (tmp_path / name).write_text(f'{{"file_name": "{tmp_path}/a.wav", "text": "so"}}\n{{"id": "b", "text": "so"}}\n')
    if name.endswith("jsonl"):
        code, out, _ = predict(capsys, model, tmp_path / name, "--json")
        assert code == 1
        assert "does not exist" in objects(out)[0]["reason"]
        assert objects(out)[1] == {
            "file_name": f"{tmp_path / name}:2",
            "reason": "the row has no file_name; name its recording",
        }


def test_a_run_that_was_cut_goes_on_and_gives_the_file_of_a_whole_one(capsys, audio_model, recordings, tmp_path):
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    assert predict(capsys, audio_model, recordings, "--csv", whole)[0] == 0
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) // 2])  # in the middle of a row
    kept = content[: len(content) // 2].count(b"\n") - 1
    code, out, _ = predict(capsys, audio_model, recordings, "--csv", cut)
    assert code == 0
    assert f"{N_UTTERANCES} recordings, {kept} of them before" in out
    assert cut.read_bytes() == content
    assert f"{N_UTTERANCES} of them before" in predict(capsys, audio_model, recordings, "--csv", cut)[1]
    assert whole.read_bytes() == content


def test_rows_of_a_recording_that_was_changed_are_computed_again(capsys, audio_model, recordings, tmp_path):
    folder = Path(shutil.copytree(recordings, tmp_path / "in"))
    out = tmp_path / "out.csv"
    predict(capsys, audio_model, folder, "--csv", out)
    before = rows_of(out)
    shutil.copy(folder / "said-03.wav", folder / "said-00.wav")
    _, printed, _ = predict(capsys, audio_model, folder, "--csv", out)
    assert f"{N_UTTERANCES - 1} of them before" in printed
    after = rows_of(out)
    assert after[0]["p_calm"] == before[3]["p_calm"] != before[0]["p_calm"]
    assert after[1:] == before[1:]


def test_another_file_is_never_overwritten(capsys, audio_model, recordings, tmp_path):
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    code, _, err = predict(capsys, audio_model, recordings, "--csv", tmp_path / "mine.csv")
    assert code == 2
    assert "has another heading; name another file" in err
    assert (tmp_path / "mine.csv").read_text(encoding="utf-8") == "a,b\n1,2\n"


def test_rows_of_other_windows_are_kept_and_the_line_names_what_may_not_change(
    capsys, audio_model, recordings, tmp_path
):
    out = tmp_path / "out.csv"
    predict(capsys, audio_model, recordings / "said-00.wav", "--csv", out)
    before = out.read_bytes()
    code, _, err = predict(capsys, audio_model, recordings / "said-00.wav", "--csv", out, "--window", "0.5")
    assert code == 2
    assert "by the same model, --window and --asr, and" in err
    assert "has 1 recording of others" in err
    assert out.read_bytes() == before


def test_a_model_folder_that_is_named_as_a_study_is_read_and_that_is_said(
    capsys, model, finished, recordings, tmp_path, monkeypatch
):
    study = finished[0].path
    shutil.copytree(model, tmp_path / study.name)
    monkeypatch.chdir(tmp_path)
    said = (recordings / "said-00.wav", "--text", "so", "--output", study.parent.parent)
    code, _, err = predict(capsys, study.name, *said)
    assert code == 0
    assert f"'{study.name}' is a model folder here and a study in {study.parent.parent}" in " ".join(err.split())


def test_a_file_that_was_cut_off_is_predicted_with_a_note(audio_model, recordings, tmp_path):
    whole = (recordings / "said-00.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    stated, held = (soundfile.info(path).duration for path in (recordings / "said-00.wav", tmp_path / "cut.wav"))
    loaded = SerModel.from_pretrained(audio_model)
    note = f"another length: its header states {stated:.2f} s, and the file holds {held:.2f} s"
    assert loaded.predict(tmp_path / "cut.wav").notes == (note,)
    assert loaded.predict(recordings / "said-00.wav").notes == ()


def test_a_long_recording_is_read_in_equal_windows_whose_mean_it_has(audio_model, recordings, tmp_path):
    parts = [soundfile.read(recordings / f"said-{n:02d}.wav")[0] for n in range(N_UTTERANCES)]
    samples = np.concatenate(parts)
    soundfile.write(tmp_path / "long.wav", samples, 16_000, subtype="FLOAT")
    model, seconds = SerModel.from_pretrained(audio_model), len(samples) / 16_000
    found = model.predict(tmp_path / "long.wav", window=4)
    n_windows = -(-seconds // 4)
    assert len(found.windows) == n_windows
    assert [each.start for each in found.windows] == pytest.approx(
        [number * seconds / n_windows for number in range(int(n_windows))], abs=1e-3
    )
    assert found.windows[-1].end == pytest.approx(seconds, abs=1e-3)
    cut = samples[: round(found.windows[0].end * 16_000)]
    alone = model.predict(cut.astype(np.float32), sampling_rate=16_000).probabilities
    np.testing.assert_allclose(found.windows[0].probabilities, alone, atol=1e-3)
    mean = np.mean([each.probabilities for each in found.windows], axis=0)
    np.testing.assert_allclose(found.probabilities, mean, atol=1e-12)
    assert len(model.predict(tmp_path / "long.wav").windows) == 1, "shorter than 40 s"
    assert len(model.predict(tmp_path / "long.wav", window=0).windows) == 1


def test_windows_have_rows_with_their_times_and_the_mean_comes_last(capsys, audio_model, recordings, tmp_path):
    samples = np.concatenate([soundfile.read(recordings / f"said-{n:02d}.wav")[0] for n in range(4)])
    soundfile.write(tmp_path / "long.wav", samples, 16_000)
    arguments = (audio_model, tmp_path / "long.wav", "--window", "0.5", "--csv", tmp_path / "out.csv")
    assert predict(capsys, *arguments)[0] == 0
    *windows, mean = rows_of(tmp_path / "out.csv")
    assert len(windows) >= 2
    assert (mean["start"], mean["end"]) == ("", "")
    assert float(mean["p_calm"]) == pytest.approx(np.mean([float(row["p_calm"]) for row in windows]), abs=1e-6)
    content = (tmp_path / "out.csv").read_bytes()
    (tmp_path / "out.csv").write_bytes(b"\n".join(content.split(b"\n")[:-2]) + b"\n")  # without its mean: cut by a kill
    assert "before" not in predict(capsys, *arguments)[1]
    assert (tmp_path / "out.csv").read_bytes() == content


def test_long_recordings_with_words_are_refused_with_what_to_give(model, recordings, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(16_000 * 41), 16_000)
    with pytest.raises(UserError, match="manifest with start, end and text"):
        SerModel.from_pretrained(model)(tmp_path / "long.wav", text="well")


def test_spans_of_a_manifest_are_read(audio_model, recordings, tmp_path, capsys):
    both = np.concatenate([soundfile.read(recordings / f"said-{n:02d}.wav", dtype="int16")[0] for n in (0, 3)])
    first = soundfile.info(str(recordings / "said-00.wav")).frames / 16_000
    soundfile.write(tmp_path / "both.wav", both, 16_000)
    lines = ["file_name,start,end", f"both.wav,0,{first}", "both.wav,2,1", "both.wav,x,1"]
    (tmp_path / "m.csv").write_text("\n".join(lines), encoding="utf-8")
    code, out, _ = predict(capsys, audio_model, tmp_path / "m.csv", "--json")
    one, backwards, text = objects(out)
    alone = SerModel.from_pretrained(audio_model)(recordings / "said-00.wav")
    assert one["scores"] == alone
    assert code == 1
    assert "must run forward" in backwards["reason"]
    assert "start and end are in seconds" in text["reason"]


@pytest.mark.parametrize(("end", "fits"), [(0.0, True), (0.04, True), (0.06, False), (5.0, False)])
def test_a_span_that_ends_after_its_file_is_refused_as_the_check_refuses_it(
    audio_model, recordings, tmp_path, capsys, end, fits
):
    name = str(recordings / "said-00.wav")
    end += soundfile.info(name).frames / 16_000
    (tmp_path / "m.csv").write_text(f"file_name,start,end\n{name},0.1,{end}\n", encoding="utf-8")
    code, out, _ = predict(capsys, audio_model, tmp_path / "m.csv", "--json")
    faults = inspect_recordings([utterance_of(Path(name), None, "a", 0.1, end)]).faults
    assert (code, not faults) == (0 if fits else 1, fits)
    if not fits:
        [found] = objects(out)
        assert found["reason"].startswith(faults["a"].message)


SILENT, SHORT, LOUD = np.zeros(8000), 0.1 * np.ones(10), 1.3 * np.sin(np.arange(8000))


@pytest.mark.parametrize(
    ("samples", "words", "notes"),
    [
        (SILENT, "so", ["silence: no moment is louder than -50 dB"]),
        (SHORT, "so", ["very short: 0.0006"]),
        (LOUD, "so", ["beyond full scale: samples reach 1.3,"]),
        (LOUD / 2, " ", ["no words: the model reads words"]),
        (SILENT, "", ["silence", "no words"]),
        (LOUD / 2, "so", []),
    ],
)
def test_what_makes_a_prediction_worth_little_is_said_at_every_door(capsys, model, tmp_path, samples, words, notes):
    path, loaded = tmp_path / "a.wav", SerModel.from_pretrained(model)
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = loaded(samples.astype(np.float32), sampling_rate=16_000, text=words)
    assert [set(row) for row in found] == [{"label", "score"}] * 2
    assert all(each.category is PredictionWarning and each.filename == __file__ for each in warned)
    with warnings.catch_warnings(record=True) as of_several:
        warnings.simplefilter("always")
        assert loaded([str(path)] * 2, text=[words] * 2) == [found, found]
    assert [str(each.message) for each in of_several] == [
        f"input {n}: {each.message}" for n in (0, 1) for each in warned
    ]
    assert all(each.filename == __file__ for each in of_several)
    (tmp_path / "m.csv").write_text(f"file_name,text\n{path},{words}\n", encoding="utf-8")
    assert predict(capsys, model, tmp_path / "m.csv", "--csv", tmp_path / "out.csv")[0] == 0
    [row] = rows_of(tmp_path / "out.csv")
    _, out, err = predict(capsys, model, path, "--text", words, "--json")
    _, _, shown = predict(capsys, model, path, "--text", words)
    assert err == ""
    every = [[str(each.message) for each in warned], objects(out)[0].get("notes", [])]
    every += [list(filter(None, row["note"].split("; "))), [line.partition(".wav: ")[2] for line in shown.splitlines()]]
    for own in every:
        assert len(own) == len(notes)
        assert all(note.startswith(expected) for note, expected in zip(own, notes, strict=True))


def test_of_windows_it_is_said_how_many_are_silent(audio_model, recordings, tmp_path):
    samples, _ = soundfile.read(recordings / "said-00.wav")
    soundfile.write(tmp_path / "half.wav", np.concatenate([samples, 0 * samples]), 16_000)
    found = SerModel.from_pretrained(audio_model).predict(tmp_path / "half.wav", window=0.5)
    quiet = sum(bool(window.remarks) for window in found.windows)
    assert 0 < quiet < len(found.windows)
    assert found.notes == (f"silence: {quiet} of {len(found.windows)} windows",)


def test_a_study_is_predicted_with_by_its_name_and_is_exported_once(capsys, tmp_path, manifest, recordings):
    folder, _ = write_exportable(tmp_path, manifest, "--variant", "text", "--seeds", "1")
    code, out, err = predict(capsys, "tiny", "--text", "run away now", "--output", tmp_path)
    assert code == 0
    assert "compared with the study's stored predictions: largest difference of a probability" in err
    again = predict(capsys, "tiny", "--text", "run away now", "--output", tmp_path)
    assert again == (0, out, "")
    assert model_folder.read(folder.models / "text").config.members[0].run == "text-c000-f0-s1"


def test_what_is_no_model_is_refused_with_what_there_is(capsys, tmp_path):
    (tmp_path / "a.wav").touch()
    code, _, err = predict(capsys, "nothing", tmp_path / "a.wav", "--output", tmp_path)
    assert code == 2
    assert "'nothing' is none of these" in err


def test_an_encoder_that_is_another_one_now_is_refused(tmp_path, manifest, tiny_encoder, recordings):
    from tests.inference.test_encoders_of_models import exported_with

    encoder = Path(shutil.copytree(tiny_encoder("wavlm"), tmp_path / "encoder"))
    model = exported_with(tmp_path, manifest, encoder, "--variant", "audio")
    moved = encoder.rename(tmp_path / "moved")
    with pytest.raises(UserError, match="encoder"):
        SerModel.from_pretrained(model)
    found = SerModel.from_pretrained(model, encoders={"audio": str(moved)})(recordings / "said-00.wav")
    assert found[0]["label"] in ("calm", "tense")
    shutil.copytree(tiny_encoder("hubert"), encoder)
    with pytest.raises(UserError, match=r"is another one: .*weights was"):
        SerModel.from_pretrained(model)


def test_features_of_another_program_predict_from_no_recording(tmp_path, manifest, recordings):
    from tests.inference.test_encoders_of_models import exported_with

    features = tmp_path / "features"
    features.mkdir()
    generator = np.random.default_rng(0)
    for number in range(N_UTTERANCES):
        np.save(features / f"said-{number:02d}.npy", generator.standard_normal((3, 8)).astype(np.float32))
    model = exported_with(tmp_path, manifest, None, "--variant", "audio", "--audio-features", str(features))
    assert json.loads((model / "metrics.json").read_text(encoding="utf-8"))["check"]["from_recordings"] is False
    with pytest.raises(UserError, match="made by another program"):
        Predictor(model_folder.read(model))


def test_rows_of_other_recordings_or_of_another_model_are_not_lost(capsys, model, audio_model, manifest, tmp_path):
    out = tmp_path / "out.csv"
    assert predict(capsys, audio_model, manifest, "--csv", out)[0] == 0
    before = out.read_bytes()
    one = sorted(manifest.parent.glob("*.wav"))[0]
    for other, inputs in ((audio_model, [one]), (model, [manifest])):
        code, _, err = predict(capsys, other, *inputs, "--csv", out)
        assert code == 2
        assert f"has {N_UTTERANCES} recordings of others, which would be lost; name another file" in err
        assert out.read_bytes() == before
