"""The plan of a study that exists: what it lacks, or names and is not there, is one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.app.cli import main
from study.errors import UserError
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.stored_plan import stored_plan
from tests.plugins.tiny_study import write_study

Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "corpus": (lambda plan: plan["corpus"].pop("utterances"), "corpus without utterances"),
    "groups": (lambda plan: plan["corpus"]["groups"].update(g0=1), "groups that are not those"),
    "script": (lambda plan: plan["utterances"][3].pop("script"), "utterance 3 without script"),
    "label": (lambda plan: plan["utterances"][3].update(label="loud"), "utterance 3 of a class that the study has not"),
    "one lost": (lambda plan: plan["utterances"].pop(), "35 utterances where its corpus has 36"),
    "twice": (lambda plan: plan["utterances"][1].update(id="u00"), "an utterance twice"),
    "no list": (lambda plan: plan.update(utterances=[3]), "another kind"),
    "classes": (lambda plan: plan.update(classes=["calm"]), "fewer than two classes"),
    "lost fold": (lambda plan: plan["folds"].pop(1), "folds that are not those of its groups"),
    "no folds": (lambda plan: plan.update(folds=[]), "folds that are not those of its groups"),
    "changed fold": (lambda plan: plan["folds"][0].update(test=["g9"]), "folds that are not those of its groups"),
    "variant": (lambda plan: plan.update(variants=["crosss"]), "variant 'crosss' is none of random, audio"),
    "features": (lambda plan: plan["features"].pop("text"), "no features of text"),
    "protocol": (lambda plan: plan["terms"].update(protocol="x"), "protocol 'x' is none of shared, nested"),
    "policy": (lambda plan: plan["terms"].update(policy="x"), "policy 'x' is none of "),
    "sampler": (lambda plan: plan["terms"].update(sampler=["gp"]), "another kind"),
    "epochs": (lambda plan: plan["terms"].update(epochs=99), "--epochs expects a whole number, 1 to 50; found 99"),
    "text": (lambda plan: plan["terms"].update(epochs="4"), "another kind"),
    "fraction": (lambda plan: plan["terms"].update(epochs=4.0), "no whole numbers"),
    "slots": (lambda plan: plan.update(lookahead="2"), "no numbers"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_plan_that_is_not_whole_is_refused_by_every_verb_that_reads_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_study(tmp_path).folder
    change, message = CHANGES[name]
    plan = json.loads(folder.plan.read_text(encoding="utf-8"))
    change(plan)
    folder.plan.write_text(json.dumps(plan), encoding="utf-8")
    with pytest.raises(UserError, match=message) as refused:
        stored_plan(folder)
    assert str(folder.plan) in str(refused.value)
    for verb in ("report", "explain"):
        assert main([verb, "tiny", "--output", str(tmp_path)]) == 2
        assert capsys.readouterr() == ("", f"error: {refused.value}\n")


@pytest.mark.parametrize("terms", [{}, {"protocol": "nested", "policy": "asha"}])
def test_a_whole_plan_is_read_as_it_is(tmp_path: Path, terms: dict[str, str]) -> None:
    study = write_study(tmp_path, **terms)
    assert stored_plan(study.folder) == study.plan == Plan.read(study.folder)


def test_a_plan_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(UserError, match="cannot be read as one") as refused:
        stored_plan(StudyFolder(tmp_path))
    assert "\n" not in str(refused.value)
