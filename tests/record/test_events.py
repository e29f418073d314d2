"""Events: each survives its JSON line, and a line that is no event is refused by the name of what is wrong in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.errors import UserError
from study.record.events import (
    KINDS,
    LARGEST,
    TYPES,
    BlockClosed,
    Closed,
    ConfigAdded,
    EpochDone,
    Event,
    FoldRun,
    LayerWeights,
    Phase,
    Promoted,
    Record,
    RunLost,
    Scores,
    StudyBegun,
    from_json,
    to_json,
)
from study.record.ledger import Ledger, read
from study.training.metrics import METRICS

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values_of_params = texts | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(0, LARGEST),
    int | None: st.none() | st.integers(0, LARGEST),
    str | None: st.none() | texts,
    float: st.floats(0, 1e300),
    bool: st.booleans(),
    Scores: st.fixed_dictionaries({metric: st.floats(0, 1) for metric in METRICS}),
    Mapping[str, Any]: st.dictionaries(texts, values_of_params, max_size=4),
    LayerWeights | None: st.none()
    | st.dictionaries(texts, st.dictionaries(texts, st.floats(0, 1), min_size=1, max_size=3), min_size=1, max_size=2),
}


def events_of(kind: type[Record]) -> st.SearchStrategy[Record]:
    outcomes = st.sampled_from(getattr(kind, "outcomes", [Phase.FAILED]))
    return st.builds(kind, **{name: outcomes if type is Phase else VALUES[type] for name, type in TYPES[kind].items()})


SCORES = dict.fromkeys(METRICS, 0.5)
EXAMPLES: list[Record] = [
    ConfigAdded("cross", 0, {"n_heads": 6}),
    EpochDone("cross", 0, 1, 0, 1, 1.5, SCORES, SCORES, 0.25, False, {"audio": {"0-1": 0.4, "2-2": 0.6}}, "CPU"),
    Promoted("cross", 0, 1, "rank 1 of 3"),
    Promoted("cross", 0, 1, "rank 1 of 3", test_block=2),
    RunLost("cross", 0, 1, 0, Phase.DIVERGED, "the loss is not finite"),
    BlockClosed("cross", 0, 3, Phase.STOPPED, "below the cutoff"),
    Closed("cross", 0, Phase.COMPLETE, "all folds at full length"),
    StudyBegun("0" * 64, {"cross": {"n_heads": "one of 1, 2"}}, {"n_configs": 4}),
]
by_kind = pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.kind)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(data=st.data())
def test_every_event_survives_its_json_line(kind: type[Record], data: st.DataObject) -> None:
    event = data.draw(events_of(kind))
    assert from_json(json.loads(json.dumps(to_json(event), allow_nan=False))) == event


def test_the_examples_have_every_kind() -> None:
    assert {type(event) for event in EXAMPLES} == set(KINDS.values())


@by_kind
def test_every_field_but_the_test_block_of_a_promotion_is_needed(event: Record) -> None:
    needed = [field.name for field in fields(event) if field.default is MISSING]
    for name in needed:
        line = {key: value for key, value in to_json(event).items() if key != name}
        with pytest.raises(ValueError, match=rf"^found {name}=None where "):
            from_json(line)


WRONG: dict[Any, list[Any]] = {
    str: [3, None, ["a"], "\ud800"],
    int: ["3", 1.0, True, -1, LARGEST + 1, 10**400],
    int | None: ["3", 1.0, True, -1],
    str | None: [3, ["a"], "\ud800"],
    float: ["1.0", float("nan"), float("inf"), -0.5, True, None],
    bool: [0, "true", None],
    Scores: [{}, {**SCORES, "UWA": 1.5}, {**SCORES, "UWA": "0.5"}, {**SCORES, "UWA": float("nan")}, 0.5, None],
    Mapping[str, Any]: [[], "{}", 1, None],
    LayerWeights | None: [{}, {"audio": {}}, {"audio": [0.4]}, {"audio": {"0-1": "x"}}, {"audio": {"0-1": 1.5}}, "0-1"],
    Phase: ["open", "done", "", None, 3, ["failed"], {}],
}


@by_kind
def test_a_field_of_the_wrong_value_is_refused_by_its_name(event: Record) -> None:
    for name, kind in TYPES[type(event)].items():
        for wrong in WRONG[kind]:
            with pytest.raises(ValueError, match=rf"^found {name}=.* where .* expected$"):
                from_json({**to_json(event), name: wrong})


@pytest.mark.parametrize("outcome", ["complete", "stopped"])
def test_a_run_is_lost_by_divergence_or_failure_alone(outcome: str) -> None:
    with pytest.raises(ValueError, match="one of diverged, failed is expected"):
        from_json({**to_json(EXAMPLES[4]), "outcome": outcome})


@pytest.mark.parametrize("line", [None, 3, [], {}, {"kind": "none"}, {"kind": ["config"]}, {"kind": None}])
def test_what_is_no_event_is_refused(line: Any) -> None:
    with pytest.raises(ValueError, match="found something else"):
        from_json(line)


def test_the_text_of_a_refusal_is_short_whatever_was_found() -> None:
    with pytest.raises(ValueError, match="found reason=") as refused:
        from_json({**to_json(EXAMPLES[6]), "reason": ["x" * 10_000]})
    assert len(str(refused.value)) < 120


def test_fold_runs_have_names_that_sort_and_read_well() -> None:
    assert FoldRun("cross", 3, 2).name == "cross-c003-f2-s0"


@given(st.builds(FoldRun, st.sampled_from(["cross", "self-cls", "a-c1-f2-s3"]), *[st.integers(0, 2000)] * 3))
def test_a_fold_run_is_found_by_its_name(run: FoldRun) -> None:
    assert FoldRun.named(run.name) == run


@pytest.mark.parametrize("name", ["", "cross", "cross-c3-f2", "cross-cx-f2-s0", ".cross-c003-f2-s0.123"])
def test_what_is_no_run_s_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="named like"):
        FoldRun.named(name)


FIRST = EXAMPLES[0]
EPOCH = EpochDone("cross", 0, 1, 0, 1, 1.5, SCORES, SCORES, 0.25, False)


def written(path: Path, *events: Event) -> Path:
    path.write_text("".join(json.dumps(to_json(event)) + "\n" for event in events), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("events", "refusal"),
    [
        ([ConfigAdded("cross", 1, {})], "found config=1 where 0 comes next, in {path} line 1"),
        ([FIRST, FIRST], "found config=0 where 1 comes next, in {path} line 2"),
        ([EPOCH], "found config=0, which no line before it proposes, in {path} line 1"),
        ([FIRST, replace(EPOCH, variant="self")], "found config=0, which no line before it proposes, in {path} line 2"),
        ([FIRST, replace(EPOCH, epoch=2)], "found epoch=2 where 1 comes next, in {path} line 2"),
        ([FIRST, EPOCH, EPOCH], "found epoch=1 where 2 comes next, in {path} line 3"),
        ([FIRST, EPOCH, Closed("cross", 1, Phase.STOPPED, "r")], "found config=1, which no line before it proposes,"),
    ],
)
def test_events_that_cannot_follow_from_those_before_are_refused_with_their_line(
    tmp_path: Path, events: list[Event], refusal: str
) -> None:
    path = written(tmp_path / "ledger.jsonl", *events)
    with pytest.raises(UserError, match=re.escape(refusal.format(path=path))):
        Ledger(path)


def test_runs_and_variants_are_counted_apart(tmp_path: Path) -> None:
    events = [FIRST, EPOCH, replace(EPOCH, fold=0), replace(EPOCH, seed=1), replace(EPOCH, epoch=2)]
    events += [replace(event, variant="self") for event in (FIRST, EPOCH)]
    assert list(read(written(tmp_path / "ledger.jsonl", *events))) == events


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(1, 200))
def test_a_torn_last_line_is_cut_off_and_the_next_event_follows_the_whole_ones(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "ledger.jsonl", FIRST, EPOCH)
    whole = path.read_bytes()
    line = json.dumps(to_json(replace(EPOCH, epoch=2))).encode()
    path.write_bytes(whole + line[:cut])
    assert Ledger(path, writable=False).events == [FIRST, EPOCH]
    assert path.read_bytes() == whole + line[:cut], "who only reads changes nothing"
    ledger = Ledger(path)
    ledger.append(replace(EPOCH, epoch=2))
    assert list(read(path)) == ledger.events == [FIRST, EPOCH, replace(EPOCH, epoch=2)]


def test_a_ledger_that_is_not_there_is_new_and_empty(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "studies" / "x" / "ledger.jsonl")
    assert ledger.events == []
    assert ledger.path.read_bytes() == b""


def test_epochs_that_follow_each_other_share_a_wait_for_the_disk_and_a_decision_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, waits = Ledger(written(tmp_path / "ledger.jsonl", FIRST)), list[int]()
    wait = os.fsync
    monkeypatch.setattr("os.fsync", lambda file: (waits.append(file), wait(file)))
    for epoch in range(1, 51):
        ledger.append(replace(EPOCH, epoch=epoch))
        assert ledger.path.read_bytes().count(b"\n") == epoch + 1, "the system has each line at once"
    assert 1 <= len(waits) < 10
    before = len(waits)
    ledger.append(Closed(EPOCH.variant, EPOCH.config, Phase.COMPLETE, "all folds at full length"))
    assert len(waits) == before + 1
    assert list(read(ledger.path)) == ledger.events
