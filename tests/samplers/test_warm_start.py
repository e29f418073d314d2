"""An earlier study as a start: what fits is known to the sampler, on the new study's level."""

import pytest

from study.record.events import Phase
from study.record.ledger import Ledger
from study.samplers.proposer import published_params
from study.samplers.warm_start import fits, moved, prior, warm_proposer
from study.search.observation import Observation
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Rules
from study.variants import VARIANTS


def complete(params, score):
    return Observation(params, Phase.COMPLETE, score, 60, score)


@pytest.fixture
def memory():
    """A study of cross in which low learning rates were good, the published setting among them."""
    published = published_params(VARIANTS["cross"])
    known = [{"params": published, "score": 0.4, "error": 0.0}]
    known += [
        {"params": {**published, "learning_rate": rate, "dropout": 0.1 * n}, "score": score, "error": 0.02}
        for n, (rate, score) in enumerate([(2e-4, 0.55), (3e-4, 0.52), (5e-4, 0.5), (3e-3, 0.3), (8e-3, 0.2)])
    ]
    return {"name": "before", "corpus": "other", "variants": {"cross": known}}


def test_the_published_setting_is_still_first_and_the_former_best_second(memory):
    propose = warm_proposer(0, "gp", memory)
    published = published_params(VARIANTS["cross"])
    assert propose("cross", []) == published
    assert propose("cross", [complete(published, 0.6)])["learning_rate"] == 2e-4


@pytest.mark.parametrize("sampler", ["gp", "tpe"])
def test_the_first_proposals_are_where_the_former_study_was_good(memory, sampler):
    memory["variants"]["cross"] *= 3
    propose = warm_proposer(0, sampler, memory)
    tried = [complete(published_params(VARIANTS["cross"]), 0.6)]
    for _ in range(7):
        tried.append(Observation(propose("cross", tried), Phase.OPEN))
    assert sum(entry.params["learning_rate"] < 1e-3 for entry in tried[2:]) >= 4


def test_without_a_memory_nothing_changes():
    published = published_params(VARIANTS["cross"])
    tried = [complete(published, 0.6)]
    assert warm_proposer(0, "gp", {})("cross", tried) == warm_proposer(0, "gp", {"variants": {}})("cross", tried)


def test_scores_are_moved_to_the_level_of_the_new_corpus(memory):
    published = published_params(VARIANTS["cross"])
    known = prior(memory, "cross", VARIANTS["cross"].suggest)
    shifted = moved(known, [complete(published, 0.7)])
    assert [entry.predicted for entry in shifted[:2]] == pytest.approx([0.7, 0.85])
    assert moved(known, [])[0].predicted == pytest.approx(0.4)


def test_another_variant_helps_where_its_parameters_agree(memory):
    assert len(prior(memory, "self", VARIANTS["self"].suggest)) == 6
    assert prior(memory, "mdre", VARIANTS["mdre"].suggest) == []
    assert not fits(VARIANTS["cross"].suggest, {**published_params(VARIANTS["cross"]), "n_heads": 7})


def test_of_a_study_in_order_the_latest_configurations_are_remembered_too():
    race = Race(Rules(n_configs=3, n_folds=2, epochs=2, rungs=(1,), lookahead=4), POLICIES["asha"])
    for number in range(3):
        race.open()
        for fold in range(2):
            race.record(number, fold, 0, 0.3 + 0.1 * number + 0.05 * fold, ended=False)
    for number, entry in enumerate(race.entries):
        score, error = race.predicted_in_hindsight(entry)
        assert abs(score - 0.3 - 0.1 * number) < 0.2
        assert error > 0


def test_a_score_that_is_no_number_is_not_remembered(memory):
    memory["variants"]["cross"][2]["score"] = float("nan")
    assert len(prior(memory, "cross", VARIANTS["cross"].suggest)) == 5


def test_scores_of_another_study_have_a_larger_error(memory):
    spread = max(entry.error for entry in prior(memory, "cross", VARIANTS["cross"].suggest))
    assert spread > 0.05


def test_a_ledger_that_is_only_read_stays_as_it_is(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"kind": "config", "variant": "cross", "config": 0, "params": {}}\n{"ki')
    before = path.read_bytes()
    assert len(Ledger(path, writable=False).events) == 1
    assert path.read_bytes() == before
