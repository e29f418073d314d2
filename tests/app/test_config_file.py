"""Config files: the command line in a file, what is typed counts more, and a study's own file repeats it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from study.app.cli import main, parsed_arguments
from study.app.config_file import add_from_file
from study.app.options import EVERY_OPTION, settings_of, typed_options
from study.app.planning import make_plan
from study.app.repeat import write_config
from study.app.settings import Settings
from study.corpus.options import CorpusOptions
from study.corpus.source import open_corpus
from study.features.spec import FeatureChoice
from study.modalities import MODALITIES
from study.option import duration, options_of
from study.record.folder import StudyFolder


def typed(*arguments: str) -> Settings:
    return settings_of(parsed_arguments(["run", *arguments]))


def from_file(path: Path, *arguments: str) -> Settings:
    parsed = parsed_arguments(["run", *arguments])
    add_from_file(parsed, path, EVERY_OPTION)
    return settings_of(parsed)


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_means_what_its_options_mean_when_they_are_typed(tmp_path: Path) -> None:
    text = """
        variant: [self, cross]      # a list, or names with commas
        corpus: data/manifest.csv
        labels: 7
        budget: 1h30m
        frame-rate: 50,12.5
        metric: wf1
        name: 012
        gpus-per-run: 0.5
        allow-outside-files: yes
        trust-remote-code: false
    """
    options = "--labels 7 --budget 1h30m --frame-rate 50,12.5 --metric wf1 --name 012 --gpus-per-run 0.5".split()
    corpus = str(tmp_path / "data" / "manifest.csv")
    expected = typed("--variant", "self,cross", "--corpus", corpus, *options, "--allow-outside-files")
    assert from_file(write(tmp_path, text)) == expected


def test_what_is_typed_counts_more_than_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "epochs: 7\nseed: 3\n")
    assert from_file(path, "--epochs", "9") == typed("--epochs", "9", "--seed", "3")


def test_a_path_is_relative_to_the_file_wherever_the_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "studies" / "one"
    folder.mkdir(parents=True)
    write(folder, "output: ../..\nlabel-map: map.json\n")
    monkeypatch.chdir(tmp_path / "studies")
    found = from_file(Path("one/study.yaml"))
    assert (found.machines.output, found.corpus.label_map) == (tmp_path, folder / "map.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 5", "'epoch' in study.yaml line 1 is none of them; did you mean epochs?"),
        ("seed: 1\nn_configs: 5", "'n_configs' in study.yaml line 2 is none of them; did you mean configs?"),
        ("zzz: 5", "'zzz' in study.yaml line 1 is none of them; see `ser-study run --help`"),
        ("epochs: 5\nepochs: 6", "'epochs' in study.yaml line 2 is there a second time"),
        ("epochs: 90", "'epochs' in study.yaml line 1: --epochs expects a whole number, 1 to 50; found 90"),
        ("budget: 1:30", "'budget' in study.yaml line 1: --budget expects a time such as 45m"),
        ("policy: best", "'policy' in study.yaml line 1: --policy expects one of race, asha, full; found 'best'"),
        (
            "variant: [self, crosss]",
            "'variant' in study.yaml line 1: --variant expects all, every, seeing, or names from",
        ),
        ("epochs:", "'epochs' in study.yaml line 1 has no value; give it one, or remove the line"),
        ("name: null", "'name' in study.yaml line 1 has no value"),
        ("allow-outside-files: 7", "'allow-outside-files' in study.yaml line 1 expects true or false; found '7'"),
        ("fresh: true", "'fresh' in study.yaml line 1 concerns one command; type --fresh there"),
        ("quiet: true", "'quiet' in study.yaml line 1 concerns one command; type --quiet there"),
        ("epochs:\n  most: 5", "'epochs' in study.yaml line 1 expects one value, or a list of values"),
        ("variant: [[self], cross]", "expects one value, or a list of values; found a group of lines"),
        ("- epochs", "--config expects lines such as `epochs: 12`; study.yaml line 1 is none"),
        ("epochs: [1", "study.yaml line 1 is no YAML"),
        ("a: &x 1\nb: *y", "study.yaml line 2 is no YAML"),
        ("epochs: \x00", "study.yaml is no YAML"),
    ],
)
def test_a_mistake_in_a_file_is_one_line_with_file_line_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, text)
    assert main(["run", "--config", "study.yaml", "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[" * 5_000], ids=["bytes", "depth"])
def test_a_file_that_is_no_text_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    assert main(["run", "--config", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "is no YAML" in error


def test_a_file_is_data_whatever_its_tags_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark = tmp_path / "ran"
    path = write(tmp_path, f"name: !!python/object/apply:os.mkdir ['{mark}']\n")
    assert main(["run", "--config", str(path), "--output", str(tmp_path / "out")]) == 2
    assert "--name expects letters" in capsys.readouterr().err
    assert not mark.exists()


SAMPLES = {
    int: (0, 3),
    float: (1.0, 0.25),
    duration: (90.0, 5400.0, 0.5),
    str.upper: ("UWA",),
}


@pytest.mark.parametrize(
    "option", [o for group in EVERY_OPTION for o in options_of(group).values()], ids=lambda o: o.flag
)
def test_the_text_of_a_value_is_what_is_typed_for_it(option) -> None:
    for value in SAMPLES.get(option.read, ()):
        if option.holds(value):
            assert option.value(option.text(value)) == value
    if option.flag == "--frame-rate":
        assert option.value(option.text((50.0, 12.5))) == (50.0, 12.5)
    if option.flag == "--variant":
        assert option.value(option.text(("self", "cross"))) == ("self", "cross")


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--variant all --configs 5 --epochs 7 --seeds 2 --metric wa --seed 9",
        "--protocol nested --variant text",
        "--budget 90m --frame-rate 50,25 --variant audio --epoch-timeout 5m --concurrency 3",
        "--gpu-hours 1.5 --gpus-per-run 0.25 --policy full --sampler tpe",
        "--audio-encoder some/model --audio-layer mean:1-4 --text-encoder other/model --trust-remote-code",
        "--audio-encoder a/b:last,a/b:6,c/d --audio-layer 2,mean:1-4 --text-encoder x,y --text-layer last,1",
        "--audio-features /my/features --text-encoder other/model",
        "--audio-encoder some/model --encoder-dtype bfloat16 --tracking-uri http://localhost:5000",
    ],
)
def test_the_file_that_a_study_writes_repeats_it(tiny_manifest: Path, options: str) -> None:
    asked = typed("--corpus", str(tiny_manifest), "--output", str(tiny_manifest.parent / "out"), *options.split())
    corpus = open_corpus(CorpusOptions(corpus=str(tiny_manifest)))

    def plan_of(settings: Settings):
        specs = {name: settings.features.specs(row, demo=False) for name, row in MODALITIES.items()}
        features = {name: [FeatureChoice(spec, "a path") for spec in found] for name, found in specs.items()}
        return make_plan(settings, corpus, features, "own")

    folder = StudyFolder.of(asked.machines.output, "own")
    write_config(folder, asked, plan_of(asked))
    again = from_file(folder.options)
    assert json.dumps(plan_of(again).fixed()) == json.dumps(plan_of(asked).fixed())
    assert plan_of(again).terms == asked.terms
    assert again.variants == asked.variants
    assert again.machines == replace(asked.machines, name="own")
    assert again.corpus == asked.corpus
    assert {name: again.features.specs(row, False) for name, row in MODALITIES.items()} == {
        name: asked.features.specs(row, False) for name, row in MODALITIES.items()
    }


def test_a_password_is_not_written_into_a_studys_file(tiny_manifest: Path) -> None:
    asked = typed("--corpus", str(tiny_manifest), "--tracking-uri", "http://ann:secret@localhost:5000")
    folder = StudyFolder(tiny_manifest.parent / "studies" / "own")
    write_config(folder, asked, make_plan(asked, open_corpus(CorpusOptions(corpus=str(tiny_manifest))), {}, "own"))
    text = folder.options.read_text(encoding="utf-8")
    assert "secret" not in text
    assert "tracking-uri is left out: it has a password" in text
    assert from_file(folder.options).machines.tracking_uri is None


@pytest.mark.parametrize("name", ["é ü", "a: b # c", "[x]", "-x", "'", "7", "yes", "line\nbreak"])
def test_any_path_comes_back_from_the_file_that_names_it(tmp_path: Path, tiny_manifest: Path, name: str) -> None:
    moved = tiny_manifest.parent.rename(tiny_manifest.parent.with_name(name)) / tiny_manifest.name
    asked = typed("--corpus", str(moved), "--output", str(moved.parent))
    folder = StudyFolder.of(moved.parent, "own")
    write_config(folder, asked, make_plan(asked, open_corpus(CorpusOptions(corpus=str(moved))), {}, "own"))
    again = from_file(folder.options)
    assert (again.corpus.corpus, again.machines.output) == (str(moved), moved.parent)


def test_options_of_a_file_are_typed_out_where_the_file_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the head of a cluster, which runs the command in another folder."""
    path = write(tmp_path, "variant: [self, cross]\ncorpus: m.csv\nepochs: 7\nallow-outside-files: true\n")
    monkeypatch.chdir(tmp_path)
    parsed = parsed_arguments(["run", "--config", "study.yaml", "--output", "out", "--fresh", "--epochs", "9"])
    add_from_file(parsed, path, EVERY_OPTION)
    asked, options = settings_of(parsed), typed_options(parsed)
    assert "--config" not in options
    monkeypatch.chdir("/")
    there = settings_of(parsed_arguments(["run", *options]))
    assert there == replace(asked, machines=replace(asked.machines, output=tmp_path / "out"))


def test_a_corpus_with_its_kind_is_seen_from_the_file_and_comes_back_from_the_one_that_a_study_writes(
    tmp_path: Path, tiny_manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tiny_manifest.parent))
    text = f"manifest:{tiny_manifest}"
    for written in (text, f"manifest:{tiny_manifest.name}", f"manifest:~/{tiny_manifest.name}"):
        path = write(tiny_manifest.parent, f"variant: cross\ncorpus: {written}\n")
        assert from_file(path).corpus.corpus == text
    monkeypatch.chdir(tiny_manifest.parent)
    asked = typed("--corpus", f"manifest:{tiny_manifest.name}", "--output", "out")
    folder = StudyFolder.of(asked.machines.output, "own")
    write_config(folder, asked, make_plan(asked, open_corpus(CorpusOptions(corpus=asked.corpus.corpus)), {}, "own"))
    assert from_file(folder.options).corpus.corpus == text
