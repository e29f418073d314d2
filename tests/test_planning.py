"""Plans: what may grow, what may not, and what a study's folder does not hold."""

import json
from argparse import Namespace
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from study.cli import _parser
from study.corpus.source import open_corpus
from study.errors import UserError
from study.planning import continued, default_name, make_plan, with_slots, words_key
from study.settings import DEMO, STUDY, from_arguments
from study.tuning.entries import Phase
from study.tuning.proposals import Tried, configuration, proposer
from study.variants import VARIANTS


def settings_of(*arguments: str):
    parsed: Namespace = _parser().parse_args(["run", *arguments])
    return from_arguments(parsed)


@pytest.fixture
def plan(tiny_manifest):
    settings = settings_of("--corpus", str(tiny_manifest), "--variant", "self")
    return make_plan(settings, open_corpus(str(tiny_manifest)), {"audio": Path("a"), "text": Path("t")}, "name")


def test_the_demo_has_a_small_budget_and_other_corpora_a_real_one():
    assert {key: getattr(settings_of(), key) for key in DEMO} == DEMO
    assert {key: getattr(settings_of("--corpus", "x.csv"), key) for key in STUDY} == STUDY
    assert settings_of("--corpus", "x.csv").audio_encoder == "microsoft/wavlm-base-plus"


def test_all_means_every_variant_and_a_short_name(tiny_manifest):
    corpus = open_corpus(str(tiny_manifest))
    assert default_name(corpus, settings_of("--variant", "all")).endswith("-all")
    assert len(settings_of("--variant", "all").variants) == 10


def test_a_continued_study_may_have_more_configurations_and_variants_and_keeps_its_lookahead(plan):
    stored = replace(with_slots(plan, slots=8), n_configs=10)
    grown = continued(stored, replace(plan, n_configs=20, variants=["cross"]))
    assert (grown.n_configs, grown.variants, grown.lookahead) == (20, ["self", "cross"], stored.lookahead)
    assert continued(stored, replace(plan, n_configs=5)).n_configs == 10


def test_a_continued_study_may_not_have_another_corpus(plan):
    other = replace(plan, corpus={**plan.corpus, "digest": "0" * 64})
    with pytest.raises(UserError, match="was begun with corpus"):
        continued(plan, other)


def test_more_slots_open_more_configurations_at_once(plan):
    assert [with_slots(plan, slots).lookahead for slots in (1, 2, 3, 6, 30)] == [4, 4, 4, 5, 13]


def test_the_same_words_have_the_same_key_whatever_case_and_punctuation():
    assert words_key("Not again!") == words_key("not  AGAIN") != words_key("not again now")
    assert words_key("...") == words_key("") == ""


def test_no_words_of_a_corpus_are_in_its_plan(plan, tiny_manifest):
    words = open_corpus(str(tiny_manifest)).utterances[0].words
    assert words
    assert words not in json.dumps(asdict(plan))


def test_a_nested_study_holds_out_every_pair_of_groups_and_has_terms_of_its_own(tiny_manifest):
    settings = settings_of("--corpus", str(tiny_manifest), "--variant", "self", "--protocol", "nested")
    assert (settings.policy, settings.sampler, settings.seeds) == ("asha", "qmc", 0)
    corpus = open_corpus(str(tiny_manifest))
    plan = make_plan(settings, corpus, {"audio": Path("a"), "text": Path("t")}, "name")
    assert [(fold["test"], fold["validation"]) for fold in plan.folds] == [
        (("a",), ("b",)),
        (("a",), ("c",)),
        (("b",), ("c",)),
    ]
    assert default_name(corpus, settings).endswith("-self-nested")


@pytest.mark.parametrize(
    "option", [("--policy", "race"), ("--seeds", "1"), ("--budget", "1h"), ("--gpu-hours", "2"), ("--warm-start", "x")]
)
def test_what_would_let_a_session_reach_its_own_choice_is_refused_under_nested(option):
    with pytest.raises(UserError, match=rf"{option[0]} expects .* under --protocol nested; found {option[1]}"):
        settings_of("--protocol", "nested", *option)


def test_several_frame_rates_are_a_choice_of_the_search_for_variants_that_hear(tiny_manifest):
    arguments = ("--corpus", str(tiny_manifest), "--variant", "self,text", "--audio-encoder", "any/encoder")
    settings = settings_of(*arguments, "--frame-rate", "50,25")
    assert settings.encoders()["audio"] == "any/encoder@50Hz"
    assert settings.encoders()["audio@25"] == "any/encoder@25Hz"
    packs = {name: Path(name) for name in settings.encoders()}
    plan = make_plan(settings, open_corpus(str(tiny_manifest)), packs, "name")
    published = proposer(0, "random", plan.frame_rates)("self", [])
    assert published["frame_rate"] == "50"
    assert "frame_rate" not in proposer(0, "random", plan.frame_rates)("text", [])
    tried = [Tried(published, Phase.OPEN)]
    for _ in range(12):
        tried.append(Tried(proposer(0, "random", plan.frame_rates)("self", tried), Phase.OPEN))
    assert {each.params["frame_rate"] for each in tried} == {"50", "25"}
    assert {configuration(VARIANTS["self"], each.params)[1].frame_rate for each in tried} == {"50", "25"}
    one = make_plan(
        settings_of(*arguments, "--frame-rate", "50"),
        open_corpus(str(tiny_manifest)),
        {name: Path(name) for name in ("audio", "text")},
        "name",
    )
    assert "frame_rate" not in proposer(0, "random", one.frame_rates)("self", [])
    with pytest.raises(UserError, match="frame rates the encoder's, now 50,25"):
        continued(one, plan)


@pytest.mark.parametrize("given", ["30", "50,", "fast"])
def test_a_frame_rate_that_is_none_is_refused(given):
    with pytest.raises(UserError, match="--frame-rate expects one of 50, 25"):
        settings_of("--frame-rate", given)
