"""Reads the plan of a study that exists, and makes sure that all it names is there before anything relies on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from search_spaces.losses import need_votes
from study.corpus.folds import Groups
from study.errors import UserError
from study.option import options_of
from study.plurals import counted
from study.protocols import PROTOCOLS
from study.record.epoch_rule import EPOCH_RULES
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.record.terms import Terms
from study.samplers import SAMPLERS
from study.search.policies import POLICIES
from study.variants import VARIANTS

KNOWN_MODALITIES = {modality for row in VARIANTS.values() for modality in row.modalities}

TEXTS = ("id", "label", "group", "speaker", "script", "words")  # of an utterance
TABLES: Mapping[str, Mapping[str, object]] = {
    "epoch rules": EPOCH_RULES,
    "policies": POLICIES,
    "protocols": PROTOCOLS,
    "samplers": SAMPLERS,
}


def stored_plan(folder: StudyFolder) -> Plan:
    """The plan of the study in `folder`.

    Raises:
        UserError: there is none, or a part of it is missing or names what does not exist.
    """
    plan = Plan.read(folder)
    try:
        fault = next((fault for check in CHECKS for fault in check(plan)), "")
    except UserError as error:  # of an option, or of groups that cannot be divided
        fault = str(error)
    except (TypeError, ValueError, KeyError, AttributeError) as error:  # a value of another type
        fault = f"a value of another kind: {error}"
    if fault:
        raise UserError(
            f"a study needs the plan that it was begun with, and {folder.plan} is not whole ({fault}); restore it from "
            "a copy, or run the study with --fresh, which forgets what it has done"
        )
    return plan


def _of_terms(plan: Plan) -> Iterator[str]:
    for name, option in options_of(Terms).items():
        value = getattr(plan.terms, name)
        if option.table:
            if value not in TABLES[option.table]:
                yield f"{name} {value!r} is none of {', '.join(TABLES[option.table])}"
        elif value != Terms.__dataclass_fields__[name].default:  # a default may mean none
            option.check(value)
    if not isinstance(plan.terms.epochs, int) or not isinstance(plan.terms.n_configs, int):
        yield "epochs and configurations are no whole numbers"
    if not isinstance(plan.lookahead, int) or not isinstance(plan.seconds, int | float | None):
        yield "lookahead and seconds are no numbers"


def _of_variants(plan: Plan) -> Iterator[str]:
    if not plan.variants:
        yield "no variants"
    for name in plan.variants:
        if name not in VARIANTS:
            yield f"variant {name!r} is none of {', '.join(VARIANTS)}"
        elif missing := [modality for modality in VARIANTS[name].modalities if not plan.features.get(modality)]:
            yield f"no features of {missing[0]} for {name}"


def _of_corpus(plan: Plan) -> Iterator[str]:
    kinds = {"name": str, "digest": str, "utterances": int, "classes": dict, "groups": dict}
    for name, kind in kinds.items():
        if not isinstance(plan.corpus.get(name), kind):
            yield f"corpus without {name}"
    if len(plan.classes) < 2 or not all(isinstance(name, str) for name in plan.classes):
        yield "fewer than two classes"


def _of_utterances(plan: Plan) -> Iterator[str]:
    for number, utterance in enumerate(plan.utterances):
        for name in TEXTS:
            if not isinstance(utterance.get(name), str):
                yield f"utterance {number} without {name}"
        if utterance["label"] not in plan.classes:
            yield f"utterance {number} of a class that the study has not"
        if need_votes(plan.terms.losses) and not _are_votes(utterance.get("votes"), plan.classes):
            yield f"utterance {number} without votes, which are counts by class"
        if not _are_modalities(utterance.get("missing", [])):
            yield f"utterance {number} with what it lacks in other words than those of modalities"
    ids = [utterance["id"] for utterance in plan.utterances]
    if len(set(ids)) != len(ids):
        yield "an utterance twice"
    if len(ids) != plan.corpus["utterances"]:
        yield f"{counted(len(ids), 'utterance')} where its corpus has {plan.corpus['utterances']}"


def _are_votes(found: object, classes: Sequence[str]) -> bool:
    return isinstance(found, dict) and all(name in classes and type(n) is int and n > 0 for name, n in found.items())


def _are_modalities(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(name, str) and name in KNOWN_MODALITIES for name in found)


def _of_folds(plan: Plan) -> Iterator[str]:
    """Folds follow from the groups alone, so a fold that is lost or changed shows."""
    groups = Groups.of((each["group"], each.get("home") or each["group"]) for each in plan.utterances)
    if groups.sizes != plan.corpus["groups"]:
        yield "groups that are not those of its utterances"
    if [fold.to_json() for fold in PROTOCOLS[plan.terms.protocol].divide(groups, plan.terms.folds)] != plan.folds:
        yield "folds that are not those of its groups"


# In this order: those below rely on those above.
CHECKS: tuple[Callable[[Plan], Iterator[str]], ...] = (_of_terms, _of_variants, _of_corpus, _of_utterances, _of_folds)
