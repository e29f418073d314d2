"""The law that `check` and a study give one verdict: over a table of faults, both refuse or both go on and say why."""

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from study.app.cli import main, parser
from study.app.extraction import extract_features, studied_corpus, wanted_features
from study.app.options import settings_of
from study.app.planning import make_plan, untrained
from study.corpus.manifest_writer import write_manifest
from study.corpus.options import CorpusOptions
from study.corpus.source import open_corpus
from study.errors import UserError
from tests.plugins.miniature_corpora import MINIATURES

RATE_HZ = 16_000
# Options that change what is held out, for `check` and a study alike.
TERMS = ((), ("--protocol", "split"), ("--folds", "speaker"))
HEADER = "file_name,utterance_id,label,text,speaker,group"


def tone(seconds: float = 0.2, level: float = 0.3) -> np.ndarray:
    return level * np.sin(2 * np.pi * 440 * np.arange(int(RATE_HZ * seconds)) / RATE_HZ)


def audio(name: str, samples: np.ndarray, rate_hz: int = RATE_HZ, **how: str) -> Callable[[Path], None]:
    """The fault that a file holds these samples."""
    return lambda folder: soundfile.write(folder / "audio" / name, samples, rate_hz, **how)


def table(old: str, new: str) -> Callable[[Path], None]:
    """The fault that the manifest has `new` in the place of `old`."""

    def edit(folder: Path) -> None:
        text = (folder / "manifest.csv").read_text()
        assert old in text
        (folder / "manifest.csv").write_text(text.replace(old, new))

    return edit


def span(start: str, end: str) -> Callable[[Path], None]:
    """The fault that the first utterance has this span in its file of .2 s."""

    def edit(folder: Path) -> None:
        header, first, *rest = (folder / "manifest.csv").read_text().splitlines()
        lines = [f"{header},start,end", f"{first},{start},{end}", *(f"{row},," for row in rest)]
        (folder / "manifest.csv").write_text("\n".join(lines))

    return edit


