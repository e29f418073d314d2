"""Variants whose configurations all failed are tried again: what the ledger has of them is set aside, not deleted."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from study.files import sync, write_file
from study.record.events import Closed, EpochDone, Event, Phase, RunLost, StudyBegun
from study.record.folder import StudyFolder
from study.record.ledger import Ledger, to_line


def failed_variants(events: Iterable[Event]) -> dict[str, str]:
    """The variants of which no configuration is open or complete and at least one failed, each with the last reason.

    Those of which all configurations diverged are not among them: they would diverge again.
    """
    closed: dict[tuple[str, int], Closed | None] = {}
    for event in events:
        known = closed.setdefault((event.variant, event.config), None)
        closed[event.variant, event.config] = event if isinstance(event, Closed) else known
    hopeful = {variant for (variant, _), end in closed.items() if end is None or end.outcome is Phase.COMPLETE}
    failed = [end for end in closed.values() if end is not None and end.outcome is Phase.FAILED]
    return {end.variant: end.reason for end in failed if end.variant not in hopeful}


def set_aside(folder: StudyFolder, variants: Collection[str]) -> Path:
    """Begin `variants` anew: the ledger is kept under another name, which is returned, and written without them.

    The files of their runs go first, so that a kill in between leaves a study that can be tried again as before.
    """
    ledger = Ledger(folder.ledger)
    kept = [each for each in ledger.records if isinstance(each, StudyBegun) or each.variant not in variants]
    runs = {each.run for each in ledger.events if isinstance(each, EpochDone | RunLost) and each.variant in variants}
    number = 1
    while (aside := folder.path / f"ledger-failed-{number}.jsonl").exists():
        number += 1
    shutil.copyfile(folder.ledger, aside)
    sync(aside)
    for run in runs:
        for path in (folder.checkpoint_of(run), *folder.predictions.glob(f"{run.name}*")):
            path.unlink(missing_ok=True)
    write_file(folder.ledger, b"".join(map(to_line, kept)))
    return aside
