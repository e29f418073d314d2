"""Plans: what may grow, what may not, and what a study's folder does not hold."""

import csv
import json
from dataclasses import asdict, replace

import pytest

from search_spaces.losses import LOSSES_LAW
from study.app.cli import main, parser
from study.app.options import GROUPS, settings_of
from study.app.planning import continued, default_name, make_plan, more_than_asked, with_slots, words_key
from study.app.settings import DEMO, STUDY, UNLIMITED
from study.corpus.loss_needs import require_for_losses
from study.corpus.options import CorpusOptions
from study.corpus.source import open_corpus
from study.errors import FAILED, WRONG_USAGE, UserError
from study.execution.places import Slots
from study.features.spec import FeatureChoice
from study.modalities import AUDIO, MODALITIES
from study.option import options_of
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.record.terms import Terms
from study.stored_plan import stored_plan
from study.variants import VARIANTS

PUBLISHED = tuple("random audio text mdre self cross self-nosp self-cls cross-nosp cross-cls".split())


def settings(*arguments: str):
    return settings_of(parser().parse_args(["run", *arguments]))


def choices(found):
    return {
        modality: [FeatureChoice(spec, f"{modality}-{number}") for number, spec in enumerate(specs)]
        for modality, row in MODALITIES.items()
        if (specs := found.features.specs(row, found.corpus.is_demo))
    }


def planned(manifest, *arguments):
    found = settings("--corpus", str(manifest), *arguments)
    return make_plan(found, open_corpus(CorpusOptions(corpus=str(manifest))), choices(found), "name")


@pytest.fixture
def plan(tiny_manifest):
    return planned(tiny_manifest, "--variant", "self")


def with_terms(plan, **terms):
    return replace(plan, terms=replace(plan.terms, **terms))


def test_the_demo_has_a_small_budget_and_other_corpora_a_real_one():
    assert {key: getattr(settings().terms, key) for key in DEMO} == DEMO
    assert {key: getattr(settings("--corpus", "x.csv").terms, key) for key in STUDY} == STUDY
    (spec,) = settings("--corpus", "x.csv").features.specs(AUDIO, demo=False)
    assert spec.name == "microsoft/wavlm-base-plus"


def test_a_limit_of_time_lifts_the_limit_of_configurations():
    assert settings("--budget", "1h30m").terms.n_configs == UNLIMITED
    assert settings("--budget", "1h30m").terms.wall_seconds == 5400
    assert settings("--budget", "1h", "--configs", "7").terms.n_configs == 7


def test_every_option_is_declared_once():
    flags = [option.flag for declared in GROUPS.values() for each in declared for option in options_of(each).values()]
    assert len(flags) == len(set(flags)) > 30


def test_every_term_that_must_stay_is_compared_when_a_study_goes_on(plan):
    """A new term is compared by its declaration alone."""
    others = {"epochs": 7, "policy": "asha", "sampler": "gp", "protocol": "nested", "metric": "WA", "seed": 5}
    others["epoch_rule"] = "best"
    others["round_size"] = 4
    others["losses"] = "ce,balanced"
    others["folds"] = 3
    others["modality_dropout"] = "0,0.3"
    others["pairs"] = "calm/tense"
    never = [name for name, option in options_of(Terms).items() if option.change == "never"]
    assert sorted(never) == sorted(others)
    for name, value in others.items():
        flag = options_of(Terms)[name].flag.removeprefix("--")
        with pytest.raises(UserError, match=f"cannot continue name .*: {flag} was .*, now {value}"):
            continued(plan, with_terms(plan, **{name: options_of(Terms)[name].value(str(value))}))


def test_a_plan_is_read_as_it_was_written(plan, tmp_path):
    folder = StudyFolder(tmp_path)
    written = with_slots(with_terms(plan, wall_seconds=60.0), Slots(2, 0.0))
    written.write(folder)
    assert Plan.read(folder) == written


