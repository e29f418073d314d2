"""Where an evaluation on another corpus is kept: beside the study whose model it is of, and in its report."""

from __future__ import annotations

from pathlib import Path

from study.record.folder import StudyFolder
from study.record.transfer import Transfer, add_transfer


def add_to_report(model: Path, row: Transfer) -> Path | None:
    """Add a row to the report of the study that the model folder `model` lies in; gives the report.

    None where it lies in no study, as one that was exported elsewhere or is from a hub does.

    Raises:
        UserError: the study's folder is damaged.
    """
    folder = StudyFolder(model.absolute().parent.parent)
    if folder.models != model.absolute().parent or not folder.plan.is_file():
        return None
    # Here because pictures are slow to import, and most models are evaluated without a study.
    from study.app.result import spaces
    from study.report import write as report
    from study.stored_plan import stored_plan

    plan = stored_plan(folder)
    add_transfer(folder, plan, row)
    report.write(folder, spaces(plan))
    return folder.path / "report.html"
