"""The card: every figure of it is the report's, computed again, and what it must say is there."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from study.corpus.utterance import Corpus
from study.inference import model_folder
from study.inference.card import card, warning
from study.inference.export import Exported
from study.record.folder import StudyFolder
from study.report.build import build
from study.report.formats import format_score


def parts(text: str) -> tuple[dict[str, object], str]:
    """The data and the text of a card."""
    _, data, body = text.split("---\n", 2)
    return yaml.safe_load(data), body


def table(body: str, heading: str) -> dict[str, list[str]]:
    """The rows of the table below a heading, by their first cell."""
    section = body.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in section.splitlines() if "|" in line]
    return {row[0]: row[1:] for row in rows[2:]}


def test_every_figure_is_the_reports(model: Path, finished: tuple[StudyFolder, Corpus]) -> None:
    view = build(finished[0])
    variant = view.variants["cross"]
    data, body = parts((model / "README.md").read_text(encoding="utf-8"))
    assert variant.tuned is not None
    assert variant.details is not None
    assert variant.calibration is not None
    test = variant.tuned.figures["test"]
    shown = [f"{format_score(each.mean)} ± {format_score(each.std)}" for each in test.values()]
    assert table(body, "Figures")["tuned"] == shown
    [index] = data["model-index"]  # type: ignore[misc]
    values = {each["name"]: each["value"] for each in index["results"][0]["metrics"]}
    assert values == {name: f"{100 * each.mean:.1f} ± {100 * each.std:.1f}" for name, each in test.items()}
    recalls = {name: row[1] for name, row in table(body, "By class").items()}
    assert recalls == {name: format_score(recall) for name, recall in variant.details.recalls.items()}
    assert len(table(body, "By held-out group")) == 3
    found = variant.calibration
    numbers = (found.temperature, found.log_loss, found.error, found.log_loss_scaled, found.error_scaled)
    written = re.findall(r"\d+\.\d+", body.split("## Calibration\n")[1].split("\n## ")[0])
    assert [float(number) for number in written] == pytest.approx(numbers, abs=0.006)


def test_what_a_reader_must_know_is_said(model: Path, exported: Callable[..., Exported], tmp_path: Path) -> None:
    _, body = parts((model / "README.md").read_text(encoding="utf-8"))
    assert "was scored on nothing held out" in body
    assert "Licence: not stated." in body
    assert "no ground for decisions about people" in body
    assert "Groups that the corpus does not name (age, accent, health) were not tested" in body
    found = model_folder.read(model)
    assert "synthesiser" not in warning(found.config)
    assert "synthesiser" in warning(replace(found.config, corpus={**found.config.corpus, "name": "demo"}))
    refit = exported(tmp_path / "refit", weights="refit", license="cc-by-4.0").folder
    data, body = parts((refit / "README.md").read_text(encoding="utf-8"))
    assert "has no score of its own" in body
    assert data["license"] == "cc-by-4.0"
    assert "model-index" not in data  # a refit has no score
    assert "nothing is left to fit a temperature of its own on" in body


def test_the_hub_finds_library_task_encoders_and_split_and_readers_the_confused_pairs(model: Path) -> None:
    found = model_folder.read(model)
    audio = found.config.modalities["audio"]
    wavlm = replace(audio, spec=replace(audio.spec, name="microsoft/wavlm-base-plus"))
    pair = {"first": "angry", "second": "frustrated", "first_as_second": 0.25, "second_as_first": 0.125}
    metrics = {**found.metrics, "details": {**found.metrics["details"], "pairs": [pair]}}
    modalities = {**found.config.modalities, "audio": wavlm}
    data, body = parts(card(replace(found.config, modalities=modalities), metrics, None))
    assert (data["library_name"], data["pipeline_tag"]) == ("ser-study", "audio-classification")
    assert data["base_model"] == ["microsoft/wavlm-base-plus"]  # `hash` is no model of the hub
    assert "license" not in data
    [index] = data["model-index"]  # type: ignore[misc]
    assert index["results"][0]["dataset"]["split"] == "leave-one-group-out"
    assert re.search(r"Of angry, 25 ?% are taken for frustrated; of frustrated, 12 ?% for angry\.", body)


def test_names_from_a_corpus_are_text_and_folders_of_this_machine_are_not_in_the_card(model: Path) -> None:
    found = model_folder.read(model)
    odd = json.loads(json.dumps(found.metrics).replace("calm", "a|<b>"))
    audio = found.config.modalities["audio"]
    local = replace(audio, spec=replace(audio.spec, name="/home/me/encoders/wavlm"))
    config = replace(found.config, modalities={**found.config.modalities, "audio": local})
    text = card(config, odd, None)
    assert "a\\|\\<b>" in text
    assert "/home/me" not in text
    assert "wavlm" in text
    places = replace(found, config=config).without_places().config.modalities
    assert places["audio"].spec.name == "wavlm"
    assert places["text"] == found.config.modalities["text"]
