"""No figure of a report can be changed in plan, ledger or predictions without a line that names the place."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from study.errors import UserError
from study.record.begun import take_up
from study.record.events import StudyBegun
from study.record.folder import StudyFolder
from study.record.ledger import Ledger, read_records
from study.record.plan import Plan
from study.report.build import build
from study.report.evidence import gather
from study.report.pages import html_page, markdown_page
from study.samplers.proposer import proposer
from study.samplers.space import misfit, space_of, spaces_of
from study.searches import replayed
from study.training.metrics import METRICS
from study.variants import VARIANTS
from tests.plugins.tiny_study import TinyStudy, run_study, write_study

Line = dict[str, Any]
Change = Callable[[StudyFolder], None]
DECISION = ("promoted", "block_closed", "closed")
STUDIES = {
    "race": {"n_configs": 4, "policy": "race", "finalists": 1, "seeds": 1, "sampler": "random"},
    "asha": {"n_configs": 4, "policy": "asha", "sampler": "random"},
    "nested": {"n_configs": 3, "policy": "asha", "sampler": "random", "protocol": "nested"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StudyFolder]:
    """A finished study of each kind, by real workers' code. Read only."""
    output = tmp_path_factory.mktemp("output")
    studies = {name: write_study(output, name, **terms) for name, terms in STUDIES.items()}
    for study in studies.values():
        run_study(study, proposer(study.plan.terms.seed, "random"))
    return {name: study.folder for name, study in studies.items()}


def lines_of(folder: StudyFolder) -> list[Line]:
    return [json.loads(line) for line in folder.ledger.read_text(encoding="utf-8").splitlines()]


def write_lines(folder: StudyFolder, lines: list[Line]) -> None:
    folder.ledger.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def in_line(is_meant: Callable[[Line], bool], change: Callable[[Line], object]) -> Change:
    """Change the first line of the ledger that is meant."""

    def apply(folder: StudyFolder) -> None:
        lines = lines_of(folder)
        meant = [line for line in lines if is_meant(line)]
        change(meant[0])
        write_lines(folder, lines)

    return apply


def in_lines(is_meant: Callable[[Line], bool], change: Callable[[Line], object]) -> Change:
    """Change every line of the ledger that is meant."""

    def apply(folder: StudyFolder) -> None:
        lines = lines_of(folder)
        for line in filter(is_meant, lines):
            change(line)
        write_lines(folder, lines)

    return apply


def without(is_meant: Callable[[Line], bool], last: bool = False) -> Change:
    """Leave out the first line of the ledger that is meant, or the last one."""

    def apply(folder: StudyFolder) -> None:
        lines = lines_of(folder)
        places = [place for place, line in enumerate(lines) if is_meant(line)]
        del lines[places[-1 if last else 0]]
        write_lines(folder, lines)

    return apply


def in_plan(change: Callable[[Any], object]) -> Change:
    def apply(folder: StudyFolder) -> None:
        plan = json.loads(folder.plan.read_text(encoding="utf-8"))
        change(plan)
        folder.plan.write_text(json.dumps(plan), encoding="utf-8")

    return apply


def other_scores(part: str) -> Callable[[Line], object]:
    return lambda line: line.update({part: dict.fromkeys(METRICS, 0.5123)})


def without_end(line: Line) -> None:
    """Change the test scores of a run that then seems not to have ended, and so to have no predictions."""
    line.update(test=dict.fromkeys(METRICS, 0.5123), ended=False)


def is_epoch(**fields: Any) -> Callable[[Line], bool]:
    return lambda line: line["kind"] == "epoch" and all(line[name] == value for name, value in fields.items())


def is_kind(kind: str, **fields: Any) -> Callable[[Line], bool]:
    return lambda line: line["kind"] == kind and all(line.get(name) == value for name, value in fields.items())


