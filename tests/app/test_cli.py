"""Wrong input: one clear line, the exit code, and no traceback."""

import pytest

from study.app.cli import main


def refusal(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return code, captured.err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--variant", "crosss", "--variant expects all, or names from random, audio, text"),
        ("--variant", ",", "found ','"),
        ("--metric", "f1", "--metric expects one of wa, uwa, wf1, uwf1; found F1"),
        ("--configs", "0", "--configs expects at least 1; found 0"),
        ("--epochs", "51", "--epochs expects 1 to 50; found 51"),
        ("--concurrency", "0", "--concurrency expects at least 1; found 0"),
        ("--gpus-per-run", "1.5", "--gpus-per-run expects 0, a fraction of one, or a whole number; found 1.5"),
        ("--gpus-per-run", "-1", "found -1"),
        ("--gpus-per-run", "nan", "found nan"),
        ("--seed", "-1", "--seed expects 0 or more; found -1"),
        ("--name", "../up", "--name expects letters, digits"),
        ("--corpus", "nowhere.csv", "nowhere.csv"),
        ("--corpus", "nowhere", "nowhere"),
    ],
)
def test_a_wrong_value_is_reported_in_one_line_with_exit_code_2(capsys, tmp_path, option, value, message):
    code, error = refusal(capsys, "run", option, value, "--output", tmp_path)
    assert code == 2
    assert message in error


def test_an_unknown_study_has_no_report(capsys, tmp_path):
    code, error = refusal(capsys, "report", "nothing", "--output", tmp_path)
    assert code == 2
    assert "no study at" in error


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


@pytest.mark.parametrize("verb", [[], ["run"], ["check"], ["features"], ["report"]])
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