def cut_flac(folder: Path) -> None:
    soundfile.write(folder / "audio" / "a0.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 32_000), RATE_HZ)
    whole = (folder / "audio" / "a0.flac").read_bytes()
    (folder / "audio" / "a0.flac").write_bytes(whole[: len(whole) // 2])
    table("a0.wav", "a0.flac")(folder)


def cut_wav(folder: Path) -> None:
    whole = (folder / "audio" / "a0.wav").read_bytes()
    (folder / "audio" / "a0.wav").write_bytes(whole[: len(whole) // 2])


def joined_mp3(folder: Path) -> None:
    """A header that states a third of what the file holds: of the first of three parts."""
    parts = []
    for number in range(3):
        path = folder / f"part{number}.mp3"
        soundfile.write(path, tone(2.0, 0.1 + 0.3 * number), RATE_HZ)
        parts.append(path.read_bytes())
    (folder / "audio" / "a0.mp3").write_bytes(b"".join(parts))
    table("a0.wav", "a0.mp3")(folder)


def not_a_number(folder: Path) -> None:
    audio("a0.wav", np.array([0.1, np.nan] * 800), subtype="FLOAT")(folder)


def copied(folder: Path) -> None:
    (folder / "audio" / "c0.wav").write_bytes((folder / "audio" / "a0.wav").read_bytes())


@dataclass(frozen=True)
class Row:
    """A fault, whether it stops a study, and the words that both commands say."""

    fault: Callable[[Path], object]
    stops: bool
    words: str


FAULTS = {
    "no fault": Row(lambda folder: None, False, ""),
    "a speaker in two groups": Row(table(",b0,b", ",a1,b"), True, "speaker a1 would be in training and test"),
    "speakers of no name": Row(table(",a0,a", ",Unknown,a"), False, ""),
    "a class with two spellings": Row(table("b1,tense", "b1,Tense"), True, "a class has one spelling"),
    "a speaker with two spellings": Row(
        table("again 0,a0,a".replace("again 0", "says 0"), "says 0,A0,a"), True, "a speaker has one"
    ),
    "a class as a number and with decimals": Row(
        lambda folder: (table("a0,calm", "a0,1")(folder), table("a2,calm", "a2,1.0")(folder)),
        True,
        "a class has one spelling, found 1 (1 utterance), 1.0 (1 utterance)",
    ),
    "a letter that looks like another": Row(
        table("a0,calm", "a0,c\u0430lm"), True, "found calm (5 utterances), 'c\\u0430lm' (1 utterance)"
    ),
    "a label that names nothing": Row(
        table("a0,calm", "a0,nan"), False, "1 row labelled 'nan': it is a class by itself"
    ),
    "a quote that is never closed": Row(
        table("show a says 1", '"show a says 1'), True, "that opens here is never closed"
    ),
    "one recording twice in a group": Row(
        lambda folder: shutil.copyfile(folder / "audio" / "a0.wav", folder / "audio" / "a1.wav"),
        False,
        "2 utterances are the same recording: a0 (calm), a1 (tense)",
    ),
    "samples beyond full scale": Row(audio("a0.wav", 300 * tone(), subtype="FLOAT"), False, "samples of a0 reach 90"),
    "a rate too low for speech": Row(audio("a0.wav", tone(), 500), False, "a0 has 500 samples a second; speech needs"),
    "one recording twice": Row(copied, False, "2 utterances are the same recording: a0 in group a, c0 in group c"),
    "an end past the file": Row(span("0", "0.3"), True, "start 0 and end 0.3 must lie in"),
    "an end that was rounded": Row(span("0", "0.24"), False, ""),
    "a start past the file": Row(span("0.2", "0.22"), True, "start 0.2 and end 0.22 must lie in"),
    "NaN": Row(not_a_number, True, "holds samples that are not numbers"),
    "a cut FLAC": Row(cut_flac, True, "cannot be decoded"),
    "a cut WAV": Row(cut_wav, False, "states 0.20 s, and it holds 0.10 s"),
    "an MP3 of three parts": Row(joined_mp3, False, "states 2.00 s, and it holds 6.27 s"),
    "more than ten minutes": Row(audio("a0.wav", np.zeros(60_100), 100, subtype="PCM_U8"), True, "at most 600 seconds"),
    "a rate that no recorder uses": Row(audio("a0.wav", tone(), 15_999), True, "usual sample rate"),
    "no sample": Row(audio("a0.wav", np.zeros(0)), True, "holds no samples"),
    "one sample": Row(audio("a0.wav", np.full(1, 0.1)), False, "a0 is one sample long"),
    "silence": Row(audio("a0.wav", np.zeros(3200)), False, "a0 is silent"),
    "opposite phases": Row(audio("a0.wav", np.stack([tone(), -tone()], axis=1)), False, "opposite phase"),
    "no audio at all": Row(lambda folder: (folder / "audio" / "a0.wav").unlink(), True, "a0.wav"),
    "a class of one group": Row(table("c3,tense", "c3,rare"), False, "class rare is not trained in 2 folds (1, 2)"),
}


def studied(corpus: str, output: Path, *more: str) -> str:
    """What a study prints before it trains."""
    console = Console(file=io.StringIO(), width=10_000)
    options = ["--corpus", corpus, "--variant", "audio", "--audio-encoder", "logmel", "--output", str(output)]
    settings = settings_of(parser().parse_args(["run", *options, *more]))
    corpus_read = studied_corpus(settings, console)
    features = wanted_features(corpus_read, settings)
    choices = {modality: [each.choice for each in own] for modality, own in features.items()}
    untrained(make_plan(settings, corpus_read, choices, "name"), console)
    extract_features(features, corpus_read, settings, console, "a test")
    return console.file.getvalue()


@pytest.mark.parametrize("name", FAULTS)
def test_check_and_a_study_give_one_verdict(
    tiny_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    row = FAULTS[name]
    row.fault(tmp_path)
    assert main(["check", str(tiny_manifest), "--variant", "audio"]) == (1 if row.stops else 0)
    assert row.words in " ".join(capsys.readouterr().out.split())
    if row.stops:
        with pytest.raises(UserError) as refused:
            studied(str(tiny_manifest), tmp_path / "out")
        assert row.words in str(refused.value)
    else:
        assert row.words in studied(str(tiny_manifest), tmp_path / "out")


def verdict(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code of `check` for a study of audio, and what it prints."""
    code = main(["check", *arguments, "--variant", "audio"])
    return code, " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", [*MINIATURES, "iemocap"])
def test_every_corpus_and_a_manifest_written_from_it_get_one_verdict_from_check_and_run(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    place = MINIATURES[name](tmp_path / "it") if name in MINIATURES else request.getfixturevalue("iemocap_release")
    written = tmp_path / "written.csv"
    outside = write_manifest(written, open_corpus(CorpusOptions(corpus=str(place))))
    corpora = {f"{name}:{place}": (), f"manifest:{written}": ("--allow-outside-files",) if outside else ()}
    stopped = dict[tuple[str, ...], str]()
    for terms in TERMS:
        for corpus, options in corpora.items():
            code, said = verdict(capsys, corpus, *options, *terms)
            try:
                studied(corpus, tmp_path / "out", *options, *terms)
            except UserError as refused:
                law = str(refused).partition(": ")[2].partition("; ")[0]
                assert (code, law in said) == (1, True)
                # Where it is found differs between a release and a manifest; what is found does not.
                assert stopped.setdefault(terms, law[:40]) == law[:40]
            else:
                assert (code, stopped.get(terms, "")) == (0, "")
                stopped[terms] = ""
    assert stopped[()].startswith("speaker ") is (name == "meld")
    assert (stopped["--protocol", "split"] == "") is (name in ("meld", "msp-podcast"))


def test_who_validates_follows_from_what_skip_missing_leaves_in_both(
    tiny_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Speaker a0 validates, unless its files cannot be read."""
    header, *rows = tiny_manifest.read_text().splitlines()
    parts = {"a": "train", "b": "train", "c": "test"}
    tiny_manifest.write_text("\n".join([f"{header},split", *(f"{row},{parts[row.split(',')[1][0]]}" for row in rows)]))
    terms = ("--skip-missing", "--protocol", "split")
    chosen = dict[bool, str]()
    for is_cut in (False, True):
        for file in ("a0.wav", "a1.wav") if is_cut else ():
            (tmp_path / "audio" / file).write_bytes(b"RIFF")
        code, said = verdict(capsys, str(tiny_manifest), *terms)
        note = said[said.index("the split has no validation part") :].partition(")")[0]
        assert code == 0
        assert note in studied(str(tiny_manifest), tmp_path / "out", *terms)
        chosen[is_cut] = note
    assert "those of 1 speaker (a0" in chosen[False]
    assert "those of 1 speaker (a0" not in chosen[True]


def test_a_study_of_shared_speakers_is_accepted_on_demand_and_says_so(
    tiny_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FAULTS["a speaker in two groups"].fault(tmp_path)
    said = "1 of 5 speakers are in training and test (a1): allowed by --allow-shared-speakers"
    encoders = ("--audio-encoder", "logmel", "--variant", "audio", "--output", str(tmp_path / "out"))
    assert main(["features", "--corpus", str(tiny_manifest), *encoders]) == 2
    assert "or accept it with --allow-shared-speakers" in capsys.readouterr().err
    assert main(["features", "--corpus", str(tiny_manifest), "--allow-shared-speakers", *encoders]) == 0
    assert said in capsys.readouterr().out
    assert main(["check", str(tiny_manifest), "--allow-shared-speakers"]) == 0
    assert said in capsys.readouterr().out


def test_recordings_are_decoded_once_for_a_study_and_again_where_they_change(
    tiny_manifest: Path, tmp_path: Path
) -> None:
    silent = "a0 is silent"
    FAULTS["silence"].fault(tmp_path)
    assert [silent in studied(str(tiny_manifest), tmp_path / "out") for _ in range(2)] == [True, True]
    audio("a0.wav", tone(0.3))(tmp_path)
    assert silent not in studied(str(tiny_manifest), tmp_path / "out")
