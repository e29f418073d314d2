"""The linear probe: what it reads, what its choice reads, and where it is shown."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from study.app.terminal import print_report
from study.features.pack import Pack, write_pack
from study.features.spec import EncoderSpec, FeatureChoice
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.report.build import build
from study.report.export import tables
from study.report.pages import html_page, markdown_page
from study.report.probe import STRENGTHS, probe
from study.training.metrics import METRICS
from tests.plugins.tiny_study import plan_of
from tests.report.toy import settings_of, write_study


def with_frames(plan: Plan, folder: Path, frames: list[torch.Tensor]) -> Plan:
    """The plan with these frames as its only features."""
    path = folder / "own.safetensors"
    write_pack(path, [each["id"] for each in plan.utterances], [each.half() for each in frames], None, {})
    return replace(plan, features={"audio": [FeatureChoice(EncoderSpec("own"), str(path))]})


@pytest.mark.parametrize("moment", ["mean", "deviation"])
def test_it_reads_the_mean_and_the_deviation_over_time(tmp_path: Path, moment: str) -> None:
    """Each alone separates the classes, and tells nothing of the other."""
    plan = plan_of(tmp_path)
    pattern = torch.tensor([[1.0], [-1.0]]).repeat(3, 4)
    calm, tense = (pattern, pattern + 1) if moment == "mean" else (pattern, 3 * pattern)
    frames = [calm if each["label"] == "calm" else tense for each in plan.utterances]
    found = probe(with_frames(plan, tmp_path, frames))
    assert found.figures is not None
    assert [found.figures[part][metric].mean for part in found.figures for metric in METRICS] == [1.0] * 8
    assert (found.strengths, found.note.count("audio by own")) == ((STRENGTHS[0],) * 3, 1)  # the strongest wins ties


def test_of_what_is_missing_it_reads_the_mean_of_training_and_that_it_is_missing(tmp_path: Path) -> None:
    """Frames say nothing, and those of one class are missing: the mark alone separates it."""
    plan = plan_of(tmp_path)
    tense = [each["id"] for each in plan.utterances if each["label"] == "tense"]
    whole = with_frames(plan, tmp_path, [torch.ones(2, 4)] * len(plan.utterances))
    assert probe(whole.marking({"text": tense})) == probe(whole)  # which has no features of text
    found = probe(whole.marking({"audio": tense}))
    assert found.figures is not None
    assert found.figures["test"]["UWA"].mean == 1.0
    assert "utterances without speech it reads the mean of training" in found.note
    some = [id for id in tense if id != tense[0]]
    path = tmp_path / "some.safetensors"
    kept = [each["id"] for each in plan.utterances if each["id"] not in some]
    write_pack(path, kept, [torch.ones(2, 4).half()] * len(kept), None, {})
    lacking = replace(whole, features={"audio": [FeatureChoice(EncoderSpec("own"), str(path))]})
    assert probe(lacking.marking({"audio": some})).figures is not None
    assert "lacks 17 of them" in probe(lacking).left_out


def noisy(plan: Plan, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(3, 8, generator=generator) + 0.4 * (each["label"] == "tense") for each in plan.utterances]


@pytest.mark.parametrize("seed", range(3))
def test_a_choice_reads_nothing_of_its_test_part(tmp_path: Path, seed: int) -> None:
    """Neither frames nor labels of fold 0's test part change its model or its validation scores."""
    plan = plan_of(tmp_path)
    tested = set(plan.folds[0]["test"])
    swap = {"calm": "tense", "tense": "calm"}
    others = [{**u, "label": swap[u["label"]] if u["group"] in tested else u["label"]} for u in plan.utterances]
    frames = noisy(plan, seed)
    loud = [100 * each if u["group"] in tested else each for each, u in zip(frames, plan.utterances, strict=True)]
    first = probe(with_frames(plan, tmp_path, frames))
    assert first == probe(with_frames(plan, tmp_path, frames))
    changed = [
        probe(with_frames(replace(plan, utterances=others), tmp_path, frames)),
        probe(with_frames(plan, tmp_path, loud)),
    ]
    assert first.figures is not None
    for found in changed:
        assert found.figures is not None
        assert found.strengths[0] == first.strengths[0]
        assert found.figures["validation"]["UWA"].folds[0] == first.figures["validation"]["UWA"].folds[0]
    # What was right is wrong where the labels were swapped.
    accuracy = [found.figures["test"]["WA"].folds[0] for found in (first, changed[0]) if found.figures]
    assert sum(accuracy) == pytest.approx(1)


