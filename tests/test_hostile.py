"""Files from elsewhere: whatever is in them, an error names the place, nothing hangs, and nothing in them is run."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from study.corpus.check import check
from study.corpus.check_view import render
from study.corpus.options import CorpusOptions
from study.corpus.readers.iemocap import scan as scan_release
from study.corpus.readers.manifest import scan
from study.corpus.source import open_corpus
from study.errors import UserError
from study.record.events import KINDS, TYPES
from study.record.folder import StudyFolder
from study.record.ledger import Ledger, read
from study.record.plan import Plan
from study.report.write import write
from study.search.conductor import Conductor
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Rules
from study.training.metrics import METRICS
from study.variants import VARIANTS
from tests.plugins.tiny_study import run_study, write_study

ROOT = Path(__file__).resolve().parents[1]
# Every example writes over the file of the one before, so that one folder serves all.
FUZZ = settings(deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])

wild_text = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["", "u1", "../../x", "/etc/passwd", "1e999", "nan", "-1", "\x00", "\x1b[31m", "‮", "[red]", "=1+1", "a" * 300]
)
wild_bytes = st.binary(max_size=200)


def manifest_of(rows: list[list[str]]) -> bytes:
    header = "utterance_id,label,text,group,speaker,file_name,start,end,votes"
    return "\n".join([header, *(",".join(f'"{cell}"' for cell in row) for row in rows)]).encode("utf-8", "replace")


def refusal(use: Callable[[], object]) -> str | None:
    """The error line that the user sees, fit for any terminal; None if `use` works. Other errors pass."""
    try:
        use()
    except UserError as error:
        line = str(error)
    else:
        return None
    assert "\n" not in line
    line.encode()
    return line


manifests = (
    wild_bytes
    | st.lists(st.lists(wild_text, min_size=7, max_size=10), max_size=4).map(manifest_of)
    | st.tuples(st.just(manifest_of([["u1", "happy", "so", "g", "s", "a.wav", "", "", ""]])), wild_bytes).map(b"".join)
)


@FUZZ
@given(content=manifests, suffix=st.sampled_from([".csv", ".jsonl"]))
@example(content=b"utterance_id,label,text,group\n\xff\xfe,a,b,c\n", suffix=".csv")
@example(content=b'{"utterance_id": "\\ud800", "label": "a", "text": "b", "group": "c"}', suffix=".jsonl")
@example(content=b'{"utterance_id": "a", "label": "\\ud800", "text": "b", "group": "\\udfff"}', suffix=".jsonl")
@example(content=b"\xff\xfeu", suffix=".csv")
@example(content=b"[" * 100_000, suffix=".jsonl")
@example(content=b"1" * 10_000, suffix=".jsonl")
@example(content=b'utterance_id,label,text,group\n"' + b"a" * 200_000, suffix=".csv")
@example(content=b"utterance_id,\xff,label,text,group,\xff\n1,2,3,4,5,6\n", suffix=".csv")
def test_any_manifest_is_read_or_refused_with_its_place(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"manifest{suffix}"
    path.write_bytes(content)
    _, problems = scan(path)
    for problem in problems:
        assert problem.where.startswith(str(path))
        assert "\n" not in problem.message
        problem.message.encode()  # printable on any terminal that knows UTF-8
    refused = refusal(lambda: open_corpus(CorpusOptions(corpus=str(path))))
    assert refused is None or str(path) in refused
    shown = StringIO()
    console = Console(file=shown, width=80)
    console.print(render(check(CorpusOptions(corpus=str(path))), show_all=True))
    shown.getvalue().encode()


@FUZZ
@given(
    content=wild_bytes
    | st.lists(
        st.sampled_from(
            [
                b"[6.29 - 8.23]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]",
                b"[6.29 - 8.23]\tSes02F_impro01_F000\tneu",
                b"[\t\t",
                b"C-E2:\tHappiness; \xff;\t(",
                b"Ses01F_impro01_F001 \xed\xa0\x80",
                b"[" * 500,
            ]
        )
        | wild_bytes,
        max_size=6,
    ).map(b"\n".join)
)
def test_any_label_file_is_read_or_refused_with_its_place(content: bytes, tmp_path: Path) -> None:
    for name in ("EmoEvaluation", "transcriptions"):
        path = tmp_path / "Session1" / "dialog" / name / "Ses01F_impro01.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    _, problems = scan_release(tmp_path)
    for problem in problems:
        assert problem.where.startswith(str(tmp_path))
        problem.message.encode()
    with pytest.raises(UserError) as refused:  # one session is not enough for a study
        open_corpus(CorpusOptions(corpus=str(tmp_path)))
    str(refused.value).encode()


VALUES = st.one_of(
    st.integers(-3, 12), st.floats(), wild_text, st.booleans(), st.none(), st.lists(st.integers(), max_size=2),
    st.sampled_from(["cross", "complete", "stopped", "failed", {}, {"UWA": 0.5}, {"UWA": "x"}, 10**400, 2**70]),
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """An event's JSON as it should be, but for up to two fields."""
    kind = draw(st.sampled_from([*KINDS, "nothing"]))
    scores = dict.fromkeys(METRICS, 0.5)
    sound = {
        "variant": "cross", "config": draw(st.integers(0, 2)), "params": {}, "fold": 0, "seed": 0, "epoch": 1,
        "loss": 1.0, "validation": scores, "test": scores, "seconds": 0.1, "ended": draw(st.booleans()), "stage": 1,
        "reason": "why", "outcome": "failed", "test_block": 0, "plan": "0" * 64, "spaces": {}, "terms": {},
        "layer_weights": {"audio": {"0-1": 0.4}}, "device": "CPU",
    }  # fmt: skip
    fields = TYPES[KINDS[kind]] if kind in KINDS else {}
    record = {"kind": kind, **{name: sound[name] for name in fields}}
    for name in draw(st.lists(st.sampled_from(sorted(record)), max_size=2)):
        record[name] = draw(VALUES)
    return record


