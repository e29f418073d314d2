"""Builds the searches and the conductor of the study that a plan describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from study.errors import UserError
from study.plurals import counted
from study.protocols import PROTOCOLS
from study.record.events import Event, Phase, Record, StudyBegun
from study.record.plan import Plan
from study.record.search_name import search_name, variant_of
from study.search.conductor import Conductor, Listener, Log
from study.search.observation import Proposer
from study.search.policies import POLICIES
from study.search.replay import Replay
from study.search.search import Search
from study.search.state import Rules
from study.variants import TRAINED


def rules_of(plan: Plan) -> Rules:
    """The rules of each variant's search."""
    return Rules(
        **vars(plan.terms), n_folds=len(plan.folds), rungs=plan.rungs, lookahead=plan.lookahead, seconds=plan.seconds
    )


def searches_of(plan: Plan) -> list[str]:
    """The names of what a study studies: the first search of every variant, then all second ones, and on.

    What is not trained is not searched for either, and is there once.
    """
    return [
        search_name(variant, number)
        for number in range(1, plan.terms.n_searches + 1)
        for variant in plan.variants
        if number == 1 or variant in TRAINED
    ]


def trained_searches(plan: Plan) -> list[str]:
    """The names of the searches of a study, in their order."""
    return [name for name in searches_of(plan) if variant_of(name) in TRAINED]


def new_search(plan: Plan) -> Search:
    """One search of a variant before it begins."""
    return PROTOCOLS[plan.terms.protocol].search(rules_of(plan), POLICIES[plan.terms.policy])


def conductor_of(
    plan: Plan, log: Log, propose: Proposer, *, slots: int, listeners: Sequence[Listener] = ()
) -> Conductor:
    """The study of `plan` as its log leaves it.

    Raises:
        UserError: an event of the log does not follow from those before it.
    """
    return Conductor(_new_searches(plan), log, propose=propose, slots=slots, listeners=listeners)


def replayed(plan: Plan, records: Sequence[Record], path: Path) -> dict[str, Search]:
    """The searches of `plan` as the ledger at `path` leaves them, every decision of which is taken again.

    Decisions follow from the terms of their time, so each part of the ledger is replayed on those that it begins with.

    Raises:
        UserError: a decision is missing, or is not the one that follows from the lines before it.
    """
    replay, then, events = Replay(_new_searches(plan), ()), plan, list[Event]()
    for number, record in enumerate(records, start=1):
        try:
            if isinstance(record, StudyBegun):
                then = plan.as_of(record)
                replay = Replay(_new_searches(then), events)
                continue
            replay.follow(record)
            events.append(record)
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError) as error:
            raise UserError(
                f"every decision of a ledger follows from the lines before it, and {path} line {number} does not "
                f"({' '.join(str(error).split())}); restore the file from a copy, or start over with --fresh"
            ) from None
    return replay.searches if then.growing() == plan.growing() else Replay(_new_searches(plan), events).searches


def what_is_left(searches: Mapping[str, Search]) -> str:
    """What a study that is not finished has left, in words; empty for one that is."""
    left = {name: _left(search) for name, search in searches.items() if not search.closed()}
    if len(searches) == 1:
        return next(iter(left.values()), "")
    return "; ".join(f"{name}: {words}" for name, words in left.items())


def _left(search: Search) -> str:
    if not search.entries:
        return "not begun"
    closed = sum(entry.phase is not Phase.OPEN for entry in search.entries)
    asked = len(search.entries) if search.all_opened() else search.rules.n_configs
    if closed < asked:
        confirmation = ", confirmation not begun" if search.rules.seeds else ""
        return f"{asked - closed} of {counted(asked, 'configuration')} open{confirmation}"
    return f"{counted(sum(1 for _ in search.confirmation.runnable()), 'confirmation run')} open"


def _new_searches(plan: Plan) -> dict[str, Search]:
    return {name: new_search(plan) for name in trained_searches(plan)}
