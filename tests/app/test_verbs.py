"""Verbs that only look import what they need and nothing more: they answer at once, and start nothing."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from study.app.cli import parsed_arguments, parser
from study.app.verbs import VERBS
from study.record.folder import StudyFolder
from study.record.terms import Terms
from tests.report.toy import settings_of, toy_plan, write_study

PROGRAM = """
import json, sys
from study.app.cli import main
found = {}
for verb in ("list", "explain toy", "clean", "compare toy other", "report toy"):
    assert main([*verb.split(), "--output", sys.argv[1]]) == 0
    found[verb.split()[0]] = sorted({"torch", "ray", "mlflow", "transformers"} & set(sys.modules))
import study.app.options
found["run --help"] = sorted({"torch", "ray", "mlflow", "transformers"} & set(sys.modules))
print(json.dumps(found))
"""


def test_verbs_that_look_import_neither_ray_nor_mlflow_and_the_list_not_even_torch(tmp_path: Path) -> None:
    for name in ("toy", "other"):
        plan = toy_plan(name=name, terms=Terms(n_configs=2, epochs=2, policy="full"))
        write_study(StudyFolder.of(tmp_path, name), plan, {"cross": settings_of("cross", 2)})
    line = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, encoding="utf-8", timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    imported = json.loads(done.stdout.splitlines()[-1])
    assert imported.pop("list") == []
    assert imported == {verb: ["torch"] for verb in ("explain", "clean", "compare", "report", "run --help")}


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_says_what_it_does_and_has_examples_that_are_taken(verb: str) -> None:
    (verbs,) = (action for action in parser(verb)._actions if isinstance(action, argparse._SubParsersAction))
    own = verbs.choices[verb]
    assert own.description
    assert own.description[0].isupper()
    assert own.description.endswith(".")
    assert all(len(line) <= 120 for line in own.format_help().splitlines())
    _, _, examples = (own.epilog or "").partition("examples")
    found = re.findall(rf"(?:ser-study|study/run\.py) ({verb} .*|{verb}|--.*)$", examples, re.MULTILINE)
    assert found
    for example in found:
        words = shlex.split(example.partition(" > ")[0])
        assert parsed_arguments(words if verb in words[:1] else [verb, *words]).verb == verb
