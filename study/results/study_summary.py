"""What a tracker says of a study as a whole: its figures, a note for its reader, and a view of its runs."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.results.aggregate import ConfigResult
from study.results.plan import Plan
from study.results.run_tree import PARTS, STATUS, named_figures
from study.results.text_page import table_rows
from study.training.metrics import METRICS

METRIC_NOTE = """
- **WA** accuracy, **UWA** balanced accuracy, **WF1** F1 weighted by support, **UWF1** macro F1.
- On fold runs `test/UWA` is the curve over epochs; `test_selected/UWA` is its value at the epoch with the best \
validation score.
- On configurations `test/UWA_mean` is the mean over folds in the search, each at its selected epoch; `test_spread/` \
has the standard deviation and the bounds of the 95 % t interval of the mean, and `test_fresh/` the means of the runs \
with fresh seeds, where there are any.
- On this run these are the selected configuration's as reported; `test_published/` has the published setting's means.
- A stopped configuration is KILLED, for the `reason` in its tags. It has no test mean: it was not trained to its end.

In the table of all runs, *Views > Configurations* shows the columns that matter.
"""


@dataclass(frozen=True)
class Ending:
    """How a study's run ends: its status and tags, its figures, and the configuration that was selected."""

    status: str
    tags: Mapping[str, str]
    figures: Mapping[str, float]
    selected: int | None
    is_final: bool


def study_ending(variant: str, report: Mapping[str, Any] | None) -> Ending:
    """How the run of `variant` ends, by the study's `report`; None stands for an interrupted study."""
    if report is None:
        return Ending("KILLED", {"outcome": "interrupted"}, {}, None, is_final=False)
    result = report["variants"][variant]
    if result["selected"] is None:
        return Ending("FAILED", {"outcome": "failed"}, study_figures(result), None, is_final=True)
    # The parameters are tags here: a tracker's parameters never change, and a study that goes on may select anew.
    chosen = {f"selected.{name}": str(value) for name, value in result["config"].items()}
    return Ending(
        "FINISHED", {"outcome": "complete", **chosen}, study_figures(result), result["selected"], is_final=True
    )


def study_figures(variant: Mapping[str, Any]) -> dict[str, float]:
    """One variant of a report as tracked metrics: the selected setting's, the published one's means, the budget."""
    figures: dict[str, float] = {}
    if variant["selected"] is not None:
        figures |= named_figures({(part, name): variant[part][name] for part in PARTS for name in METRICS})
    if variant["published"] is not None:
        means = {part: variant["published"][part] for part in PARTS}
        figures |= {f"{part}_published/{name}_mean": means[part][name]["mean"] for part in PARTS for name in METRICS}
    return figures | {
        "configs": float(variant["n_configs"]),
        **{f"configs_{outcome}": float(variant["outcomes"].get(outcome, 0)) for outcome in STATUS},
        "epochs": float(variant["epochs_run"]),
        "seconds": float(variant["seconds"]),
    }


def note(variant: str, configs: Sequence[ConfigResult], plan: Plan, report: Mapping[str, Any] | None) -> str:
    """What a reader of the study's run should know first, in markdown; `report` is None if there is none yet."""
    outcomes = Counter(config.outcome for config in configs)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    lines = [
        f"**{variant}** on {plan.corpus['name']}, {len(plan.folds)} folds: {len(configs)} configurations ({counts})."
    ]
    if report is None:
        lines.append("Interrupted: the same command goes on with it.")
    else:
        lines += [
            "",
            "| variant | setting | part | " + " | ".join(METRICS) + " |",
            "|---|---|---|" + "---|" * len(METRICS),
        ]
        # The page leaves no room between columns.
        lines += ["| " + " &nbsp; | ".join(row) + " |" for row in table_rows(report)]
        lines += ["", f"Mean ± standard deviation (n - 1). Protocol: {report['protocol_note']}."]
    return "\n".join(lines) + "\n" + METRIC_NOTE


def saved_view(metric: str) -> dict[str, str]:
    """An experiment's tag that offers the columns that matter, as the page's own "Save as new view" would.

    The page's default is a table without a single metric.
    """
    columns = [
        "attributes.`Duration`",
        *(f"metrics.`{part}/{metric}_mean`" for part in ("validation", "test")),
        f"metrics.`test_selected/{metric}`",
        "metrics.`epochs`",
        "tags.`selected`",
        "tags.`outcome`",
        "tags.`reason`",
    ]
    view = {"name": "Configurations", "createdAt": 0, "state": json.dumps({"selectedColumns": columns})}
    return {"mlflow.sharedViewState.configurations": json.dumps(view)}
