"""Builds the searches and the conductor of the study that a plan describes."""

from __future__ import annotations

from collections.abc import Sequence

from study.protocols import PROTOCOLS
from study.record.plan import Plan
from study.search.conductor import Conductor, Listener, Log
from study.search.observation import Proposer
from study.search.policies import POLICIES
from study.search.search import Search
from study.search.state import Rules
from study.variants import TRAINED


def rules_of(plan: Plan) -> Rules:
    """The rules of each variant's search."""
    return Rules(
        **vars(plan.terms), n_folds=len(plan.folds), rungs=plan.rungs, lookahead=plan.lookahead, seconds=plan.seconds
    )


def new_search(plan: Plan) -> Search:
    """One variant's search that has not begun."""
    return PROTOCOLS[plan.terms.protocol].search(rules_of(plan), POLICIES[plan.terms.policy])


def conductor_of(
    plan: Plan, log: Log, propose: Proposer, *, slots: int, listeners: Sequence[Listener] = ()
) -> Conductor:
    """The study of `plan` as its log leaves it.

    Raises:
        UserError: an event of the log does not follow from those before it.
    """
    searches = {name: new_search(plan) for name in plan.variants if name in TRAINED}
    return Conductor(searches, log, propose=propose, slots=slots, listeners=listeners)
