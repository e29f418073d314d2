"""Which pairs of systems are compared, and what may be said of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from study.results.nested import divisions, tested_blocks
from study.results.plan import Plan
from study.results.predictions import TestedFold, confusions_by_speaker
from study.results.selection import Selection
from study.results.significance import Comparison, System, compare, verdict, with_holm

BASELINES = ("audio", "text", "mdre")
# Each ablation against what it takes one thing away from, and the question of the whole project.
PAIRS = (
    ("self", "cross"),
    ("self-nosp", "self"),
    ("self-cls", "self"),
    ("cross-nosp", "cross"),
    ("cross-cls", "cross"),
)


def comparisons(
    plan: Plan, selected: Mapping[str, Selection], tested: Mapping[str, Sequence[TestedFold]]
) -> list[Comparison]:
    """Every fusion against the best baseline, self against cross, ablations against their parents; with Holm.

    The best baseline is the best by validation: choosing it by test would make it look better than it is.
    """
    present = [name for name in BASELINES if name in selected]
    pairs = []
    if present:
        best = max(present, key=lambda name: selected[name].figures["validation"][plan.metric].mean)
        pairs += [(name, best) for name in ("self", "cross") if name in selected]
    pairs += [pair for pair in PAIRS if all(name in selected for name in pair)]
    systems = {name: _system(plan, selected[name], tested[name]) for pair in pairs for name in pair}
    share = share_tested(plan)
    return with_holm(
        [compare(systems[a], systems[b], plan.metric, share, seed=plan.seed) for a, b in dict.fromkeys(pairs)]
    )


def share_tested(plan: Plan) -> float:
    """n_test / n_train, the mean over folds."""
    sizes = plan.corpus["groups"]
    return fmean(
        sum(sizes[g] for g in fold["test"]) / sum(sizes[g] for g in fold["training"]) for fold in divisions(plan)
    )


def conclusion(found: Sequence[Comparison], plan: Plan) -> list[str]:
    """What the comparisons allow to say, in plain sentences."""
    sentences = [f"{verdict(comparison)}." for comparison in found]
    mean_test = fmean(sum(plan.corpus["groups"][g] for g in block) for block in tested_blocks(plan))
    if found and mean_test < 1000:
        sentences.append(
            f"With {mean_test:.0f} test utterances per fold, a real difference of 5 points would usually not be "
            "shown by these tests; no difference shown is not the same as no difference."
        )
    return sentences


def as_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison for `report.json`; what is not defined is null."""
    record = {**asdict(comparison), "p": comparison.test.p, "verdict": verdict(comparison)}
    return {key: _finite(value) for key, value in record.items()}


def _system(plan: Plan, chosen: Selection, folds: Sequence[TestedFold]) -> System:
    scores = chosen.figures["test"][plan.metric].folds
    return System(chosen.config.variant, scores, confusions_by_speaker(folds, len(plan.classes)))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
