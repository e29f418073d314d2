"""Wrong input: one clear line, the exit code, and no traceback."""

import importlib.metadata
import os
import re

import pytest

from study.app.cli import main
from study.app.verbs import VERBS


def refusal(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return code, captured.err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--variant", "crosss", "--variant expects all, every, seeing, or names from random, audio, text"),
        ("--variant", ",", "found ','"),
        ("--metric", "f1", "--metric expects one of wa, uwa, wf1, uwf1; found F1"),
        ("--configs", "0", "--configs expects a whole number, at least 1; found 0"),
        ("--epochs", "51", "--epochs expects a whole number, 1 to 50; found 51"),
        ("--concurrency", "0", "--concurrency expects a whole number, at least 1; found 0"),
        ("--gpus-per-run", "1.5", "--gpus-per-run expects 0, a fraction of one"),
        ("--gpus-per-run", "-1", "found -1"),
        ("--gpus-per-run", "nan", "found nan"),
        ("--seed", "-1", "--seed expects a whole number, 0 or more; found -1"),
        ("--name", "../up", "--name expects letters, digits"),
        ("--name", "a" * 300, "at most 200 bytes; found aaa"),
        ("--tracking-uri", "http://[::1", "--tracking-uri expects a running MLflow server; http://[::1 did not answer"),
        ("--address", "127.0.0.1:1", "--address expects a running Ray cluster"),
        ("--corpus", "nowhere.csv", "nowhere.csv"),
        ("--corpus", "nowhere", "nowhere"),
    ],
)
def test_a_wrong_value_is_reported_in_one_line_with_exit_code_2(capsys, tmp_path, option, value, message):
    code, error = refusal(capsys, "run", option, value, "--output", tmp_path)
    assert code == 2
    assert message in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--config", "5"), "5 cannot be read (No such file or directory); the number of configurations is"),
        (("run", "--confg", "5"), "unknown argument '--confg' (did you mean --config?); see `ser-study run --help`"),
        (("run", "--varient=text"), "unknown argument '--varient=text' (did you mean --variant?)"),
        (("run", "--corpus", "caf\udce9.csv"), "arguments are text, and 'caf\\udce9.csv' has bytes that are none"),
        (("run", "text"), "unknown argument 'text'; see `ser-study run --help`"),
        (("runn",), "invalid choice: 'runn'"),
        (("run", "--configs"), "argument --configs: expected one argument; see `ser-study run --help`"),
        (("explain",), "the following arguments are required"),
        (("run", "--configs", "1e3"), "--configs expects a whole number, at least 1; found '1e3'"),
    ],
)
def test_an_argument_that_is_not_known_is_reported_with_the_nearest(capsys, arguments, message):
    code, error = refusal(capsys, *arguments)
    assert code == 2
    assert message in error


def test_a_working_directory_that_was_removed_is_reported_as_that(capsys, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["check"]) == 2
    monkeypatch.chdir(tmp_path)
    assert capsys.readouterr().err.startswith("error: the working directory was removed;")


def test_an_unknown_study_has_no_report(capsys, tmp_path):
    code, error = refusal(capsys, "report", "nothing", "--output", tmp_path)
    assert code == 2
    assert "no study at" in error


def test_a_study_that_does_not_exist_is_refused_with_the_nearest_name(capsys, tmp_path):
    (tmp_path / "studies" / "demo-cross").mkdir(parents=True)
    for verb in (["report"], ["explain"], ["compare", "demo-cross"], ["predict"], ["evaluate", "--corpus", "a.csv"]):
        code, error = refusal(capsys, *verb, "demo-crss", "--output", tmp_path)
        assert code == 2
        assert "did you mean demo-cross?" in error


def test_an_encoder_that_does_not_exist_is_reported_with_what_to_do(capsys, tmp_path, tiny_manifest):
    code, error = refusal(
        capsys, "run", "--corpus", tiny_manifest, "--audio-encoder", tmp_path / "none", "--output", tmp_path / "out"
    )
    assert code == 2
    assert "none" in error


def test_check_exits_with_1_for_a_corpus_with_a_fatal_problem_and_0_for_a_sound_one(capsys, tiny_manifest):
    assert main(["check", str(tiny_manifest)]) == 0
    (tiny_manifest.parent / "audio" / "a1.wav").unlink()
    assert main(["check", str(tiny_manifest)]) == 1
    assert "a1.wav" in capsys.readouterr().out


def test_the_version_is_the_one_that_is_installed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    line = capsys.readouterr().out
    assert line.startswith(f"ser-study {importlib.metadata.version('ser-study')} (revision ")
    assert f"ray {importlib.metadata.version('ray')}" in line


@pytest.mark.parametrize("verb", [[], *([name] for name in VERBS)])
def test_help_answers(capsys, verb):
    with pytest.raises(SystemExit) as ended:
        main([*verb, "--help"])
    assert ended.value.code == 0
    assert "usage: ser-study" in capsys.readouterr().out


@pytest.mark.parametrize("output", ["a-file", "a-file/below"])
def test_an_output_that_is_no_folder_is_reported_as_that(capsys, tmp_path, output):
    (tmp_path / "a-file").touch()
    code, error = refusal(capsys, "run", "--output", tmp_path / output)
    assert code == 2
    assert "--output expects a folder that can be written" in error