def continue_study(path: Path) -> None:
    rules = Rules(n_configs=3, n_folds=2, epochs=4, rungs=(2,), lookahead=2, finalists=1, seeds=1)
    Conductor({"cross": Race(rules, POLICIES["race"])}, Ledger(path), propose=lambda *_: {}, slots=1)


@FUZZ
@given(lines=st.lists(records().map(lambda r: json.dumps(r).encode()) | wild_bytes, max_size=6))
@example(lines=[b'{"kind": "epoch"' * 1000])
@example(lines=[b"[" * 100_000])
@example(lines=[b"\xff\xfe"])
@example(lines=[b'{"kind": ["config"]}'])
def test_any_ledger_is_continued_or_refused_with_its_line(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    for use in (lambda: list(read(path)), lambda: continue_study(path)):
        refused = refusal(use)
        assert refused is None or re.search(rf"{re.escape(str(path))} line \d+", refused)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A small study that has been run to its end by real workers' code, finalists included."""
    study = write_study(tmp_path_factory.mktemp("studies"), n_configs=2, epochs=2, finalists=1, seeds=1, policy="full")
    run_study(study)
    return study.folder


def report(folder: StudyFolder) -> object:
    return write(folder, {"text": VARIANTS["text"].suggest})


# Values that the ledger's laws allow, so that the report is reached with them.
PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "validation": st.fixed_dictionaries({metric: st.floats(0, 1) for metric in METRICS}),
    "test": st.fixed_dictionaries({metric: st.floats(0, 1) for metric in METRICS}),
    "loss": st.floats(0, 1e300),
    "seconds": st.floats(0, 1e300),
    "ended": st.booleans(),
    "reason": wild_text,
    "outcome": st.sampled_from(["complete", "stopped", "diverged", "failed"]),
    "params": st.dictionaries(wild_text, wild_text | st.integers(0, 9) | st.floats(), max_size=3),
    "seed": st.integers(0, 2),
    "fold": st.integers(0, 4),
    "config": st.integers(0, 2),
    "spaces": st.dictionaries(wild_text, wild_text, max_size=2),
    "terms": st.dictionaries(st.sampled_from(["seeds", "n_configs", "variants", "seconds"]), VALUES, max_size=3),
}


