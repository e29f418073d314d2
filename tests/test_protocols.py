"""What every row of the table of protocols keeps: refusals, defaults, folds, its sentence, and what selects."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from study.app.settings import terms_of
from study.corpus.options import CorpusOptions
from study.corpus.regroup import groups_of
from study.corpus.source import open_corpus
from study.errors import UserError
from study.option import options_of
from study.protocols import PROTOCOLS
from study.record.begun import take_up
from study.record.events import EpochDone, FoldRun
from study.record.ledger import Ledger
from study.record.plan import Plan
from study.record.results import configurations
from study.record.terms import Terms
from study.samplers.space import spaces_of
from study.search.state import Continue
from study.searches import conductor_of
from study.training.metrics import METRICS
from tests.plugins.word_corpora import write_words
from tests.report.toy import settings_of, toy_plan

PARTS = ("train", "train", "dev", "test1", "test2")
# Values of terms that some protocol refuses; each keeps the term's own law.
VALUES = {
    "policy": ("race", "asha", "full"),
    "round_size": (0, 4),
    "folds": (3, 4, "speaker"),
    "seeds": (0, 2),
    "wall_seconds": (60.0,),
    "gpu_hours": (1.0,),
    "warm_start": ("earlier",),
    "n_searches": (1, 3),
}
N_CONFIGS = 6


@pytest.fixture(params=PROTOCOLS)
def name(request) -> str:
    return request.param


@pytest.fixture
def divided(name, tmp_path):
    """A corpus of five groups of two speakers, as the protocol holds it out, and its folds."""
    speakers = {f"{'ab'[n % 2]}{n // 2}": (f"show{n // 2}", PARTS[n // 2]) for n in range(10)}
    corpus = open_corpus(CorpusOptions(corpus=str(write_words(tmp_path, speakers))), media=())
    corpus = PROTOCOLS[name].regroup(corpus, None)
    return corpus, PROTOCOLS[name].divide(groups_of(corpus), None)


def test_a_term_is_refused_with_its_option_what_is_expected_and_the_protocol(name):
    refusals = {each.term: each for each in PROTOCOLS[name].refusals}
    assert refusals.keys() <= VALUES.keys()
    for term, values in VALUES.items():
        for value in values:
            given = {"protocol": name, term: value}
            if term not in refusals or value in refusals[term].allowed:
                assert getattr(terms_of(given, demo=False, n_variants=1), term) == value
                continue
            with pytest.raises(UserError) as refused:
                terms_of(given, demo=False, n_variants=1)
            line = str(refused.value)
            assert line.startswith(
                f"{options_of(Terms)[term].flag} expects {refusals[term].why}, under --protocol {name};"
            )


def test_its_defaults_are_not_refused(name):
    for demo in (True, False):
        assert terms_of({"protocol": name}, demo=demo, n_variants=1).protocol == name
    for term, value in PROTOCOLS[name].defaults.items():
        assert getattr(terms_of({"protocol": name, term: value}, demo=False, n_variants=1), term) == value


def test_parts_of_a_fold_share_no_group_and_every_utterance_is_tested_or_never_is_by_the_corpus_itself(name, divided):
    corpus, folds = divided
    for fold in folds:
        parts = [set(fold.test), set(fold.validation), set(fold.training)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set.union(*parts)) == len(corpus.groups())
    # As reports read them: under nested, a run is read both ways.
    plan = replace(
        toy_plan(), folds=[fold.to_json() for fold in folds], terms=Terms(n_configs=1, epochs=1, protocol=name)
    )
    divisions = PROTOCOLS[name].divisions(plan)
    tested = set(chain.from_iterable(division["test"] for division in divisions))
    by_split = {u.group for u in corpus.utterances if u.split.startswith("test")}
    assert tested == (by_split if PROTOCOLS[name].one_division else set(corpus.groups()))


def test_speakers_stay_in_one_part_of_every_fold(name, divided):
    corpus, folds = divided
    for fold in folds:
        parts = {
            part: {u.speaker for u in corpus.utterances if u.group in getattr(fold, part)}
            for part in ("test", "validation", "training")
        }
        assert sum(map(len, parts.values())) == len(set.union(*parts.values())) == 10


def test_its_sentence_and_what_figures_are_over_are_words_on_its_own_division(name, divided):
    row, (_, folds) = PROTOCOLS[name], divided
    plan = replace(
        toy_plan(), folds=[fold.to_json() for fold in folds], terms=Terms(n_configs=1, epochs=1, protocol=name, seeds=2)
    )
    said = f"{row.sentence('gp', True)}; {row.over(plan)}"
    assert not any(mark in said for mark in "{}\n")
    assert not said.endswith(".")
    assert ("fold" in said or "session" in said) is not row.one_division
    assert ("gp" in said) is bool(row.adaptive_note)
    n_means = {"shared": "5 folds", "nested": "5 test sessions", "split": "2 training runs"}
    assert row.over(plan) == n_means[name]


def outcome_of(plan: Plan, path, seed: int):
    """What a search of six configurations comes to; `seed` draws the test scores, and nothing else."""
    plan = replace(plan, terms=replace(plan.terms, n_configs=N_CONFIGS))
    ledger = Ledger(path)
    take_up(ledger, plan, spaces_of(plan))
    params = settings_of("cross", N_CONFIGS)
    conductor = conductor_of(plan, ledger, lambda variant, known: dict(params[len(known)]), slots=1)
    while (run := conductor.next_run()) is not None:
        known = conductor.assign(run).epochs_known
        for number in range(known + 1, plan.terms.epochs + 1):
            if not isinstance(conductor.report(_epoch(plan, run, number, seed)), Continue):
                break
    found = configurations(ledger.events, plan.terms.seeds, plan.terms.epoch_rule)["cross"]
    outcome = PROTOCOLS[plan.terms.protocol].outcome(plan, found)
    assert outcome is not None
    return outcome, [type(event).__name__ for event in ledger.events]


def _epoch(plan: Plan, run: FoldRun, number: int, seed: int) -> EpochDone:
    validation, test = (
        np.random.default_rng((each, run.config, run.fold, run.seed, number)).random() for each in (0, seed)
    )
    scores = ({metric: float(score) for metric in METRICS} for score in (validation, test))
    last = number == plan.terms.epochs
    return EpochDone(run.variant, run.config, run.fold, run.seed, number, 1.0, *scores, 0.5, last)


@pytest.mark.parametrize("name", [name for name, row in PROTOCOLS.items() if not row.score_both_blocks], indirect=True)
def test_other_test_scores_change_no_decision_and_no_choice(name, divided, tmp_path):
    """Where both parts of a run select, as under nested, tests/search/test_nested.py has the law."""
    _, folds = divided
    terms = Terms(n_configs=N_CONFIGS, epochs=4, policy="asha", sampler="qmc", protocol=name, finalists=2, seeds=2)
    plan = replace(toy_plan(terms=terms), folds=[fold.to_json() for fold in folds])
    (one, ledger), (other, ledger_of_other) = (outcome_of(plan, tmp_path / f"{seed}.jsonl", seed) for seed in (1, 2))
    assert ledger == ledger_of_other
    assert (one.config.number, one.uses) == (other.config.number, other.uses)
    assert one.figures["validation"] == other.figures["validation"]
    assert one.figures["test"] != other.figures["test"]