def exchange_predictions(folder: StudyFolder) -> None:
    """Of two folds of configuration 0; one of the same fold is exchanged below."""
    one, other = (folder.predictions / f"text-c000-f{fold}-s0.safetensors" for fold in (0, 1))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def exchange_seeds(folder: StudyFolder) -> None:
    shutil.copy(folder.predictions / "text-c000-f0-s0.safetensors", folder.predictions / "text-c000-f0-s1.safetensors")


def lose_predictions(folder: StudyFolder) -> None:
    (folder.predictions / "text-c000-f1-s1.safetensors").unlink()


EVERY_SCORE: list[tuple[str, Change, str]] = [
    ("published validation", in_lines(is_epoch(config=0, fold=0, seed=0), other_scores("validation")), "epoch|stands"),
    ("published test", in_lines(is_epoch(config=0, fold=0, seed=0), other_scores("test")), "has test WA 0.5123"),
    ("confirmed test", in_lines(is_epoch(seed=1, fold=2), other_scores("test")), "has test WA 0.5123"),
    ("confirmed validation", in_lines(is_epoch(seed=1, fold=2), other_scores("validation")), "epoch|WA 0.5123"),
    ("a metric that selects nothing", in_lines(is_epoch(config=0), lambda e: e["test"].update(WF1=0.1)), "test WF1"),
    ("a run without its end", in_lines(is_epoch(config=0, fold=0, seed=0), without_end), "has test WA 0.5123"),
]
OF_RACE: list[tuple[str, Change, str]] = [
    *EVERY_SCORE,
    ("params in the space", in_line(is_kind("config", config=0), lambda e: e["params"].update(batch_size=64)), "par"),
    ("params out of it", in_line(is_kind("config", config=1), lambda e: e["params"].update(n_layers=9)), "space"),
    ("params missing", in_line(is_kind("config", config=1), lambda e: e["params"].pop("batch_size")), "batch_size"),
    ("params added", in_line(is_kind("config", config=1), lambda e: e["params"].update(x=1)), "x is no parameter"),
    ("outcome", in_line(is_kind("closed", outcome="stopped"), lambda e: e.update(outcome="complete")), "stands where"),
    ("reason", in_line(is_kind("closed"), lambda e: e.update(reason="luck")), "stands where"),
    ("stage", in_line(is_kind("promoted"), lambda e: e.update(stage=2)), "stands where|before it"),
    ("closed line", without(is_kind("closed")), "was due"),
    ("last closed line", without(is_kind("closed"), last=True), "was due"),
    ("promoted line", without(is_kind("promoted")), "was due"),
    ("first line", without(is_kind("begun")), "line 1 has none"),
    ("digest", in_line(is_kind("begun"), lambda e: e.update(plan="0" * 64)), "plan.json is not the one of"),
    ("terms of the time", in_line(is_kind("begun"), lambda e: e["terms"].update(n_configs=2)), "does not"),
    ("terms that are none", in_line(is_kind("begun"), lambda e: e.update(terms={})), "does not"),
    ("speakers", in_plan(lambda plan: plan["utterances"][0].update(speaker="x")), "plan.json is not"),
    ("label", in_plan(lambda plan: plan["utterances"][0].update(label="tense")), "plan.json is not"),
    ("words", in_plan(lambda plan: plan["utterances"][0].update(words="x")), "plan.json is not"),
    ("group sizes", in_plan(lambda plan: plan["corpus"]["groups"].update(g0=99)), "plan.json is not"),
    ("class counts", in_plan(lambda plan: plan["corpus"]["classes"].update(calm=99)), "plan.json is not"),
    ("folds", in_plan(lambda plan: plan["folds"].reverse()), "plan.json is not"),
    ("seed", in_plan(lambda plan: plan["terms"].update(seed=9)), "plan.json is not"),
    ("metric", in_plan(lambda plan: plan["terms"].update(metric="WA")), "plan.json is not"),
    ("epochs", in_plan(lambda plan: plan["terms"].update(epochs=9)), "plan.json is not"),
    ("fewer configurations", in_plan(lambda plan: plan["terms"].update(n_configs=3)), "a smaller n_configs"),
    ("fewer seeds", in_plan(lambda plan: plan["terms"].update(seeds=0)), "a smaller seeds"),
    ("fewer variants", in_plan(lambda plan: plan.update(variants=[])), "fewer variants"),
    ("predictions of another fold", exchange_predictions, "run text-c000-f0-s0 where"),
    ("predictions of another seed", exchange_seeds, "run text-c000-f0-s1 where"),
    ("predictions lost", lose_predictions, "predictions of every run that ended"),
]  # fmt: skip
OF_ASHA: list[tuple[str, Change, str]] = [
    ("outcome", in_line(is_kind("closed", outcome="stopped"), lambda e: e.update(outcome="complete")), "stands where"),
    ("reason", in_line(is_kind("closed", outcome="stopped"), lambda e: e.update(reason="luck")), "stands where"),
    ("closed line", without(is_kind("closed")), "was due"),
    ("promoted line", without(is_kind("promoted")), "was due"),
    ("validation of a rung", in_line(is_epoch(config=1, epoch=2, fold=2), other_scores("validation")), "stands where"),
]
OF_NESTED: list[tuple[str, Change, str]] = [
    ("validation", in_lines(is_epoch(config=0, fold=0), other_scores("validation")), r"epoch|validation|stands"),
    ("test", in_lines(is_epoch(config=0, fold=0), other_scores("test")), r"epoch|test|stands"),
    ("every score", lambda folder: all_scores(folder), "has|stands"),
    ("block closed", without(is_kind("block_closed")), "was due"),
    ("block's outcome", in_line(is_kind("block_closed"), lambda e: e.update(outcome="failed")), "stands where"),
    ("another block", in_line(is_kind("block_closed"), lambda e: e.update(test_block=1)), "stands where"),
]


