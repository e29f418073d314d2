"""Missing files: named and counted, left out on demand, and no matter for a study that reads none of them."""

from pathlib import Path
from typing import Any

import pytest

from study.app.cli import main
from study.corpus.check import check
from study.corpus.options import CorpusOptions
from study.corpus.source import open_corpus
from study.errors import UserError


def remove(manifest: Path, *ids: str) -> None:
    for id in ids:
        (manifest.parent / "audio" / f"{id}.wav").unlink()


def refusal(manifest: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        open_corpus(CorpusOptions(corpus=str(manifest), **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_files_are_counted_and_the_first_of_them_named(tiny_manifest: Path) -> None:
    remove(tiny_manifest, "a1", "b0", "b2", "c3")
    audio = tiny_manifest.parent / "audio"
    assert refusal(tiny_manifest) == (
        f"every utterance needs its audio file, and 4 of 12 utterances at {tiny_manifest} have none: "
        f"{audio}/a1.wav, {audio}/b0.wav, {audio}/b2.wav and 1 more; add the files, or leave these utterances out with "
        "--skip-missing"
    )


def test_utterances_without_file_are_left_out_on_demand_and_counted(tiny_manifest: Path) -> None:
    whole = open_corpus(CorpusOptions(corpus=str(tiny_manifest)))
    assert open_corpus(CorpusOptions(corpus=str(tiny_manifest), skip_missing=True)) == whole
    remove(tiny_manifest, "a1", "c3")
    corpus = open_corpus(CorpusOptions(corpus=str(tiny_manifest), skip_missing=True))
    assert [u.id for u in corpus.utterances] == [u.id for u in whole.utterances if u.id not in ("a1", "c3")]
    audio = tiny_manifest.parent / "audio"
    assert corpus.notes == (
        f"left out by --skip-missing: 2 of 12 utterances without audio file ({audio}/a1.wav, {audio}/c3.wav)",
    )


def test_words_alone_need_no_files(tiny_manifest: Path) -> None:
    whole = open_corpus(CorpusOptions(corpus=str(tiny_manifest)))
    remove(tiny_manifest, *(u.id for u in whole.utterances))
    for skip_missing in (False, True):
        assert open_corpus(CorpusOptions(corpus=str(tiny_manifest), skip_missing=skip_missing), ("text",)) == whole
    assert not check(CorpusOptions(corpus=str(tiny_manifest)), ("text",)).problems


def test_where_every_file_is_missing_the_place_is_wrong(tiny_manifest: Path) -> None:
    remove(tiny_manifest, *(u.id for u in open_corpus(CorpusOptions(corpus=str(tiny_manifest))).utterances))
    assert refusal(tiny_manifest).endswith("; give the folder or the manifest that these files belong to")
    assert "needs at least 2 classes; --skip-missing leaves 12" in refusal(tiny_manifest, skip_missing=True)


def test_a_class_whose_files_are_all_missing_is_left_out(tiny_manifest: Path) -> None:
    lines = tiny_manifest.read_text().splitlines()
    rare = [line.replace("a0,calm", "a0,rare") for line in lines]
    tiny_manifest.write_text("\n".join(rare))
    remove(tiny_manifest, "a0")
    corpus = open_corpus(CorpusOptions(corpus=str(tiny_manifest), skip_missing=True))
    assert corpus.classes == ("calm", "tense")
    assert corpus.notes[-1] == "no other utterance is labelled rare: the class is left out"


def test_files_of_labels_that_are_dropped_are_not_needed(tiny_manifest: Path) -> None:
    remove(tiny_manifest, "a0")
    tiny_manifest.write_text(tiny_manifest.read_text().replace("a0,calm", "a0,other"))
    (tiny_manifest.parent / "map.json").write_text('{"calm": "calm", "tense": "tense"}')
    options = {"label_map": tiny_manifest.parent / "map.json"}
    assert len(open_corpus(CorpusOptions(corpus=str(tiny_manifest), **options)).utterances) == 11
    assert not check(CorpusOptions(corpus=str(tiny_manifest), **options)).fatal


@pytest.mark.parametrize(
    ("options", "code"),
    [((), 2), (("--skip-missing",), 0), (("--variant", "text"), 0), (("--variant", "audio"), 2)],
)
def test_check_and_features_give_one_verdict(
    tiny_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: int
) -> None:
    remove(tiny_manifest, "a1")
    encoders = ("--audio-encoder", "logmel", "--text-encoder", "hash", "--output", str(tmp_path / "out"))
    assert main(["features", "--corpus", str(tiny_manifest), *encoders, *options]) == code
    printed = "".join(capsys.readouterr())
    assert ("left out by --skip-missing: 1 of 12 utterances without audio file" in printed) is (
        options == ("--skip-missing",)
    )
    assert main(["check", str(tiny_manifest), *options]) == (1 if code else 0)


def test_check_lists_missing_files_as_remarks_where_they_are_skipped(tiny_manifest: Path) -> None:
    remove(tiny_manifest, "a1", "b2")
    for skip_missing in (False, True):
        report = check(CorpusOptions(corpus=str(tiny_manifest), skip_missing=skip_missing))
        missing = [(p.where, p.fatal) for p in report.problems if p.kind == "missing audio files"]
        assert missing == [(f"{tiny_manifest}:{line}", not skip_missing) for line in (3, 8)]
        assert report.fatal is not skip_missing
        assert sum(sum(row.values()) for row in report.counts.values()) == (10 if skip_missing else 12)


def test_check_names_what_the_variants_lack(tiny_manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_manifest.write_text(tiny_manifest.read_text().replace("text,", "note,"))
    assert main(["check", str(tiny_manifest)]) == 0
    assert main(["check", str(tiny_manifest), "--variant", "audio"]) == 0
    capsys.readouterr()
    assert main(["check", str(tiny_manifest), "--variant", "cross,text,audio"]) == 1
    assert "variant cross, text needs words" in " ".join(capsys.readouterr().out.split())
