"""Which packs a fold run trains on, by the features chosen for its configuration."""

from pathlib import Path
from typing import Any

import pytest
import torch

from study.execution.fold_runner import data_of_fold
from study.execution.job import Job
from study.execution.jobs import jobs_of
from study.features.pack import write_pack
from study.features.spec import EncoderSpec, FeatureChoice
from study.record.events import FoldRun
from study.record.plan import Plan
from study.record.terms import Terms
from study.samplers.proposer import published_params
from study.search.conductor import Assignment
from study.variants import VARIANTS

IDS = ["a", "b", "c"]
FAST, SLOW, WORDS = "a/b, 50 Hz", "a/b, 25 Hz", "hash"
SPECS = {
    FAST: EncoderSpec("a/b", rate_hz=50.0),
    SLOW: EncoderSpec("a/b", rate_hz=25.0),
    WORDS: EncoderSpec("hash"),
}
DIMS = {FAST: 5, SLOW: 2, WORDS: 3}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Of three utterances, whose audio has two choices of features, distinguished by their dimensions."""
    features: dict[str, list[FeatureChoice]] = {}
    for modality, label in (("audio", FAST), ("audio", SLOW), ("text", WORDS)):
        frames = [torch.randn(4, DIMS[label]).half() for _ in IDS]
        vectors = [torch.randn(DIMS[label]).half() for _ in IDS] if modality == "text" else None
        path, spec = tmp_path / label.replace("/", "-"), SPECS[label]
        write_pack(path, IDS, frames, vectors, {})
        features.setdefault(modality, []).append(FeatureChoice(spec, str(path)))
    return Plan(
        name="x",
        corpus={"name": "x", "digest": "1" * 64},
        classes=["calm"],
        folds=[{"training": ["a"], "validation": ["b"], "test": ["c"]}],
        features=features,
        utterances=[{"id": id, "group": id, "label": "calm"} for id in IDS],
        variants=["self"],
        terms=Terms(n_configs=1, epochs=1),
        environment={},
    )


@pytest.mark.parametrize(("chosen", "dim"), [({}, 5), ({"audio": FAST}, 5), ({"audio": SLOW}, 2)])
def test_a_run_trains_on_the_pack_of_its_features_and_on_the_first_where_none_is_chosen(
    plan: Plan, chosen: dict[str, str], dim: int
) -> None:
    data = data_of_fold(plan, ["audio", "text"], 0, torch.device("cpu"), features=chosen)
    assert data.dims == {"audio": dim, "text": 3}


def test_features_that_a_study_does_not_have_are_not_replaced_by_others(plan: Plan) -> None:
    with pytest.raises(KeyError, match="wavlm"):
        data_of_fold(plan, ["audio"], 0, torch.device("cpu"), features={"audio": "wavlm"})


def test_a_sentence_is_one_frame_of_the_text_pack(plan: Plan) -> None:
    data = data_of_fold(plan, ["sentence"], 0, torch.device("cpu"))
    assert data.training.packs["sentence"].lengths.tolist() == [1, 1, 1]


@pytest.mark.parametrize("label", [FAST, SLOW])
def test_a_job_carries_the_choice_of_its_parameters(plan: Plan, label: str) -> None:
    params: dict[str, Any] = {**published_params(VARIANTS["self"].choosing(plan.choices())), "audio_features": label}
    job: Job = jobs_of(plan)(Assignment(FoldRun("self", 1, 0, 0), params, 0, plan.terms.epochs))
    assert job.recipe["features"] == {"audio": label}