def test_a_plan_says_how_many_folds_only_where_the_option_is_given(plan, tmp_path):
    """Plans that are older than the option keep their digests, and a study without it writes what it always wrote."""
    folder = StudyFolder(tmp_path)
    plan.write(folder)
    assert "folds" not in json.loads(folder.plan.read_text(encoding="utf-8"))["terms"]
    assert "folds" not in plan.fixed()["terms"]
    assert "home" not in plan.utterances[0]
    with_terms(plan, folds=3).write(folder)
    assert Plan.read(folder).terms.folds == 3
    assert with_terms(plan, folds=3).digest() != plan.digest()


def test_under_nested_blocks_may_be_counted_and_speakers_not_held_out():
    assert settings("--protocol", "nested", "--folds", "4").terms.folds == 4
    with pytest.raises(
        UserError, match=r"--folds expects a number of blocks, .* under --protocol nested; found speaker"
    ):
        settings("--protocol", "nested", "--folds", "speaker")


@pytest.mark.parametrize("typed", ["2", "0", "-3", "x", "3.0", "Speaker", ""])
def test_other_numbers_of_folds_are_refused(typed):
    with pytest.raises(UserError, match="--folds expects a whole number, at least 3, or speaker; found"):
        settings(f"--folds={typed}")


@pytest.mark.parametrize(
    ("group", "members"),
    [
        ("all", PUBLISHED),
        ("every", tuple(name for name, row in VARIANTS.items() if "video" not in row.inputs)),
        ("seeing", tuple(name for name, row in VARIANTS.items() if "video" in row.inputs)),
    ],
)
def test_a_group_of_variants_has_a_short_name(group, members, tiny_manifest):
    corpus = open_corpus(CorpusOptions(corpus=str(tiny_manifest)))
    assert settings("--variant", group).variants == members
    assert default_name(corpus, settings("--variant", group)).endswith(f"-{group}")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_study_of_any_variant_has_a_name_that_can_be_typed(tiny_manifest, variant):
    corpus = open_corpus(CorpusOptions(corpus=str(tiny_manifest)))
    name = default_name(corpus, settings("--variant", variant))
    assert settings("--name", name).machines.name == name


def test_a_group_and_names_beside_it_are_each_variant_once():
    assert settings("--variant", "mult, all,cross").variants == ("mult", *PUBLISHED)


@pytest.mark.parametrize(
    ("option", "text", "twice"),
    [
        ("--variant", "cross,self, cross", "cross"),
        ("--variant", "all,all", "all"),
        ("--losses", "ce,ce", "ce"),
        ("--losses", "balanced+soft, soft+balanced", ""),
        ("--pairs", "calm/tense,calm/tense", "calm/tense"),
        ("--audio-encoder", "logmel,logmel:last", "logmel:last"),
        ("--text-layer", "1,01", "1"),
    ],
)
def test_a_value_that_is_there_twice_is_refused_by_check_and_run(option, text, twice, tiny_manifest, tmp_path, capsys):
    said = []
    for line in (
        ["check", str(tiny_manifest)],
        ["run", "--corpus", str(tiny_manifest), "--output", str(tmp_path / "o")],
    ):
        assert main([*line, option, text]) == WRONG_USAGE
        said.append(capsys.readouterr().err)
        assert f"{option} expects " + (f"each value once; found {twice} 2 times" if twice else LOSSES_LAW) in said[-1]
    assert len(set(said)) == 1
    assert not (tmp_path / "o").exists()


def test_a_probability_that_is_there_twice_is_refused_however_it_is_written():
    with pytest.raises(UserError, match=r"^--modality-dropout expects each value once; found 0\.3 2 times"):
        settings("--modality-dropout", "0.3,.30")


def test_a_continued_study_may_have_more_configurations_and_variants_and_keeps_its_lookahead(plan):
    stored = with_terms(with_slots(plan, Slots(8, 0.0)), n_configs=10)
    grown = continued(stored, replace(with_terms(plan, n_configs=20), variants=["cross"]))
    assert (grown.terms.n_configs, grown.variants, grown.lookahead) == (20, ["self", "cross"], stored.lookahead)
    fewer = with_terms(plan, n_configs=5)
    assert continued(stored, fewer).terms.n_configs == 10
    assert more_than_asked(continued(stored, fewer), fewer.terms) == (
        f"study {plan.name} only grows: it keeps --configs 10 (this command: 5)"
    )
    assert more_than_asked(grown, with_terms(plan, n_configs=20).terms) == ""


