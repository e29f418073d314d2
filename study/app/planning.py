"""From settings and a corpus to the plan of a study, new or continued."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from search_spaces.losses import need_votes
from study.app.environment import environment
from study.app.missing_modalities import Missing, notes_on_missing, untaught
from study.app.output import print_line
from study.app.settings import Settings
from study.corpus.loss_needs import votes_for
from study.corpus.plain_words import plain_words
from study.corpus.regroup import groups_of
from study.corpus.study_faults import not_trained, untrained_sentences
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.execution.places import Slots
from study.features.changes import what_changed
from study.features.prepare import Wanted
from study.features.spec import FeatureChoice
from study.option import options_of
from study.protocols import PROTOCOLS
from study.record.plan import Plan
from study.record.terms import Terms
from study.report.formats import format_term
from study.search.state import lookahead_of
from study.searches import trained_searches
from study.variants import VARIANT_GROUPS

NOTHING_KNOWN: Mapping[str, Sequence[Wanted]] = {}


def default_name(corpus: Corpus, settings: Settings) -> str:
    """The study's name where none is given: the same command finds the same study again."""
    labels = f"-{settings.corpus.labels}" if settings.corpus.labels else ""
    whole = (group for group, members in VARIANT_GROUPS.items() if settings.variants == members)
    variants = next(whole, "-".join(settings.variants))
    return f"{corpus.name}{labels}-{variants}{PROTOCOLS[settings.terms.protocol].name_suffix}"


def make_plan(settings: Settings, corpus: Corpus, features: Mapping[str, Sequence[FeatureChoice]], name: str) -> Plan:
    """The plan that `settings` ask for, with the packs of each modality; what depends on slots is set by `with_slots`.

    Raises:
        UserError: the corpus has too few groups for cross-validation.
    """
    groups = groups_of(corpus)
    folds = PROTOCOLS[settings.terms.protocol].divide(groups, settings.terms.folds)
    has_votes = need_votes(settings.terms.losses)
    return Plan(
        name=name,
        corpus={
            "name": corpus.name,
            "digest": corpus.digest(has_votes),
            "utterances": len(corpus.utterances),
            "speakers": len({utterance.speaker for utterance in corpus.utterances}),
            "classes": corpus.counts(),
            "groups": {group: groups.sizes[group] for group in corpus.groups()},
            "notes": list(corpus.notes),
        },
        classes=list(corpus.classes),
        folds=[fold.to_json() for fold in folds],
        features={modality: list(choices) for modality, choices in features.items()},
        utterances=[
            {
                "id": u.id,
                "label": u.label,
                "group": u.group,
                "speaker": u.speaker,
                "script": u.script,
                "words": words_key(u.words),
                **({"home": u.home} if u.home else {}),
                **({"votes": votes_for(corpus, u)} if has_votes else {}),
            }
            for u in corpus.utterances
        ],
        variants=list(settings.variants),
        terms=settings.terms,
        environment=environment(),
    )


def with_notes(plan: Plan, notes: Sequence[str]) -> Plan:
    """The plan with these notes on its corpus after those of the reader; reports show them."""
    return replace(plan, corpus={**plan.corpus, "notes": [*plan.corpus["notes"], *notes]})


def untrained(plan: Plan, console: Console) -> list[str]:
    """Print, and give, a sentence for each class that a fold does not train."""
    members = ((each["label"], each["group"]) for each in plan.utterances)
    notes = untrained_sentences(not_trained(members, _trainings(plan)), len(plan.folds))
    for note in notes:
        print_line(console, note, style="yellow")
    return notes


def with_missing(plan: Plan, missing: Missing) -> Plan:
    """The plan with the utterances marked that lack a modality.

    Raises:
        UserError: a fold trains no utterance that has a modality.
    """
    for fault in untaught(_groups(plan), missing, _trainings(plan)):
        raise UserError(fault)
    return plan.marking(missing)


def missing_modalities(plan: Plan, console: Console) -> list[str]:
    """Print, and give, sentences on the utterances that lack a modality."""
    notes = list(notes_on_missing(_groups(plan), plan.missing(), _trainings(plan)))
    for note in notes:
        print_line(console, note, style="yellow")
    return notes


def _groups(plan: Plan) -> dict[str, str]:
    return {each["id"]: each["group"] for each in plan.utterances}


def _trainings(plan: Plan) -> list[list[str]]:
    return [fold["training"] for fold in plan.folds]


