"""The line that begins a ledger: which plan and search spaces the study is of, and on which terms it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from study.errors import UserError
from study.record.events import Record, StudyBegun
from study.record.ledger import Ledger
from study.record.plan import GROWING, Plan

# By variant and parameter, the distribution in words.
Spaces = Mapping[str, Mapping[str, str]]
RESTORE = "restore it from a copy, or start over with --fresh"


def take_up(ledger: Ledger, plan: Plan, spaces: Spaces) -> None:
    """Write that the study of `plan` begins; in a ledger that says so already, only if the terms have grown since.

    Raises:
        UserError: the ledger is of another plan, or of other search spaces.
    """
    require_identity(plan, ledger.records, ledger.path)
    require_spaces(plan.name, ledger.records, spaces)
    before = _last(ledger.records)
    begun = StudyBegun(plan.digest(), {**(before.spaces if before else {}), **spaces}, plan.growing())
    if begun != before:
        ledger.append(begun)


def require_identity(plan: Plan, records: Sequence[Record], path: Path) -> None:
    """Make sure that the ledger at `path` is of this plan.

    Raises:
        UserError: its first line does not say of which plan it is, or one of its lines says that it is of another.
    """
    if records and not isinstance(records[0], StudyBegun):
        raise UserError(f"a ledger begins with the digest of its study's plan, and {path} line 1 has none; {RESTORE}")
    for number, record in enumerate(records, start=1):
        if not isinstance(record, StudyBegun):
            continue
        if record.plan != plan.digest():
            raise UserError(
                f"a study goes on with the plan that it was begun with, and plan.json is not the one of {path} line "
                f"{number} (digest {plan.digest()[:12]}, there {record.plan[:12]}): its corpus, folds, utterances or "
                f"terms were changed; {RESTORE}"
            )
        if other := _other_features(plan.growing(), record.terms):
            raise UserError(
                f"a study goes on with the features that it was begun with, and plan.json has {other} than {path} line "
                f"{number}; {RESTORE}"
            )
        if smaller := _smaller(plan.growing(), record.terms):
            raise UserError(
                f"the terms of a study only grow, and plan.json has {smaller} than {path} line {number}; {RESTORE}"
            )


def require_spaces(name: str, records: Sequence[Record], now: Spaces) -> None:
    """Make sure that the study `name` goes on in the search spaces that it was begun in.

    Raises:
        UserError: a variant's space has changed; the line says what, from what and to what.
    """
    before = _last(records)
    for variant, space in now.items():
        known = before.spaces.get(variant, space) if before else space
        if known == space:
            continue
        was, is_now = (_differing(one, other) for one, other in ((known, space), (space, known)))
        raise UserError(
            f"cannot continue {name} with other settings: search space of {variant} was {was}, now {is_now}; "
            "give this study another --name, or start over with --fresh"
        )


def _last(records: Sequence[Record]) -> StudyBegun | None:
    return next((record for record in reversed(records) if isinstance(record, StudyBegun)), None)


def _differing(one: Any, other: Any) -> str:
    """What the space `one` has otherwise than `other`, in words."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return str(one)
    return ", ".join(f"{name} {one[name]}" for name in one if one[name] != other.get(name)) or "without more"


def _other_features(now: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """The first modality of which the plan has other packs than the ledger, in words; empty if there is none."""
    known = before.get("features")
    for modality, packs in (known if isinstance(known, Mapping) else {}).items():
        if now["features"].get(modality) != packs:
            return f"other packs of {modality} ({_listed(now['features'].get(modality))}, there {_listed(packs)})"
        if _missing(now).get(modality) != _missing(before).get(modality):
            return f"other utterances that lack {modality}"
    return ""


def _missing(terms: Mapping[str, Any]) -> Mapping[str, Any]:
    found = terms.get("missing")
    return found if isinstance(found, Mapping) else {}


def _listed(packs: Any) -> str:
    return ", ".join(_names(packs)) or "none"


def _smaller(now: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """The first term of which the plan has less than the ledger, in words; empty if there is none."""
    if missing := [name for name in _names(before.get("variants")) if name not in now["variants"]]:
        return f"fewer variants (not {missing[0]})"
    for name in GROWING:
        known = before.get(name)
        if type(known) in (int, float) and (now[name] is None or now[name] < known):
            return f"a smaller {name} ({now[name]}, there {known})"
    return ""


def _names(found: Any) -> list[str]:
    return [str(name) for name in found] if isinstance(found, list) else []