def test_more_time_for_a_study_grows_its_worker_seconds_in_proportion(plan):
    stored = with_slots(with_terms(plan, wall_seconds=60.0), Slots(2, 0.0))
    assert stored.seconds == 120.0
    assert continued(stored, with_terms(plan, wall_seconds=180.0)).seconds == 360.0
    less = with_terms(plan, wall_seconds=30.0, n_configs=1)
    assert continued(stored, less).seconds == 120.0
    assert more_than_asked(continued(stored, less), less.terms).endswith("keeps --budget 60 s (this command: 30 s)")
    assert continued(stored, plan).terms.wall_seconds == 60.0
    late = continued(with_slots(plan, Slots(2, 0.0)), with_terms(plan, wall_seconds=60.0))
    assert with_slots(late, Slots(2, 0.0)).seconds == 120.0


def test_gpu_hours_need_gpus(plan):
    assert with_slots(with_terms(plan, gpu_hours=1.0), Slots(4, 0.5)).seconds == 7200.0
    with pytest.raises(UserError, match="--gpu-hours expects runs on GPUs, and these have none"):
        with_slots(with_terms(plan, gpu_hours=1.0), Slots(4, 0.0))


def test_a_continued_study_may_not_have_another_corpus(plan):
    other = replace(plan, corpus={**plan.corpus, "digest": "0" * 64})
    with pytest.raises(UserError, match="cannot continue name with other settings: corpus was"):
        continued(plan, other)


def test_more_slots_open_more_configurations_at_once(plan):
    assert [with_slots(plan, Slots(slots, 0.0)).lookahead for slots in (1, 2, 3, 6, 30)] == [4, 4, 4, 7, 31]


def test_equal_words_have_one_key_whatever_case_and_punctuation():
    assert words_key("Not again!") == words_key("not  AGAIN") != words_key("not again now")
    assert words_key("...") == words_key("") == ""


def test_no_words_of_a_corpus_are_in_its_plan(plan, tiny_manifest):
    words = open_corpus(CorpusOptions(corpus=str(tiny_manifest))).utterances[0].words
    assert words
    assert words not in json.dumps(asdict(plan))


def test_a_nested_study_holds_out_every_pair_of_groups_and_has_terms_of_its_own(tiny_manifest):
    plan = planned(tiny_manifest, "--variant", "self", "--protocol", "nested")
    assert (plan.terms.policy, plan.terms.sampler, plan.terms.seeds) == ("asha", "qmc", 0)
    assert [(fold["test"], fold["validation"]) for fold in plan.folds] == [
        (["a"], ["b"]),
        (["a"], ["c"]),
        (["b"], ["c"]),
    ]
    found = settings("--corpus", str(tiny_manifest), "--variant", "self", "--protocol", "nested")
    assert default_name(open_corpus(CorpusOptions(corpus=str(tiny_manifest))), found).endswith("-self-nested")


@pytest.mark.parametrize(
    ("flag", "value", "mend"),
    [
        ("--policy", "race", "found race"),
        ("--seeds", "1", "found 1"),
        ("--budget", "1h", "leave it out"),
        ("--gpu-hours", "2", "leave it out"),
        ("--warm-start", "x", "leave it out"),
    ],
)
def test_what_would_let_a_session_reach_its_own_choice_is_refused_under_nested(flag, value, mend):
    with pytest.raises(UserError, match=f"{flag} expects .* under --protocol nested; {mend}$"):
        settings("--protocol", "nested", flag, value)


def test_other_features_are_another_study(tiny_manifest):
    arguments = ("--variant", "self,text", "--audio-encoder", "any/encoder")
    one = planned(tiny_manifest, *arguments, "--frame-rate", "50")
    several = planned(tiny_manifest, *arguments, "--frame-rate", "50,25")
    assert len(several.features["audio"]) == 2
    with pytest.raises(UserError, match=r"audio features was .*50 Hz, now .*25 Hz"):
        continued(one, several)
    # A modality that only one of the commands uses is no difference.
    assert continued(one, replace(one, features={"text": one.features["text"]})).features == one.features


