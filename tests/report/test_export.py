"""Tables as CSV and LaTeX: the figures of the report, no formula, and no markup but their own."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from study.record.folder import StudyFolder
from study.report.cells import csv_text, latex, latex_text
from study.report.export import keep_tables, tables
from study.training.metrics import METRICS
from tests.report.toy import full_variant, full_view, toy_variant, toy_view

HOSTILE = r"=cmd|' /C calc'!A0 \input{x} $x_1^2$ 50 % & #1 ~ {y} <b>"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def cells_of(tex: str) -> list[list[str]]:
    """The cells of a tabular, row by row, split where no backslash stands before."""
    lines = [line.removesuffix(r" \\") for line in tex.splitlines() if line.endswith(r" \\")]
    return [re.split(r"(?<!\\) & ", line) for line in lines]


def test_results_have_every_setting_of_every_variant_with_figures_in_full() -> None:
    view = toy_view(full_variant(), toy_variant("self", published=None))
    found = {(row["variant"], row["setting"], row["scored on"]): row for row in rows_of(tables(view)["results.csv"])}
    expected = [("cross", setting, part) for setting in ("tuned", "published") for part in ("validation", "test")]
    assert set(found) == {
        *expected,
        ("cross", "reference", "test"),
        *(("self", "tuned", p) for p in ("validation", "test")),
    }
    for metric in METRICS:
        figure = view.variants["cross"].tuned.figures["test"][metric]
        row = found["cross", "tuned", "test"]
        assert (float(row[f"{metric}_mean"]), float(row[f"{metric}_std"])) == pytest.approx((figure.mean, figure.std))


def test_comparisons_have_every_metric_with_the_sign_of_each_figure() -> None:
    rows = rows_of(tables(full_view())["comparisons.csv"])
    assert [row["metric"] for row in rows] == ["UWA", "WA", "WF1", "UWF1"]
    own = rows[0]
    assert (own["first"], own["second"], own["decision"]) == ("self", "cross", "confirmed")
    assert [float(own[name]) for name in ("mean", "low", "high", "p_holm")] == [-0.0123, -0.034, 0.015, 0.0001]


def test_a_figure_that_is_not_defined_is_an_empty_cell() -> None:
    pair = replace(full_view().comparisons[0], low=None, p_holm=None)
    (row,) = rows_of(tables(full_view(comparisons=(pair,), other_metrics=()))["comparisons.csv"])
    assert (row["low"], row["p_holm"], row["mean"]) == ("", "", "-0.0123")


def test_latex_tables_have_the_cells_of_the_report() -> None:
    found = tables(full_view())
    heading, *rows = cells_of(found["results.tex"])
    assert heading == ["variant", "reads", "setting", "scored on", *METRICS]
    assert rows[0][:5] == ["cross", "speech, words", "tuned", "validation", r".310 $\pm$ .010"]
    assert {len(row) for row in rows} == {8}
    assert r"\begin{tabular}{llllrrrr}" in found["results.tex"]
    _, pair = cells_of(found["comparisons.tex"])
    assert pair == ["self $-$ cross", "$-$.012", "$-$.034 to +.015", r"\textless{} .001", ".027", "confirmed"]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_is_a_formula_and_numbers_stay_numbers(sign: str) -> None:
    text = csv_text([f"{sign}x", "n"], [[f"{sign}1+1", -0.5]])
    heading, row = csv.reader(io.StringIO(text, newline=""))
    assert (heading, row) == ([f"'{sign}x", "n"], [f"'{sign}1+1", "-0.5"])


def test_latex_shows_any_text_as_it_is() -> None:
    text = latex(HOSTILE)
    names = {r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textbar{}": "|"}
    names |= {r"\textless{}": "<", r"\textgreater{}": ">"}
    assert not re.search(r"(?<!\\)[&%$#_]", text)
    for name, character in names.items():
        text = text.replace(name, f"\x00{ord(character)}\x00")
    text = re.sub(r"\\([{}&%$#_])", r"\1", text)
    assert re.sub(r"\x00(\d+)\x00", lambda found: chr(int(found[1])), text) == HOSTILE


def test_a_name_cannot_leave_the_comment_or_its_cell() -> None:
    text = latex_text(["a", "b"], [["x\\\\\ny & z", "1"]], 1, "name\n\\end{tabular}")
    assert text.splitlines()[0] == r"% name \end{tabular}"
    assert text.count("\n\\end{tabular}") == 1
    assert [len(row) for row in cells_of(text)] == [2, 2]


def test_tables_of_an_earlier_report_go_and_files_of_the_users_stay(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    keep_tables(folder, full_view())
    assert {path.name for path in folder.tables.iterdir()} == {
        "results.csv",
        "results.tex",
        "comparisons.csv",
        "comparisons.tex",
    }
    (folder.tables / "mine.csv").touch()
    keep_tables(folder, toy_view())
    assert {path.name for path in folder.tables.iterdir()} == {"results.csv", "results.tex", "mine.csv"}
