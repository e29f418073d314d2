"""Plans: what the disk keeps of them, and which features make another study."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from study.errors import UserError
from study.features.spec import EncoderSpec, FeatureChoice
from study.record.begun import require_identity
from study.record.events import StudyBegun
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.record.terms import Terms

FAST, SLOW, WORDS = EncoderSpec("a/b", rate_hz=50.0), EncoderSpec("a/b", rate_hz=25.0), EncoderSpec("hash")
PLAN = Plan(
    name="p",
    corpus={"name": "demo", "digest": "abcdef0123456789"},
    classes=["a", "b"],
    folds=[{}, {}, {}],
    features={
        "audio": [FeatureChoice(FAST, "fast.safetensors"), FeatureChoice(SLOW, "slow.safetensors")],
        "text": [FeatureChoice(WORDS, "words.safetensors")],
    },
    utterances=[],
    variants=["cross"],
    terms=Terms(n_configs=4, epochs=12),
    environment={"python": "3.11"},
)


def with_audio(*specs: EncoderSpec) -> Plan:
    """The plan with other features of audio and none of text."""
    return replace(PLAN, features={"audio": [FeatureChoice(spec, "pack") for spec in specs]})


def test_features_of_an_old_label_in_another_pack_are_replaced_wherever_the_pack_is() -> None:
    moved = [replace(choice, path=f"/elsewhere/{choice.path}") for choice in PLAN.features["audio"]]
    assert PLAN.replaced(replace(PLAN, features={"audio": moved})) == []
    other = FeatureChoice(SLOW, "other.safetensors")
    found = PLAN.replaced(replace(PLAN, features={"audio": [moved[0], other]}))
    assert found == [("audio", PLAN.features["audio"][1], other)]


def test_the_disk_keeps_a_plan(tmp_path: Path) -> None:
    PLAN.write(StudyFolder(tmp_path))
    assert Plan.read(StudyFolder(tmp_path)) == PLAN


def test_a_ledger_is_of_the_packs_that_it_was_begun_with_but_a_modality_may_be_added(tmp_path: Path) -> None:
    alone = replace(PLAN, features={"text": PLAN.features["text"]})
    begun = StudyBegun(alone.digest(), {}, alone.growing())
    require_identity(PLAN, [begun], tmp_path)
    other = replace(PLAN, features={"text": [FeatureChoice(WORDS, "more.safetensors")]})
    with pytest.raises(UserError, match=r"plan.json has other packs of text \(more, there words\) than .* line 1"):
        require_identity(other, [begun], tmp_path)
    with pytest.raises(UserError, match=r"other packs of text \(none, there words\)"):
        require_identity(with_audio(FAST), [begun], tmp_path)


def test_the_features_of_configuration_0_come_first() -> None:
    assert PLAN.choices() == {"audio": ("a/b, 50 Hz", "a/b, 25 Hz"), "text": ("hash",)}
    assert PLAN.pack("audio") == PLAN.pack("audio", "a/b, 50 Hz") == "fast.safetensors"
    assert PLAN.pack("audio", "a/b, 25 Hz") == "slow.safetensors"
    with pytest.raises(KeyError):
        PLAN.pack("audio", "a/b")


def test_other_features_are_another_study_but_another_modality_is_not() -> None:
    assert with_audio(FAST).differences(PLAN) == ["audio features was a/b, 50 Hz, now a/b, 50 Hz | a/b, 25 Hz"]
    assert PLAN.differences(with_audio(SLOW, FAST)) != []
    assert PLAN.differences(with_audio(FAST, SLOW)) == []
    assert with_audio(FAST, SLOW).differences(PLAN) == []
    assert with_audio(FAST).differences(replace(PLAN, features={"text": PLAN.features["text"]})) == []


def test_differences_name_what_changed_from_what_to_what_and_ignore_what_may_grow() -> None:
    other = replace(PLAN, terms=replace(PLAN.terms, epochs=20, seed=1))
    assert PLAN.differences(other) == ["epochs was 12, now 20", "seed was 0, now 1"]
    grown = replace(PLAN.terms, n_configs=9, finalists=3, seeds=2, wall_seconds=60.0, gpu_hours=1.0)
    assert PLAN.differences(replace(PLAN, terms=grown, variants=["cross", "self"], environment={})) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 3}', json.dumps({"nonsense": 1})])
def test_a_broken_plan_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="cannot be read as one"):
        Plan.read(StudyFolder(tmp_path))


@pytest.mark.parametrize("features", [3, [], {"audio": 3}, {"audio": ["x"]}, {"audio": [{"spec": {}, "path": "x"}]}])
def test_a_plan_whose_features_are_broken_is_refused_in_one_line(tmp_path: Path, features: object) -> None:
    folder = StudyFolder(tmp_path)
    PLAN.write(folder)
    folder.plan.write_text(json.dumps({**json.loads(folder.plan.read_text()), "features": features}))
    with pytest.raises(UserError, match="cannot be read as one") as refusal:
        Plan.read(folder)
    assert "\n" not in str(refusal.value)