@pytest.mark.parametrize("given", ["30", "50,", "fast"])
def test_a_frame_rate_that_is_none_is_refused(given):
    with pytest.raises(UserError, match="--frame-rate expects one of 50, 25"):
        settings("--frame-rate", given)


def with_votes(manifest):
    """The manifest with a column of votes: two of three for the label, in every other row."""
    rows = list(csv.DictReader(manifest.read_text(encoding="utf-8").splitlines()))
    other = {"calm": "tense", "tense": "calm"}
    for number, row in enumerate(rows):
        row["votes"] = "" if number % 2 else json.dumps({row["label"]: 2, other[row["label"]]: 1, "bored": 1})
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_losses_and_votes_are_in_the_plans_of_studies_that_use_them_alone(tiny_manifest):
    before = planned(tiny_manifest).to_json()
    assert "losses" not in before["terms"]
    assert set(before["utterances"][0]) == {"id", "label", "group", "speaker", "script", "words"}
    with_votes(tiny_manifest)
    unused = planned(tiny_manifest, "--losses", "ce,balanced").to_json()
    assert {**unused, "terms": before["terms"], "environment": {}} == {**before, "environment": {}}
    used = planned(tiny_manifest, "--losses", "ce,balanced+soft")
    assert used.corpus["digest"] != before["corpus"]["digest"]
    assert [each["votes"] for each in used.utterances[:2]] == [{"calm": 2, "tense": 1}, {}]
    assert used.votes()["a0"] == [2 / 3, 1 / 3]
    assert "a1" not in used.votes()
    corpus = open_corpus(CorpusOptions(corpus=str(tiny_manifest)))
    assert corpus.has_digest(used.corpus["digest"])
    assert corpus.has_digest(before["corpus"]["digest"])


def test_other_votes_are_another_corpus_for_a_study_that_uses_them(tiny_manifest):
    with_votes(tiny_manifest)
    before = {name: planned(tiny_manifest, "--losses", name).digest() for name in ("soft", "balanced")}
    text = tiny_manifest.read_text(encoding="utf-8")
    tiny_manifest.write_text(text.replace('""calm"": 2', '""calm"": 3'), encoding="utf-8")
    after = {name: planned(tiny_manifest, "--losses", name).digest() for name in before}
    assert after["balanced"] == before["balanced"]
    assert after["soft"] != before["soft"]


def test_a_plan_with_losses_is_read_as_it_was_written(tiny_manifest, tmp_path):
    with_votes(tiny_manifest)
    plan, folder = planned(tiny_manifest, "--losses", "ce,soft"), StudyFolder(tmp_path)
    plan.write(folder)
    assert Plan.read(folder).fixed() == plan.fixed()
    assert Plan.read(folder).terms == plan.terms


@pytest.mark.parametrize("losses", ["soft", "ce,pairs", "balanced+superclass"])
def test_check_and_run_refuse_losses_that_the_corpus_has_nothing_for(tiny_manifest, losses, capsys, tmp_path):
    law = "annotators' votes" if losses == "soft" else "two classes that are often confused"
    assert main(["check", str(tiny_manifest), "--losses", losses]) == FAILED
    assert f"--losses {losses} expects {law}" in " ".join(capsys.readouterr().out.split())
    assert main(["run", "--corpus", str(tiny_manifest), "--losses", losses, "--output", str(tmp_path)]) == WRONG_USAGE
    assert f"--losses {losses} expects {law}" in " ".join(capsys.readouterr().err.split())


def test_pairs_are_named_for_any_corpus_and_a_plan_has_them_where_they_are_given(tiny_manifest, capsys):
    assert "pairs" not in planned(tiny_manifest).to_json()["terms"]
    plan = planned(tiny_manifest, "--losses", "ce,pairs", "--pairs", " tense/calm")
    assert (plan.terms.pairs, plan.confused_pairs()) == (("tense/calm",), [(1, 0)])
    corpus = open_corpus(CorpusOptions(corpus=str(tiny_manifest)))
    assert require_for_losses(corpus, ["ce", "pairs"], ["calm/tense"]) == []
    with pytest.raises(UserError, match=r"--pairs expects classes of .*, calm, tense; found bored"):
        require_for_losses(corpus, [], ["calm/bored"])
    assert main(["check", str(tiny_manifest), "--losses", "pairs", "--pairs", "calm/tense"]) == 0
    capsys.readouterr()
    assert main(["check", str(tiny_manifest), "--pairs", "calm/bored"]) == FAILED
    assert "--pairs expects classes of" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("wrong", ["calm", "calm/tense/bored", "calm/", "calm/calm", "calm/tense,tense/bored"])