def all_scores(folder: StudyFolder) -> None:
    """Set every score, so that all decisions still follow from them."""
    lines = lines_of(folder)
    for line in lines:
        if line["kind"] == "epoch":
            line.update(validation=dict.fromkeys(METRICS, 0.95), test=dict.fromkeys(METRICS, 0.95))
    write_lines(folder, lines)


CASES = [("race", *each) for each in OF_RACE] + [("asha", *each) for each in OF_ASHA]
CASES += [("nested", *each) for each in OF_NESTED]


@pytest.mark.parametrize(("kind", "what", "change", "expected"), CASES, ids=[f"{c[0]}: {c[1]}" for c in CASES])
def test_a_change_is_noticed_in_one_line(
    kind: str, what: str, change: Change, expected: str, finished: dict[str, StudyFolder], tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path / "copy")
    shutil.copytree(finished[kind].path, folder.path)
    change(folder)
    with pytest.raises(UserError, match=expected) as refused:
        gather(folder)
    assert "\n" not in str(refused.value)
    assert "plan.json" in str(refused.value) or str(folder.path) in str(refused.value)


@pytest.mark.parametrize("kind", STUDIES)
def test_an_unchanged_study_is_finished(kind: str, finished: dict[str, StudyFolder]) -> None:
    evidence = gather(finished[kind])
    assert (evidence.left, set(evidence.outcomes)) == ("", {"text"})
    outcomes = {line.get("outcome") for line in lines_of(finished[kind])}
    assert {"complete", "stopped"} <= outcomes, "else the cases above change nothing"