def test_its_scores_are_those_of_scikit_learn_on_standardised_inputs(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    plan = plan_of(tmp_path)
    plan = with_frames(plan, tmp_path, noisy(plan, 1))
    pack, labels = Pack.open(Path(plan.pack("audio"))), np.array([each["label"] for each in plan.utterances])
    inputs = np.stack([np.r_[f.mean(0), f.std(0)] for f in (pack.of(i).float().numpy() for i in range(len(labels)))])
    found = probe(plan)
    assert found.figures is not None
    for number, fold in enumerate(plan.folds):
        training, validation, test = (
            [i for i, each in enumerate(plan.utterances) if each["group"] in fold[part]]
            for part in ("training", "validation", "test")
        )
        models = [make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=5000)) for c in STRENGTHS]
        for model in models:
            model.fit(inputs[training], labels[training])
        scores = [balanced_accuracy_score(labels[validation], each.predict(inputs[validation])) for each in models]
        best = models[int(np.argmax(scores))]
        expected = balanced_accuracy_score(labels[test], best.predict(inputs[test]))
        assert found.figures["test"]["UWA"].folds[number] == pytest.approx(expected)


def test_under_nested_it_has_a_value_for_every_session(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, protocol="nested", policy="asha", sampler="qmc", seeds=0)
    found = probe(plan)
    assert found.figures is not None
    assert len(found.strengths) == 2 * len(plan.folds) == 6
    assert len(found.figures["test"]["UWA"].folds) == 3


def test_the_readmes_sample_has_the_rows_that_a_run_prints(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "studies" / "tiny")
    plan = plan_of(tmp_path, policy="asha", sampler="qmc", seeds=0)
    write_study(folder, replace(plan, variants=["cross"]), {"cross": settings_of("cross", 2)})
    console = Console(record=True, width=200, file=io.StringIO())
    print_report(console, build(folder), folder, None)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    row = re.compile(r"^(\w+ \w+) +(validation|test) +[\d.]", re.MULTILINE)
    printed, sample = row.findall(console.export_text()), row.findall(readme)
    assert printed == sample
    assert ("probe linear", "validation") in printed


def test_it_stands_in_every_table_or_its_lack_has_a_reason(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "studies" / "tiny")
    plan = plan_of(tmp_path, policy="asha", sampler="qmc", seeds=0)
    write_study(folder, replace(plan, variants=["audio"]), {"audio": settings_of("audio", 2)})
    view, console = build(folder), Console(record=True, width=200, file=io.StringIO())
    print_report(console, view, folder, None)
    shown = {"html": html_page(view, {}), "md": markdown_page(view, {}), "terminal": console.export_text()}
    for text in (*shown.values(), *tables(view).values()):
        assert "probe" in text
    assert all("logistic regression on the mean and deviation" in text for text in shown.values())
    assert "| probe | speech, words | linear |" in shown["md"]
    gone = Path(plan.pack("text"))
    gone.unlink()
    without = build(folder)
    assert "probe" not in without.variants
    assert without.probe_note.startswith(f"Without the row “probe”: it reads features, and {gone} is gone; `ser-study")
    assert str(gone) in html_page(without, {})
    (tmp_path / "audio.safetensors").write_bytes(b"damaged")
    assert "cannot be used" in build(folder).probe_note
