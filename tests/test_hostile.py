"""Files that anybody may have written: whatever is in them, an error names the place, and nothing hangs or is run."""

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
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from study.corpus.check import check, render
from study.corpus.iemocap import scan as scan_release
from study.corpus.manifest import scan
from study.corpus.source import open_corpus
from study.errors import UserError
from study.results.ledger import Ledger, read
from study.results.ledger_laws import FIELDS
from study.results.plan import Plan
from study.results.report import write
from study.tuning.conductor import Conductor
from study.tuning.entries import Rules
from study.tuning.proposals import proposer
from study.variants import VARIANTS

ROOT = Path(__file__).resolve().parents[1]
# Every example writes over the file of the one before, so that one folder serves all.
FUZZ = settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])

wild_text = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["", "u1", "../../x", "/etc/passwd", "1e999", "nan", "-1", "\x00", "\x1b[31m", "‮", "[red]", "=1+1", "a" * 300]
)
wild_bytes = st.binary(max_size=200)


def manifest_of(rows: list[list[str]]) -> bytes:
    header = "utterance_id,label,text,group,speaker,file_name,start,end,votes"
    return "\n".join([header, *(",".join(f'"{cell}"' for cell in row) for row in rows)]).encode("utf-8", "replace")


def refusal(use: Callable[[], object]) -> str | None:
    """What `use` tells the user, in one line that any terminal shows; None if it works. Other errors pass."""
    try:
        use()
    except UserError as error:
        told = str(error)
    else:
        return None
    assert "\n" not in told
    told.encode()
    return told


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
    told = refusal(lambda: open_corpus(str(path), None, None, allow_outside=False))
    assert told is None or str(path) in told
    console = Console(file=StringIO(), width=80)
    console.print(render(check(str(path), None, None, allow_outside=False), show_all=True))
    console.file.getvalue().encode()


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
        open_corpus(str(tmp_path), "7", None, allow_outside=False)
    str(refused.value).encode()


VALUES = st.one_of(
    st.integers(-3, 12), st.floats(), wild_text, st.booleans(), st.none(), st.lists(st.integers(), max_size=2),
    st.sampled_from(["cross", "complete", "stopped", "failed", {}, {"UWA": 0.5}, {"UWA": "x"}, 10**400, 2**70]),
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """A record as it should be, but for one or two fields."""
    kind = draw(st.sampled_from([*FIELDS, "nothing"]))
    scores = dict.fromkeys(("WA", "UWA", "WF1", "UWF1"), 0.5)
    sound = {
        "variant": "cross", "config": draw(st.integers(0, 2)), "params": {}, "fold": 0, "seed": 0, "epoch": 1,
        "loss": 1.0, "validation": scores, "test": scores, "seconds": 0.1, "ended": draw(st.booleans()), "stage": 1,
        "reason": "why", "outcome": "failed", "outer": 0,
    }  # fmt: skip
    record = {"kind": kind, **{name: sound[name] for name in FIELDS.get(kind, {})}}
    for name in draw(st.lists(st.sampled_from(sorted(record)), max_size=2)):
        record[name] = draw(VALUES)
    return record


def continue_study(path: Path) -> None:
    rules = Rules(n_configs=3, n_folds=2, epochs=4, rungs=(2,), lookahead=2, finalists=1, seeds=1)
    Conductor(
        ["cross"], rules, Ledger(path), policy="race", propose=proposer(1, "random"), metric="UWA", seed=1, slots=1
    )


def plan_for(folder: Path) -> None:
    everyone = [
        {"id": f"u{n}", "label": "ab"[n % 2], "group": f"g{n % 3}", "speaker": f"s{n}", "script": "", "words": ""}
        for n in range(6)
    ]
    groups = ["g0", "g1", "g2"]
    folds = [
        {"number": i, "test": [groups[i]], "validation": [groups[i - 1]], "training": [groups[i - 2]]} for i in range(2)
    ]
    corpus = {"name": "c", "digest": "d" * 64, "utterances": 6, "classes": {"a": 3, "b": 3}}
    corpus |= {"groups": dict.fromkeys(groups, 2)}
    Plan(
        name="x", corpus=corpus, classes=["a", "b"], folds=folds, packs={},
        encoders={}, utterances=everyone, variants=["cross"], n_configs=3, metric="UWA", epochs=4, rungs=[2], eta=3,
        lookahead=2, finalists=1, seeds=1, seed=0, environment={}, reference_rows={"cross": ""}, policy="race",
    ).write(folder)  # fmt: skip


@settings(FUZZ, max_examples=300)
@given(lines=st.lists(records().map(lambda r: json.dumps(r).encode()) | wild_bytes, max_size=6))
@example(lines=[b'{"kind": "epoch"' * 1000])
@example(lines=[b"[" * 100_000])
@example(lines=[b"\xff\xfe"])
@example(lines=[b'{"kind": ["config"]}'])
def test_any_ledger_is_continued_or_refused_with_its_line(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    for use in (lambda: list(read(path)), lambda: continue_study(path)):
        told = refusal(use)
        assert told is None or re.search(rf"{re.escape(str(path))} line \d+", told)


@settings(FUZZ, max_examples=200)
@given(lines=st.lists(records().map(lambda r: json.dumps(r).encode()), max_size=6))
def test_any_ledger_is_reported_or_refused_in_one_line(lines: list[bytes], tmp_path: Path) -> None:
    plan_for(tmp_path)
    (tmp_path / "ledger.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    refusal(lambda: write(tmp_path, {"cross": VARIANTS["cross"].suggest}))


@FUZZ
@given(content=wild_bytes | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_plan_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(tmp_path))):
        Plan.read(tmp_path)


def test_a_manifest_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.csv")
    _, (problem,) = scan(tmp_path / "manifest.csv")
    assert "no such file" in problem.message


def test_wrong_bytes_are_told_on_a_terminal_that_knows_ascii_only(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(b"utterance_id,label,text,group\n\xff\xc3\xa9,\xe2\x80\xae,b,c\n")
    program = "from study.cli import main; raise SystemExit(main())"
    told = subprocess.run(
        [sys.executable, "-c", program, "check", str(path)], capture_output=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    )  # fmt: skip
    assert told.returncode == 1
    assert f"{path}:2".encode() in told.stdout.replace(b"\n", b"")
    assert b"Traceback" not in told.stderr


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
