"""From what the user names to a corpus: kinds of source, classes and their order, and refusals in one line."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from study.corpus.labels import PRESETS
from study.corpus.options import CorpusOptions
from study.corpus.readers.table import descriptions
from study.corpus.source import open_corpus
from study.errors import UserError


def refusal(corpus: str, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        open_corpus(CorpusOptions(corpus=corpus, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_labels(manifest: Path, *labels: str) -> str:
    """The manifest with `labels` in turn as its labels."""
    lines = manifest.read_text().splitlines()
    for number in range(1, len(lines)):
        cells = lines[number].split(",")
        lines[number] = ",".join([*cells[:2], labels[(number - 1) % len(labels)], *cells[3:]])
    manifest.write_text("\n".join(lines))
    return str(manifest)


def test_a_folder_is_iemocap_in_seven_classes_by_default(iemocap_release: Path) -> None:
    corpus = open_corpus(CorpusOptions(corpus=str(iemocap_release)))
    assert corpus.name == "IEMOCAP"
    assert corpus.classes == ("angry", "happy", "excited", "sad", "neutral", "frustrated", "surprise")
    assert set(corpus.counts().values()) == {20}
    assert [u.id for u in corpus.utterances] == sorted(u.id for u in corpus.utterances)


def test_what_no_preset_holds_is_dropped_and_counted(iemocap_release: Path) -> None:
    notes = open_corpus(CorpusOptions(corpus=str(iemocap_release))).notes
    assert "1 byte not of UTF-8, read as \ufffd" in notes[0]
    assert notes[1] == "dropped: 20 of 160 utterances, for their label: 10 fear, 10 undecided"
    assert notes[2].startswith("label counts differ from those known of the full release: Session1 angry 4 instead")


@pytest.mark.parametrize(
    ("name", "sizes"), [("7", [20] * 7), ("6", [20] * 6), ("5", [20] * 5), ("4", [20, 40, 20, 20])]
)
def test_presets_choose_and_merge_the_classes_of_iemocap(iemocap_release: Path, name: str, sizes: list[int]) -> None:
    corpus = open_corpus(CorpusOptions(corpus=str(iemocap_release), labels=name))
    assert corpus.classes == PRESETS[name].classes
    assert list(corpus.counts().values()) == sizes


def test_a_manifest_has_all_its_labels_sorted(tiny_manifest: Path) -> None:
    corpus = open_corpus(CorpusOptions(corpus=str(tiny_manifest)))
    assert corpus.classes == ("calm", "tense")
    assert corpus.notes == ()
    assert len(corpus.utterances) == 12


def test_a_manifest_of_known_emotions_keeps_their_order_and_takes_presets(tiny_manifest: Path) -> None:
    source = write_labels(tiny_manifest, "sad", "excited", "angry", "happy", "surprise", "fear")
    assert open_corpus(CorpusOptions(corpus=source)).classes == ("angry", "excited", "fear", "happy", "sad", "surprise")
    corpus = open_corpus(CorpusOptions(corpus=source, labels="4"))
    assert corpus.classes == ("angry", "happy", "sad")
    assert corpus.counts() == {"angry": 2, "happy": 4, "sad": 2}
    assert corpus.notes == (
        "read as happy: 2 labelled excited",
        "dropped: 4 of 12 utterances, for their label: 2 fear, 2 surprise; "
        "a --label-map gives them classes of --labels 4",
        "no utterance is labelled neutral: the class is left out",
    )
    assert open_corpus(CorpusOptions(corpus=write_labels(tiny_manifest, "sad", "angry"))).classes == ("angry", "sad")
    known = open_corpus(CorpusOptions(corpus=write_labels(tiny_manifest, "sad", "angry", "surprise"), labels="4")).notes
    assert known[0] == "dropped: 4 of 12 utterances, for their label: 4 surprise"


def test_a_label_map_goes_before_the_preset_and_drops_what_it_does_not_name(tiny_manifest: Path) -> None:
    source = write_labels(tiny_manifest, "hap", "exc", "ang", "bored")
    (tiny_manifest.parent / "map.json").write_text('{"hap": "happy", "exc": "excited", "ang": "angry"}')
    corpus = open_corpus(CorpusOptions(corpus=source, labels="4", label_map=tiny_manifest.parent / "map.json"))
    assert corpus.counts() == {"angry": 3, "happy": 6}
    assert "dropped: 3 of 12 utterances, for their label: 3 bored" in corpus.notes


def test_a_preset_that_fits_no_label_says_which_there_are(tiny_manifest: Path) -> None:
    message = refusal(str(tiny_manifest), labels="4")
    assert message.startswith("--labels 4 expects labels among angry, excited, happy, neutral, sad; found none of them")
    assert "calm, tense" in message


def test_one_class_is_too_few(tiny_manifest: Path) -> None:
    assert "a study needs at least 2 classes; found 1 (sad)" in refusal(write_labels(tiny_manifest, "sad"))


def test_the_demo_opens_without_a_problem() -> None:
    corpus = open_corpus(CorpusOptions())
    assert corpus.name == "demo"
    assert len(corpus.groups()) >= 3


@pytest.mark.parametrize(
    ("name", "found"), [("nowhere", "nothing"), ("a.wav", "a file of another kind"), ("", "nothing")]
)
def test_another_source_is_refused_with_what_is_accepted(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / "a.wav").touch()
    message = refusal(f"{tmp_path}/{name}" if name else "x" * 5000)
    assert message.startswith(f"a corpus is {descriptions()}; found {found}")


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    line = refusal(str(tmp_path))
    assert line.startswith("a corpus is an IEMOCAP release folder (Session1 ... Session5)")
    assert line.endswith(f"found a folder of another kind at {tmp_path}; leave it out for the demo")


def test_a_kind_before_the_path_insists_on_its_layout_and_changes_nothing_else(
    iemocap_release: Path, tiny_manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, path in (("iemocap", iemocap_release), ("manifest", tiny_manifest)):
        assert open_corpus(CorpusOptions(corpus=f"{kind}:{path}")) == open_corpus(CorpusOptions(corpus=str(path)))
        monkeypatch.chdir(path.parent)
        monkeypatch.setenv("HOME", str(path.parent))
        digest = open_corpus(CorpusOptions(corpus=str(path))).digest()
        for text in (f"{kind}:{path.name}", f"{kind.upper()}:./{path.name}", f"{kind}:~/{path.name}", f"~/{path.name}"):
            assert open_corpus(CorpusOptions(corpus=text)).digest() == digest


def test_a_layout_that_does_not_fit_says_what_is_expected_and_found(tiny_manifest: Path) -> None:
    folder = tiny_manifest.parent
    assert refusal(f"iemocap:{folder}") == (
        f"iemocap:PATH expects an IEMOCAP release folder (Session1 ... Session5); found a folder of another kind at "
        f"{folder}; {tiny_manifest} is a manifest (.csv, .tsv, .jsonl)"
    )
    expected = "manifest:PATH expects a manifest (.csv, .tsv, .jsonl); found"
    near = f"{tiny_manifest} is a manifest (.csv, .tsv, .jsonl)"
    assert refusal(f"manifest:{folder}") == f"{expected} a folder of another kind at {folder}; {near}"
    assert refusal(f"manifest:{folder}/none.csv") == f"{expected} nothing at {folder}/none.csv"


def test_an_unknown_kind_is_refused_with_the_known_ones(tiny_manifest: Path) -> None:
    line = refusal(f"iemocop:{tiny_manifest}")
    assert line.startswith("--corpus expects a path, or KIND:PATH with a KIND of iemocap, ")
    assert f"found 'iemocop' in 'iemocop:{tiny_manifest}'"[:40] in line


def test_a_path_with_a_colon_is_a_path(tiny_manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_manifest.parent)
    tiny_manifest.rename("iemocap:show.csv")
    assert open_corpus(CorpusOptions(corpus="iemocap:show.csv")).name == "iemocap-show"
    assert open_corpus(CorpusOptions(corpus="manifest:iemocap:show.csv")).name == "iemocap-show"
    assert open_corpus(CorpusOptions(corpus=str(Path("iemocap:show.csv").absolute()))).name == "iemocap-show"


def test_fatal_problems_are_the_first_with_the_number_of_the_others(tiny_manifest: Path) -> None:
    tiny_manifest.write_text(tiny_manifest.read_text().replace("calm", ""))
    assert refusal(str(tiny_manifest)) == (
        f"{tiny_manifest}:2: label is empty; fill it in or remove the row; and 5 more; "
        f"run `ser-study check {tiny_manifest}` for all"
    )


def test_remarks_are_summed_up_in_a_note(tiny_manifest: Path) -> None:
    tiny_manifest.write_text(tiny_manifest.read_text().replace("speaker,", "nobody,").replace("text,", "note,"))
    notes = open_corpus(CorpusOptions(corpus=str(tiny_manifest))).notes
    assert len(notes) == 1
    assert notes[0].endswith("(and 1 more, see `ser-study check`)")


def test_a_corpus_is_named_so_that_a_folder_can_be(tiny_manifest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my show [1]"
    shutil.copytree(tiny_manifest.parent / "audio", folder / "audio")
    shutil.copy(tiny_manifest, folder / "metadata.csv")
    shutil.copy(tiny_manifest, folder / "..dev set.csv")
    assert open_corpus(CorpusOptions(corpus=str(folder / "metadata.csv"))).name == "my-show-1"
    assert open_corpus(CorpusOptions(corpus=str(folder / "..dev set.csv"))).name == "dev-set"


def test_the_digest_does_not_depend_on_the_order_of_rows(tiny_manifest: Path) -> None:
    digest = open_corpus(CorpusOptions(corpus=str(tiny_manifest))).digest()
    header, *rows = tiny_manifest.read_text().splitlines()
    tiny_manifest.write_text("\n".join([header, *reversed(rows)]))
    assert open_corpus(CorpusOptions(corpus=str(tiny_manifest))).digest() == digest


def test_the_digest_depends_on_splits_where_a_corpus_has_them(tiny_manifest: Path) -> None:
    plain = open_corpus(CorpusOptions(corpus=str(tiny_manifest))).digest()
    header, *rows = tiny_manifest.read_text().splitlines()
    digests = [plain]
    for split in ("", "train", "test"):
        tiny_manifest.write_text("\n".join([f"{header},split", *(f"{row},{split}" for row in rows)]))
        digests.append(open_corpus(CorpusOptions(corpus=str(tiny_manifest))).digest())
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
