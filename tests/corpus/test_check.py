"""The check verb's report: every fault of a corpus, with file and line, and how it is shown."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from study.corpus.check import CheckReport, check
from study.corpus.check_view import render
from study.corpus.options import CorpusOptions
from study.corpus.utterance import Problem


def shown(report: CheckReport, show_all: bool = False) -> str:
    stream = io.StringIO()
    Console(file=stream, width=400).print(render(report, show_all))
    return stream.getvalue()


def of_kind(report: CheckReport, kind: str) -> list[Problem]:
    return [problem for problem in report.problems if problem.kind == kind]


def edit(manifest: Path, old: str, new: str) -> str:
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))
    return str(manifest)


def test_a_faultless_manifest_passes_with_its_counts_and_durations(tiny_manifest: Path) -> None:
    report = check(CorpusOptions(corpus=str(tiny_manifest)))
    assert not report.fatal
    assert report.problems == ()
    assert report.counts == {group: {"calm": 2, "tense": 2} for group in ("a", "b", "c")}
    assert report.audio.seconds == pytest.approx([0.2] * 12)
    assert (report.audio.rates_hz, report.audio.channels) == ({16_000: 12}, {1: 12})
    assert "no problem that stops a study; remarks: 0" in shown(report)


def test_the_miniature_release_passes_and_its_shared_and_empty_texts_are_counted(iemocap_release: Path) -> None:
    report = check(CorpusOptions(corpus=str(iemocap_release)))
    assert not report.fatal
    assert report.counts["Session3"] == dict.fromkeys(report.corpus.classes if report.corpus else (), 4)
    assert len(of_kind(report, "empty texts")) == 10
    # All scripted utterances have the same words in every session, but for the empty ones.
    problems = of_kind(report, "texts in two groups")
    assert [(p.fatal, p.message.split(" have")[0]) for p in problems] == [(False, "65 of 140 utterances (46%)")]


def test_a_speaker_in_two_groups_is_fatal_and_names_both_lines(tiny_manifest: Path) -> None:
    report = check(CorpusOptions(corpus=edit(tiny_manifest, ",b0,b", ",a1,b")))
    problems = of_kind(report, "speakers in two groups")
    assert [p.fatal for p in problems] == [True]
    assert f"speaker a1 would be in training and test: found in 2 groups, a ({tiny_manifest}:4), b (" in str(problems)
    assert f"b ({tiny_manifest}:6)" in problems[0].message


def test_texts_are_compared_without_case_and_punctuation(tiny_manifest: Path) -> None:
    report = check(CorpusOptions(corpus=edit(tiny_manifest, "show b says 0", "SHOW a says: 0!")))
    assert [p.message.split(" have")[0] for p in of_kind(report, "texts in two groups")] == ["2 of 12 utterances (17%)"]


def test_files_that_cannot_be_decoded_are_fatal_whatever_they_are(tiny_manifest: Path) -> None:
    audio = tiny_manifest.parent / "audio"
    (audio / "a0.wav").write_bytes(b"RIFF no sound here")
    (audio / "a1.wav").write_bytes(b"")
    (audio / "a2.raw").write_bytes(b"\x00" * 100)
    edit(tiny_manifest, "a2.wav", "a2.raw")
    soundfile.write(audio / "a3.wav", np.zeros(0), 16_000)
    (audio / "b0.wav").unlink()
    report = check(CorpusOptions(corpus=str(tiny_manifest)))
    problems = of_kind(report, "audio files that cannot be decoded")
    assert [p.where for p in problems] == [f"{tiny_manifest}:{line}" for line in (2, 3, 4, 5)]
    assert [p.where for p in of_kind(report, "missing audio files")] == [f"{tiny_manifest}:6"]
    assert all(p.fatal for p in report.problems)
    assert len(report.audio.seconds) == 7


@pytest.mark.parametrize(
    ("span", "faulty"), [("0.05,0.2", False), ("0,0.24", False), ("0,0.3", True), ("0.2,0.22", True)]
)
def test_a_span_must_lie_in_its_file_but_for_rounding(tiny_manifest: Path, span: str, faulty: bool) -> None:
    header, first, *rest = tiny_manifest.read_text().splitlines()
    lines = [f"{header},start,end", f"{first},{span}", *(f"{row},," for row in rest)]
    tiny_manifest.write_text("\n".join(lines))
    report = check(CorpusOptions(corpus=str(tiny_manifest)))
    assert [p.where for p in of_kind(report, "spans beyond the file")] == [f"{tiny_manifest}:2"] * faulty
    assert report.fatal is faulty


def test_several_utterances_of_one_file_are_measured_by_their_spans(tiny_manifest: Path) -> None:
    header, first, *rest = tiny_manifest.read_text().splitlines()
    second = first.replace("a0,calm", "a9,calm")
    lines = [f"{header},start,end", f"{first},0,0.05", f"{second},0.05,0.2", *(f"{row},," for row in rest)]
    tiny_manifest.write_text("\n".join(lines))
    report = check(CorpusOptions(corpus=str(tiny_manifest)))
    assert sorted(report.audio.seconds)[:2] == pytest.approx([0.05, 0.15])
    assert report.audio.rates_hz == {16_000: 12}


def test_mixed_rates_and_channels_are_shown(tiny_manifest: Path) -> None:
    soundfile.write(tiny_manifest.parent / "audio" / "a0.wav", np.zeros((4410, 2)), 44_100)
    report = check(CorpusOptions(corpus=str(tiny_manifest)))
    assert report.audio.rates_hz == {16_000: 11, 44_100: 1}
    assert "16,000 Hz (11 files), 44,100 Hz (1 file)" in shown(report)
    assert "1 (11 files), 2 (1 file)" in shown(report)


def test_two_groups_are_too_few(tiny_manifest: Path) -> None:
    lines = [line for line in tiny_manifest.read_text().splitlines() if not line.endswith(",c")]
    tiny_manifest.write_text("\n".join(lines))
    problems = of_kind(check(CorpusOptions(corpus=str(tiny_manifest))), "groups")
    assert ["at least 3 groups" in p.message and "found 2: a, b" in p.message and p.fatal for p in problems] == [True]


def test_a_class_missing_in_a_group_is_a_remark(tiny_manifest: Path) -> None:
    tiny_manifest.write_text("\n".join(line for line in tiny_manifest.read_text().splitlines() if "b1.wav" not in line))
    report = check(CorpusOptions(corpus=edit(tiny_manifest, "b3,tense", "b3,calm")))
    problems = of_kind(report, "classes missing in groups")
    assert [(p.fatal, "group b has no utterance of class tense" in p.message) for p in problems] == [(False, True)]
    assert not report.fatal


def test_a_corpus_without_classes_is_a_problem_and_no_exception(tiny_manifest: Path) -> None:
    report = check(CorpusOptions(corpus=edit(tiny_manifest, "tense", "calm")))
    assert report.corpus is None
    assert ["at least 2 classes" in p.message for p in report.problems if p.fatal] == [True]
    assert "at least 2 classes" in shown(report)


def test_an_unreadable_manifest_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"")
    assert len(check(CorpusOptions(corpus=str(tmp_path / "m.csv"))).problems) == 1


def test_long_lists_are_cut_unless_all_is_wanted(iemocap_release: Path, tmp_path: Path) -> None:
    release = tmp_path / "release"
    shutil.copytree(iemocap_release, release)
    shutil.rmtree(release / "Session2/sentences/wav/Ses02F_impro01")
    shutil.rmtree(release / "Session3/sentences/wav/Ses03F_impro01")
    report = check(CorpusOptions(corpus=str(release)))
    assert sum(p.fatal for p in report.problems) == 2 * 14
    short, full = shown(report), shown(report, show_all=True)
    assert "PROBLEM: missing audio files (28)" in short
    assert "... and 8 more; --all shows them" in short
    assert short.count("impro01.txt:") < full.count("impro01.txt:")
    assert all(str(problem) in full for problem in report.problems)
    assert "problems to fix: 28" in short


def test_markup_in_a_manifest_is_shown_and_not_obeyed(tiny_manifest: Path) -> None:
    report = check(CorpusOptions(corpus=edit(tiny_manifest, "calm", "[/red]calm")))
    assert "[/red]calm" in shown(report)


def test_the_demo_passes() -> None:
    assert not check(CorpusOptions()).fatal


def test_why_a_file_cannot_be_decoded_is_not_cut_off_after_a_long_path(tiny_manifest: Path) -> None:
    deep = tiny_manifest.parent / "audio" / ("long-" * 20)
    deep.mkdir()
    (deep / "a0.wav").write_bytes(b"RIFF no sound here")
    report = check(CorpusOptions(corpus=edit(tiny_manifest, "audio/a0.wav", f"audio/{deep.name}/a0.wav")))
    (problem,) = of_kind(report, "audio files that cannot be decoded")
    assert "Format not recognised" in problem.message