@pytest.mark.parametrize("kind", STUDIES)
def test_a_ledger_that_was_cut_anywhere_is_reported_as_unfinished(
    kind: str, finished: dict[str, StudyFolder], tmp_path: Path
) -> None:
    """As a kill leaves it, a torn last line included."""
    folder = StudyFolder(tmp_path / "copy")
    shutil.copytree(finished[kind].path, folder.path)
    whole = folder.ledger.read_bytes()
    lines = whole.splitlines(keepends=True)
    for number in range(0, len(lines), 3):
        folder.ledger.write_bytes(b"".join(lines[:number]) + lines[number][: len(lines[number]) // 2])
        view = build(folder)
        assert re.match(r"unfinished: (not begun|\d+ )", view.unfinished)
        assert (view.comparisons, view.conclusion) == ((), ())


def test_what_is_left_is_the_first_thing_that_a_report_says(tmp_path: Path) -> None:
    study = write_study(tmp_path, **STUDIES["race"])
    run_study(study, proposer(1, "random"), n_epochs=14)
    view = build(study.folder)
    left = "3 of 4 configurations open, confirmation not begun; no conclusions are drawn"
    assert view.unfinished == f"unfinished: {left}"
    assert view.to_json()["unfinished"] == view.unfinished
    assert markdown_page(view, {}).splitlines()[2] == f"**Unfinished: {left}.**"
    page = html_page(view, {})
    assert page.index(f"Unfinished: {left}.") < page.index('<section id="results">')
    run_study(study, proposer(1, "random"))
    finished = build(study.folder)
    assert finished.unfinished == ""
    assert "nfinished" not in markdown_page(finished, {})


def test_a_study_that_goes_on_with_larger_terms_is_replayed_on_the_terms_of_each_time(tmp_path: Path) -> None:
    """Configurations that four were enough to stop stay stopped; of six, others would have been."""
    study = write_study(tmp_path, **STUDIES["race"])
    run_study(study, proposer(1, "random"))
    plan = replace(study.plan, terms=replace(study.plan.terms, n_configs=6))
    plan.write(study.folder)
    assert build(study.folder).unfinished.startswith("unfinished: 2 of 6 configurations open")
    run_study(TinyStudy(study.folder, plan), proposer(1, "random"))
    assert build(study.folder).unfinished == ""
    records = list(read_records(study.folder.ledger))
    assert [each.terms["n_configs"] for each in records if isinstance(each, StudyBegun)] == [4, 6]
    rest = records[1:]
    second = next(each for each in rest if isinstance(each, StudyBegun))
    with pytest.raises(UserError, match="does not"):
        replayed(plan, [second, *(each for each in rest if each is not second)], study.folder.ledger)


def test_a_study_does_not_go_on_in_another_search_space(tmp_path: Path) -> None:
    study = write_study(tmp_path, n_configs=2)
    ledger, spaces = Ledger(study.folder.ledger), spaces_of(study.plan)
    take_up(ledger, study.plan, spaces)
    take_up(ledger, study.plan, spaces)
    assert len(ledger.records) == 1
    wider = {"text": {**spaces["text"], "batch_size": "one of 2, 4"}}
    expected = (
        "cannot continue tiny with other settings: search space of text was batch_size one of 16, 32, 64, 128, "
        "now batch_size one of 2, 4; "
    )
    with pytest.raises(UserError, match=re.escape(expected)):
        take_up(ledger, study.plan, wider)


@pytest.mark.parametrize("name", ["text", "cross", "mdre"])
def test_the_published_setting_is_of_every_space_and_each_of_its_parameters_is_needed(name: str) -> None:
    variant = VARIANTS[name]
    params = proposer(0, "random")(name, [])
    assert misfit(variant, params) == ""
    assert set(space_of(variant)) == set(params)
    for each in params:
        assert each in misfit(variant, {key: value for key, value in params.items() if key != each})
        assert misfit(variant, {**params, each: [1]}), each
        assert misfit(variant, {**params, each: -1e9}), each


def test_plans_are_equal_by_digest_whatever_may_grow(tmp_path: Path) -> None:
    plan = Plan.read(write_study(tmp_path, n_configs=2).folder)
    grown = replace(plan, environment={"torch": "3"}, lookahead=9, seconds=1.0, variants=["text", "audio"])
    grown = replace(grown, terms=replace(plan.terms, n_configs=9, seeds=3, finalists=2, wall_seconds=60.0))
    assert grown.digest() == plan.digest()
    assert replace(plan, terms=replace(plan.terms, eta=4)).digest() != plan.digest()
