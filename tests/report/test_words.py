"""What a report calls a study's settings: its own variants' are not published, and a warm start is named."""

import html
import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from study.app.inspect import explain_study
from study.app.planning import continued
from study.app.terminal import print_report
from study.errors import UserError
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.record.results import configurations
from study.report.build import build
from study.report.comparisons import untuned
from study.report.explain import history
from study.report.pages import html_page, markdown_page
from study.report.tables import table_rows
from study.report.view import ReportView
from study.samplers.warm_start import load_prior, warm_start_sentence
from study.tracking.run_tree import Key, config_title
from study.tracking.study_summary import note, study_figures
from study.variants import VARIANTS
from tests.report.toy import settings_of, toy_plan, toy_view, write_study


@pytest.fixture
def with_own_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variant cross as a row without published figures, as a variant of one's own is."""
    monkeypatch.setitem(VARIANTS, "cross", replace(VARIANTS["cross"], published=None))


def printed(view: ReportView, folder: StudyFolder, width: int = 200) -> str:
    console = Console(width=width, file=io.StringIO())
    print_report(console, view, folder, None)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.usefixtures("with_own_variant")
def test_nothing_calls_a_setting_published_that_is_not(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    plan = write_study(folder, toy_plan(variants=["cross"]), {"cross": settings_of("cross")})
    view = build(folder)
    assert {row[2] for row in table_rows(view)} == {"tuned", "untuned"}
    events = Ledger(folder.ledger, writable=False).events
    configs = configurations(events, 0)["cross"]
    texts = {
        "html": html_page(view, {}),
        "markdown": markdown_page(view, {}),
        "terminal": printed(view, folder),
        "explain": "\n".join(history(plan, events, "cross", 0)),
        "comparisons": untuned("cross"),
        "run": config_title(Key("cross", 0)),
        "note": note("cross", configs, plan, view),
        "figures": " ".join(study_figures(view.variants["cross"])),
    }
    assert {name for name, text in texts.items() if "published" in text} == set()
    assert {name for name, text in texts.items() if "untuned" not in text} == set()


def test_a_warm_start_is_named_wherever_a_study_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    earlier = StudyFolder(tmp_path / "earlier")
    write_study(earlier, toy_plan(), {"cross": settings_of("cross")})
    folder = StudyFolder.of(tmp_path, "toy")
    warm = replace(toy_plan(variants=["cross", "mdre"]), prior=load_prior(earlier))
    warm = replace(warm, terms=replace(warm.terms, warm_start="earlier"))
    write_study(folder, warm, {name: settings_of(name) for name in ("cross", "mdre")})
    sentence = "warm start: of study toy on toy, the sampler knows for cross 3 configurations, mdre 0 configurations"
    assert warm_start_sentence(warm) == sentence
    assert warm_start_sentence(toy_plan()) == ""
    view = build(folder)
    assert sentence.capitalize() in printed(view, folder)
    assert sentence.removeprefix("warm start: ") in html_page(view, {})
    assert sentence.capitalize() in markdown_page(view, {})
    assert explain_study("toy", tmp_path, None, None, Console(width=200)) == 0
    assert sentence in capsys.readouterr().out


def test_a_study_keeps_its_warm_start_and_takes_no_other() -> None:
    plan = toy_plan()
    warm = replace(plan, terms=replace(plan.terms, warm_start="a"), prior={"name": "a", "corpus": "c", "variants": {}})
    assert continued(warm, plan).terms.warm_start == "a"
    assert continued(warm, replace(warm, prior={})).prior == warm.prior
    other = replace(plan, terms=replace(plan.terms, warm_start="b"))
    for stored, was in ((warm, "a"), (plan, "none")):
        with pytest.raises(UserError, match=f"cannot continue toy with other settings: warm-start was {was}, now b"):
            continued(stored, other)


def test_no_figure_is_cut_on_a_narrow_terminal(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    write_study(folder, toy_plan(variants=["cross"]), {"cross": settings_of("cross")})
    view = build(folder)
    text = printed(view, folder, width=40)
    assert "…" not in text
    for row in table_rows(view):
        assert any(all(value in line for value in row[3:]) for line in text.splitlines())


@pytest.mark.parametrize(
    ("device", "is_said"),
    [
        ("CPU", False),
        ("CPU, as its GPU cannot be used", True),
        ("NVIDIA H100, float32", False),
        ("NVIDIA H100, float32, features of audio in the host's memory", True),
    ],
)
def test_runs_that_could_not_use_their_gpu_are_said_on_the_terminal_and_devices_on_every_page(
    tmp_path: Path, device: str, is_said: bool
) -> None:
    folder = StudyFolder(tmp_path)
    view = toy_view(devices=(f"{device} (25 epochs)",))
    line = f"Trained on {device} (25 epochs)."
    assert (line in printed(view, folder)) == is_said
    assert line in markdown_page(view, {})
    assert device in html.unescape(html_page(view, {}))