@st.composite
def damaged(draw: st.DrawFn, lines: list[dict[str, Any]]) -> list[bytes]:
    """The lines of a ledger with up to three changes: fields, lines that are missing, doubled, swapped or foreign."""
    changed: list[dict[str, Any] | bytes] = [dict(line) for line in lines]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(changed) - 1))
        line = changed[at]
        match draw(st.sampled_from(["plausible", "plausible", "field", "drop", "double", "swap", "foreign"])):
            case "plausible" if isinstance(line, dict):
                name = draw(st.sampled_from(sorted(line.keys() & PLAUSIBLE.keys())))
                changed[at] = {**line, name: draw(PLAUSIBLE[name])}
            case "field" if isinstance(line, dict):
                changed[at] = {**line, draw(st.sampled_from(sorted(line))): draw(VALUES)}
            case "drop" if len(changed) > 1:
                del changed[at]
            case "double":
                changed.insert(at, line)
            case "swap":
                other = draw(st.integers(0, len(changed) - 1))
                changed[at], changed[other] = changed[other], line
            case _:
                changed[at] = draw(wild_bytes)
    return [line if isinstance(line, bytes) else json.dumps(line).encode() for line in changed]


@pytest.mark.slow
# Drawing is slow: a failing ledger is reported as it was drawn, not shrunk.
@settings(
    FUZZ, suppress_health_check=list(HealthCheck), deadline=20_000, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
@given(data=st.data())
def test_any_ledger_is_reported_or_refused_in_one_line(reported: StudyFolder, data: st.DataObject) -> None:
    whole = reported.ledger.read_bytes()
    lines = data.draw(damaged([json.loads(line) for line in whole.splitlines()]))
    try:
        reported.ledger.write_bytes(b"".join(line + b"\n" for line in lines))
        refused = refusal(lambda: report(reported))
    finally:
        reported.ledger.write_bytes(whole)
    event("reported" if refused is None else "refused")
    assert refused is None or str(reported.path) in refused


def test_the_study_that_is_damaged_has_a_report_with_predictions(reported: StudyFolder) -> None:
    """Else the test above would reach no report."""
    report(reported)
    rows = (reported.path / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) > 30


@pytest.mark.parametrize("damage", [lambda whole: whole[:-9], lambda whole: b"", lambda whole: b"junk" * 99, None])
def test_predictions_of_any_content_are_refused_in_one_line(
    reported: StudyFolder, damage: Callable[[bytes], bytes] | None
) -> None:
    """Of every run: whichever the report reads first."""
    whole = {path: path.read_bytes() for path in reported.predictions.iterdir()}
    try:
        for path, content in whole.items():
            path.unlink() if damage is None else path.write_bytes(damage(content))
        refused = refusal(lambda: report(reported))
    finally:
        for path, content in whole.items():
            path.write_bytes(content)
    assert refused is not None
    assert "predictions of every run that ended are needed" in refused
    assert str(reported.path) in refused


@FUZZ
@given(content=wild_bytes | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_plan_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(tmp_path))):
        Plan.read(StudyFolder(tmp_path))


def test_a_manifest_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.csv")
    _, (problem,) = scan(tmp_path / "manifest.csv")
    assert "no such file" in problem.message


def test_wrong_bytes_are_shown_on_a_terminal_that_knows_ascii_only(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(b"utterance_id,label,text,group\n\xff\xc3\xa9,\xe2\x80\xae,b,c\n")
    program = "from study.app.cli import main; raise SystemExit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "check", str(path)], capture_output=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{path}:2".encode() in done.stdout.replace(b"\n", b"")
    assert b"Traceback" not in done.stderr


def test_no_file_is_read_in_a_way_that_may_run_code() -> None:
    """Pickle runs code; `weights_only` and `allow_pickle=False` are what keep it out."""
    for path in [p for top in ("study", "models", "search_spaces") for p in (ROOT / top).rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(import|from) (pickle|joblib|dill|cloudpickle|shelve|marshal)\b", text, re.M), path
        for call in re.findall(r"torch\.load\([^\n]*", text):
            assert "weights_only=True" in call, path
        for call in re.findall(r"np\.load\([^\n]*", text):
            assert "allow_pickle=False" in call, path
        assert not re.search(r"(?<![.\w])(eval|exec)\(|yaml\.load\(", text), path