def test_pairs_are_of_two_classes_and_apart(wrong):
    with pytest.raises(UserError, match="--pairs expects pairs of classes as one/other"):
        settings("--pairs", wrong)


def test_utterances_without_votes_are_counted(tiny_manifest):
    with_votes(tiny_manifest)
    (note,) = require_for_losses(open_corpus(CorpusOptions(corpus=str(tiny_manifest))), ["ce", "soft"])
    assert note == "6 of 12 utterances have no votes for these classes: their labels alone count"
    assert require_for_losses(open_corpus(CorpusOptions(corpus=str(tiny_manifest))), ["ce", "balanced"]) == []


@pytest.mark.parametrize("wrong", [None, [], {"calm": -1}, {"calm": "2"}, {"bored": 1}, {"calm": True}])
def test_votes_in_a_plan_are_counts_by_class(tiny_manifest, tmp_path, wrong):
    with_votes(tiny_manifest)
    plan, folder = planned(tiny_manifest, "--variant", "text", "--losses", "soft"), StudyFolder(tmp_path)
    plan.write(folder)
    assert stored_plan(folder).votes() == plan.votes()
    found = json.loads(folder.plan.read_text(encoding="utf-8"))
    found["utterances"][3]["votes"] = wrong
    folder.plan.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(UserError, match="utterance 3 without votes, which are counts by class"):
        stored_plan(folder)


def test_a_wrong_loss_is_named_as_it_was_typed():
    with pytest.raises(
        UserError, match=r"--losses expects names of ce, .* but ce stands alone, .*; found ce\+soft,focal"
    ):
        settings("--losses", "ce+soft,focal")


def test_modality_dropout_is_in_plans_that_ask_for_it_alone(tiny_manifest, tmp_path):
    before = planned(tiny_manifest)
    assert "modality_dropout" not in before.to_json()["terms"]
    plan, folder = planned(tiny_manifest, "--modality-dropout", "0,.3"), StudyFolder(tmp_path)
    assert plan.terms.modality_dropout == ("0", "0.3")
    assert plan.choices()["modality_dropout"] == ("0", "0.3")
    plan.write(folder)
    assert Plan.read(folder).terms == plan.terms
    assert stored_plan(folder).digest() == plan.digest() != before.digest()


@pytest.mark.parametrize("wrong", [".6", "-.1", "a", "0,", "nan"])
def test_modality_dropout_is_a_probability_to_a_half(wrong):
    with pytest.raises(UserError, match=r"--modality-dropout expects numbers from 0 to 0\.5"):
        settings("--modality-dropout", wrong)


def test_modality_dropout_needs_a_variant_of_several_modalities():
    with pytest.raises(UserError, match="--modality-dropout is for variants of several modalities, and text has one"):
        settings("--variant", "text", "--modality-dropout", ".3")
    assert settings("--variant", "text,self", "--modality-dropout", ".3").terms.modality_dropout == ("0.3",)


@pytest.mark.parametrize("wrong", ["text", [1], ["smell"]])
def test_what_utterances_lack_in_a_plan_are_modalities(tiny_manifest, tmp_path, wrong):
    plan, folder = planned(tiny_manifest, "--variant", "text"), StudyFolder(tmp_path)
    plan.utterances[3]["missing"] = ["text"]
    plan.write(folder)
    assert stored_plan(folder).missing() == {"text": {plan.utterances[3]["id"]}}
    found = json.loads(folder.plan.read_text(encoding="utf-8"))
    found["utterances"][3]["missing"] = wrong
    folder.plan.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(UserError, match="utterance 3 with what it lacks"):
        stored_plan(folder)