@pytest.mark.parametrize("verb", ["report", "explain"])
@pytest.mark.parametrize("name", ["../../elsewhere", "..", "/etc", ".hidden", "a/b", "", "x" * 300])
def test_a_name_never_leads_out_of_the_studies(capsys, tmp_path, verb, name):
    code, error = refusal(capsys, verb, name, "--output", tmp_path / "out")
    assert code == 2
    assert "a study is named by letters, digits" in error
    assert not list(tmp_path.iterdir())


def test_names_that_studies_have_by_default_are_names(capsys, tmp_path):
    for name in ("demo-text", "é" * 100):
        assert "no study at" in refusal(capsys, "report", name, "--output", tmp_path)[1]


def test_audio_without_a_header_is_refused_in_one_line(capsys, tmp_path, tiny_manifest):
    for path in (tiny_manifest.parent / "audio").iterdir():
        path.rename(path.with_suffix(".raw"))
    tiny_manifest.write_text(tiny_manifest.read_text("utf-8").replace(".wav", ".raw"), "utf-8")
    assert main(["check", str(tiny_manifest)]) == 1
    assert "a0.raw" in capsys.readouterr().out.replace("\n", "")
    arguments = ["features", "--corpus", tiny_manifest, "--variant", "audio", "--audio-encoder", "logmel"]
    code = main([*map(str, arguments), "--output", str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1
    assert ".raw" in error


@pytest.mark.parametrize("verb", [["run"], ["features"], ["check"], ["report", "x"], ["explain", "x"]])
@pytest.mark.parametrize("option", ["--outp", "--label", "--vari", "--conf", "--al"])
def test_no_option_is_taken_for_another_that_begins_like_it(capsys, verb, option):
    code, error = refusal(capsys, *verb, option, "1")
    assert code == 2
    assert f"unknown argument '{option}'" in error


def test_features_lists_and_takes_only_what_features_depend_on(capsys):
    with pytest.raises(SystemExit):
        main(["features", "--help"])
    listed = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    assert listed == {
        "--help", "--config", "--variant", "--output", "--corpus", "--labels", "--label-map", "--allow-outside-files",
        "--skip-missing", "--audio-encoder", "--audio-layer", "--frame-rate", "--text-encoder", "--text-layer",
        "--encoder-dtype", "--trust-remote-code", "--audio-features", "--text-features", "--to", "--into",
        "--address", "--feature-rate", "--allow-shared-speakers",
        "--video-encoder", "--video-layer", "--video-features",
    }  # fmt: skip
    code, error = refusal(capsys, "features", "--epochs", "3")
    assert (code, "unknown argument '--epochs'" in error) == (2, True)


def test_check_names_a_path_as_it_was_given_and_does_not_refer_to_itself(capsys, tmp_path, tiny_manifest):
    code, error = refusal(capsys, "check", tmp_path / "nowhere.csv")
    assert (code, "--corpus" in error) == (2, False)
    tiny_manifest.write_text(tiny_manifest.read_text("utf-8").replace("speaker,", "who,").replace("text,", "note,"))
    assert main(["check", str(tiny_manifest)]) == 0
    printed = capsys.readouterr().out
    assert "remarks: 2" in printed
    assert "ser-study check" not in printed


def test_every_encoder_is_opened_before_any_is_used(capsys, tmp_path, tiny_manifest):
    (tmp_path / "no-model").mkdir()
    arguments = ("--audio-encoder", "logmel", "--text-encoder", tmp_path / "no-model", "--output", tmp_path / "out")
    code, error = refusal(capsys, "features", "--corpus", tiny_manifest, *arguments)
    assert (code, f"{tmp_path}/no-model does not" in error) == (2, True)
    assert not list((tmp_path / "out").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("verb", "option"),
    [
        (["manifest"], "--to"),
        (["transcribe", "--asr", "none"], "--to"),
        (["predict", "none"], "--csv"),
        (["features", "--variant", "text", "--text-encoder", "hash", "--to", "npz", "--output", "out"], "--into"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_computed(
    capsys, tmp_path, monkeypatch, tiny_manifest, verb, option
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "found.csv"
    corpus = ["--corpus", str(tiny_manifest)] if verb[0] == "features" else [str(tiny_manifest)]
    assert main([*verb, *corpus, option, str(place)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {option} expects a file that can be written; {place}")
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("out/features/*.safetensors"))


def test_a_place_that_may_not_be_written_is_one_line_wherever_it_is_met(capsys, tmp_path, tiny_manifest):
    (tmp_path / f".m.csv.{os.getpid()}").symlink_to("/dev/pts/none")  # where not even root makes files
    code, error = refusal(capsys, "manifest", tiny_manifest, "--to", tmp_path / "m.csv")
    assert code == 2
    assert "it may not (Permission denied); change the permissions, or name another place" in error


def test_recordings_are_looked_for_before_the_model_which_may_have_to_be_exported(capsys, tmp_path):
    code, error = refusal(capsys, "predict", "no-model", tmp_path / "none.wav")
    assert code == 2
    assert "none.wav does not exist" in error
