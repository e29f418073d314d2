"""What a tracker shows of a study as a whole: its figures, a note for its reader, and a view of its runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.plurals import counted
from study.protocols import PROTOCOLS
from study.record.plan import Plan
from study.record.results import ConfigResult
from study.record.search_name import variant_of
from study.report.tables import table_rows
from study.report.variant_view import VariantView
from study.report.view import ReportView
from study.tracking.limits import TAG_LENGTH, short_name
from study.tracking.run_tree import STATUS, named_figures
from study.training.metrics import LEGEND, METRICS
from study.variants import VARIANTS

METRIC_NOTE = f"""
- {LEGEND}.
- On fold runs `test/UWA` is the curve over epochs; `test_selected/UWA` is its value at the epoch with the best \
validation score.
- On configurations `test/UWA_mean` is the mean over folds in the search, each at its selected epoch (one division: \
its only run there); `test_spread/` has the standard deviation and the bounds of the 95 % t interval of the mean, and \
`test_confirmed/` the means of the confirmation runs, where there are any.
- On this run these are the selected configuration's as reported; `test_{{start}}/` has the {{start}} setting's means.
- `search/` on this run shows the search while it runs, a step for each decision: to begin a configuration, to let it \
go on, to end it.
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


def study_ending(variant: str, view: ReportView | None) -> Ending:
    """How the run of `variant` ends, by the study's report; None stands for an interrupted study."""
    if view is None:
        return Ending("KILLED", {"outcome": "interrupted"}, {}, None, is_final=False)
    found = view.variants[variant]
    figures = study_figures(found)
    if found.selected is None or found.tuned is None:
        return Ending("FAILED", {"outcome": "failed"}, figures, None, is_final=True)
    # The parameters are tags here: a tracker's parameters never change, and a study that goes on may select anew.
    chosen = {f"selected.{name}": str(value) for name, value in (found.tuned.params or {}).items()}
    return Ending("FINISHED", {"outcome": "complete", **chosen}, figures, found.selected, is_final=True)


def study_figures(variant: VariantView) -> dict[str, float]:
    """One variant of a report as tracked metrics: the selected setting's, the published one's means, the cost."""
    figures = named_figures(variant.tuned.figures) if variant.tuned else {}
    sets = variant.tuned.test_sets if variant.tuned else {}
    if len(sets) > 1:
        figures |= named_figures({f"on_{name}": found.scores for name, found in sets.items()})
    if variant.published is not None:
        for part, by_metric in variant.published.figures.items():
            figures |= {f"{part}_{variant.start_word}/{name}_mean": figure.mean for name, figure in by_metric.items()}
    return figures | {
        "configs": float(variant.cost.n_configs),
        **{f"configs_{outcome}": float(variant.cost.outcomes.get(outcome, 0)) for outcome in STATUS},
        "epochs": float(variant.cost.epochs),
        "seconds": float(variant.cost.seconds),
    }


def note(variant: str, configs: Sequence[ConfigResult], plan: Plan, view: ReportView | None) -> str:
    """What a reader of the study's run should know first, in markdown; `view` is None if there is no report yet.

    The table has the study's other variants too, as long as the note is no longer than a tag may be.
    """
    counts = ", ".join(f"{count} {outcome}" for outcome, count in Counter(each.outcome for each in configs).items())
    one = PROTOCOLS[plan.terms.protocol].one_division
    division = "one division" if one else counted(len(plan.folds), "fold")
    size = f"{division}: {counted(len(configs), 'configuration')} ({counts})."
    first = f"**{variant}** on {plan.corpus['name']}, {size}"
    legend = METRIC_NOTE.format(start=VARIANTS[variant_of(variant)].start_word)
    if view is None:
        return f"{first}\nInterrupted: the same command goes on with it.\n{legend}"
    rows = [list(row) for row in table_rows(view)]
    protocol = f"Mean ± standard deviation (n - 1). Protocol: {view.protocol_note}."
    whole, own = (
        "\n".join([first, "", *_table(kept), "", protocol, legend])
        for kept in (rows, [row for row in rows if row[0] == variant])
    )
    return whole if len(whole) <= TAG_LENGTH else own


def experiment_title(plan: Plan) -> str:
    """The name of the experiment that holds every study of this corpus and these labels: what may be compared."""
    return short_name(f"{plan.corpus['name']}, {counted(len(plan.classes), 'class')}: {', '.join(plan.classes)}")


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


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    headings = "| variant | reads | setting | part | " + " | ".join(METRICS) + " |"
    # The page leaves no room between columns.
    return [headings, "|---|---|---|---|" + "---|" * len(METRICS), *(f"| {' &nbsp; | '.join(row)} |" for row in rows)]
