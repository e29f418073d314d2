"""The claims of README and docs: commands, links and options exist. tests/test_house.py follows their recipes."""

import argparse
import re
from pathlib import Path

import pytest

from study.app.cli import parser
from study.app.settings import DEMO
from study.variants import VARIANT_GROUPS, VARIANTS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))
every_text = pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda path: path.stem
)
# Options of other commands, and of the benchmarks.
FOREIGN = {
    *"--head --working-dir --kill --backend-store-uri --artifacts-destination --host --allowed-hosts".split(),
    "--env-manager",
}


def own_options() -> set[str]:
    """Every option, those of the command itself and those of every verb."""
    top = parser()
    (verbs,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    parsers = (top, *verbs.choices.values())
    return {flag for each in parsers for action in each._actions for flag in action.option_strings}


def test_ci_runs_the_test_command_of_the_readme():
    assert 'pip install -e ".[dev]" && pytest\n' in README
    assert 'pip install -e "\\.\\[dev\\]" && pytest' in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_readme_is_read_in_one_sitting():
    assert len(README.splitlines()) <= 220


def test_every_variant_is_in_the_readmes_table():
    table = README[README.index("| variant | system | input |") : README.index("`--variant self,cross` studies")]
    derived = {f"{name}+video" for name, row in VARIANTS.items() if row.role == "fusion"}
    assert "`NAME+video`" in table
    assert set(re.findall(r"`([a-z-]+)`", table)) >= set(VARIANTS) - derived


def test_the_readmes_numbers_of_variants_are_those_of_the_table():
    text, numbers = " ".join(README.split()), {10: "ten", 17: "seventeen"}
    assert f"`--variant all` the {numbers[len(VARIANT_GROUPS['all'])]} of the published table" in text
    assert f"`--variant every` all {numbers[len(VARIANT_GROUPS['every'])]}" in text


def test_the_readmes_budget_of_the_demo_is_the_one_in_force():
    words = {16: "Sixteen"}
    assert f"{words[DEMO['n_configs']]} configurations" in README


@every_text
def test_every_link_leads_somewhere(path):
    links = re.findall(r"\]\(([^)#\s]+)(?:#([^)]+))?\)", path.read_text(encoding="utf-8"))
    for target, heading in links:
        found = path.parent / target
        assert found.exists(), f"{path.name} links to {target}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


@every_text
def test_every_option_that_is_named_exists(path):
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", path.read_text(encoding="utf-8")))
    assert named <= own_options() | FOREIGN


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_page_begins_with_its_readers(path):
    _, _, first, *_ = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith("For anyone ")


def test_every_page_is_linked_from_the_readme():
    assert {f"docs/{path.name}" for path in PAGES} <= set(re.findall(r"\]\(([^)#\s]+)", README))