def words_key(words: str) -> str:
    """A short key that equal words share, whatever their case and punctuation; "" without words.

    A study's folder holds keys instead of words: a licensed corpus's transcripts stay where they are.
    """
    plain = " ".join(plain_words(words))
    return hashlib.sha256(plain.encode()).hexdigest()[:12] if plain else ""


def continued(stored: Plan, asked: Plan, features: Mapping[str, Sequence[Wanted]] = NOTHING_KNOWN) -> Plan:
    """The plan of a study that goes on: more variants, configurations, finalists, seeds or time may be asked for.

    `features` says what those of `asked` are computed from, so that a refusal can name what has changed.

    Raises:
        UserError: something else changed; the line names it with its old and its new value.
    """
    before, now = stored.fixed(), replace(asked, prior=stored.prior, terms=stored.extended(asked.terms)).fixed()
    replaced = _replaced_features(stored, asked, features)
    changes = [*stored.differences(asked), *replaced, *_other_start(stored.terms, asked.terms)] or [
        f"{name} were others" for name in before if before[name] != now[name]
    ]
    if changes:
        raise UserError(
            f"cannot continue {stored.name} with other settings: {'; '.join(changes)}; "
            "give this study another --name, or start over with --fresh"
        )
    return replace(
        asked,
        variants=list(dict.fromkeys([*stored.variants, *asked.variants])),
        terms=stored.extended(asked.terms),
        prior=stored.prior,
        seconds=stored.seconds and stored.seconds * _growth(stored.terms, asked.terms),
        features={**stored.features, **asked.features},
        lookahead=stored.lookahead,
    ).marking({**stored.missing(), **asked.missing()})


def _replaced_features(stored: Plan, asked: Plan, features: Mapping[str, Sequence[Wanted]]) -> list[str]:
    """The features that would be computed from other audio, words or weights under the name that they had."""
    known = {each.choice.path: each for own in features.values() for each in own}
    found = []
    for modality, before, now in stored.replaced(asked):
        new = known.get(now.path)
        why = f" ({what_changed(Path(before.path), new.encoder.identity, new.contents)})" if new else ""
        found.append(f"{modality} features by {before.label} were {before.pack_name}, now {now.pack_name}{why}")
    return found


def _other_start(stored: Terms, asked: Terms) -> list[str]:
    """The change of a study that would be warm-started after its beginning, or from another study."""
    if asked.warm_start in (None, stored.warm_start):
        return []
    return [f"warm-start was {stored.warm_start or 'none'}, now {asked.warm_start}"]


def more_than_asked(plan: Plan, asked: Terms) -> str:
    """Where a study that goes on has more than this command asks for, in a line, since it only grows; or empty."""
    more = []
    for name, option in options_of(Terms).items():
        before, now = getattr(plan.terms, name), getattr(asked, name)
        # Where time is the limit, the number of configurations is none.
        is_limit = option.change == "grows" and not (name == "n_configs" and plan.seconds)
        if is_limit and before is not None and now is not None and now < before:
            more.append(f"{option.flag} {format_term(option, before)} (this command: {format_term(option, now)})")
    return f"study {plan.name} only grows: it keeps {', '.join(more)}" if more else ""


def with_slots(plan: Plan, slots: Slots) -> Plan:
    """The plan with as many configurations open at once as keep the slots busy, and its limits in worker seconds.

    Limits are divided equally over the searches of the variants that are trained.

    Raises:
        UserError: a budget of GPU hours where no run has a GPU.
    """
    seconds = []
    if plan.terms.wall_seconds is not None:
        seconds.append(plan.terms.wall_seconds * slots.present)
    if plan.terms.gpu_hours is not None:
        if not slots.gpus_per_run:
            raise UserError(
                "--gpu-hours expects runs on GPUs, and these have none (Ray sees no GPU, or --gpus-per-run is 0); "
                "--budget limits the wall clock"
            )
        seconds.append(plan.terms.gpu_hours * 3600 / slots.gpus_per_run)
    trained = len(trained_searches(plan))
    return replace(
        plan,
        lookahead=plan.lookahead or lookahead_of(slots.number, len(plan.folds)),
        seconds=plan.seconds or (min(seconds) / max(1, trained) if seconds else None),
    )


def _growth(stored: Terms, asked: Terms) -> float:
    """By how much the limits were raised; a lower one than before changes nothing."""
    pairs = ((stored.wall_seconds, asked.wall_seconds), (stored.gpu_hours, asked.gpu_hours))
    grown = [now / before for before, now in pairs if before is not None and now is not None]
    return max(1.0, min(grown)) if grown else 1.0
