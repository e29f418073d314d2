"""The linear probe: logistic regression on each utterance's mean and deviation over time, beside the tuned systems.

It answers what fusion and tuning add to frozen features. It costs no configuration of a search: its only choice, how
strongly it is regularised, is made in every fold by that fold's validation score, and test scores are read after it.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from jaxtyping import Float, Int

from study.errors import UserError
from study.features.pack import Pack
from study.modalities import MODALITIES
from study.protocols import PROTOCOLS
from study.record.divisions import Division, blocks_of
from study.record.plan import Plan
from study.record.results import PARTS, Figures, Spread, spread
from study.report.test_sets import set_names
from study.training.gathering import MISSING, rows_of
from study.training.metrics import METRICS, score

# Inverse strengths of the L2 penalty, of standardised inputs; the strongest penalty wins a tie.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
MAX_ITERATIONS = 200
CONSTANT = 1e-6

Inputs = Float[np.ndarray, "utterances dim"]
Labels = Int[np.ndarray, " utterances"]


@dataclass(frozen=True)
class Probe:
    """What the probe reaches, by part and metric, on features of these labels; or in `left_out` why it has no figures.

    `strengths` has the one that was chosen for every fold, and `test_sets` the scores on each test set of one division.
    Some utterances lack the modalities that are `missing`.
    """

    features: Mapping[str, str]
    figures: Figures | None = None
    strengths: tuple[float, ...] = ()
    left_out: str = ""
    test_sets: Mapping[str, Mapping[str, Spread]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What the row of a report is, or why there is none."""
        if not self.features:
            return ""
        if self.left_out:
            return f"Without the row “probe”: {self.left_out}"
        own = ", in every fold its own" if len(self.strengths) > 1 else ""
        inputs = ", ".join(f"{modality} by {label}" for modality, label in self.features.items())
        return (
            f"Probe: logistic regression on the mean and deviation over time of every utterance's frames ({inputs}); "
            f"of {len(STRENGTHS)} strengths of its penalty, the best by validation{own}.{self._of_missing}"
        )

    @property
    def _of_missing(self) -> str:
        if not self.missing:
            return ""
        nouns = " or ".join(MODALITIES[name].noun for name in self.missing)
        return f" Of utterances without {nouns} it reads the mean of training, and that it is missing."


def probe(plan: Plan) -> Probe:
    """The probe of a study, on the features that configuration 0 has of every modality.

    The same packs give the same figures.
    """
    labels = {modality: own[0].label for modality, own in plan.features.items() if own}
    if not labels:
        return Probe(labels)
    missing = {modality: ids for modality, ids in plan.missing().items() if modality in labels}
    try:
        pooled = [_pooled(plan, Path(plan.pack(modality)), missing.get(modality, ())) for modality in labels]
    except UserError as error:
        return Probe(labels, left_out=f"{error}.")
    inputs = np.concatenate(pooled, axis=1)
    divisions = PROTOCOLS[plan.terms.protocol].divisions(plan)
    found = [_of_division(plan, division, inputs) for division in divisions]
    blocks = [tuple(division["test"]) for division in divisions]
    figures = {
        part: {
            metric: spread(
                [
                    fmean(
                        scores[part][metric] for tested, (scores, _) in zip(blocks, found, strict=True) if tested == own
                    )
                    for own in blocks_of(divisions)
                ]
            )
            for metric in METRICS
        }
        for part in PARTS
    }
    sets = {name: {metric: spread([found[0][0][name][metric]]) for metric in METRICS} for name in set_names(plan)}
    strengths = tuple(strength for _, strength in found)
    return Probe(labels, figures, strengths, test_sets=sets, missing=tuple(missing))


def _pooled(plan: Plan, path: Path, missing: Collection[str]) -> Inputs:
    """Mean and deviation over time of every utterance's frames, in the plan's order; the deviation of one frame is 0.

    Those of utterances that are `missing` are not numbers, and one more column marks them, if there are any.

    Raises:
        UserError: the pack is gone or damaged, or lacks an utterance.
    """
    if not path.is_file():
        raise UserError(
            f"it reads features, and {path} is gone; `ser-study features` with the study's options makes them again"
        )
    pack = Pack.open(path)
    pack.verify()
    found = np.full((len(plan.utterances), 2 * pack.dim), np.nan, dtype=np.float32)
    rows = rows_of(pack, [each["id"] for each in plan.utterances], missing)
    for place, row in enumerate(rows.tolist()):
        if row != MISSING:
            deviation, mean = torch.std_mean(pack.of(row).float(), dim=0, correction=0)
            found[place] = torch.cat([mean, deviation]).numpy()
    return np.column_stack([found, np.asarray(rows == MISSING, dtype=np.float32)]) if missing else found


def _of_division(plan: Plan, division: Division, inputs: Inputs) -> tuple[dict[str, dict[str, float]], float]:
    """The scores by part, and by test set, of the best model by validation, and its strength."""
    at = {name: _places(plan, [name]) for name in set_names(plan)}
    at |= {part: _places(plan, division[part]) for part in ("training", *PARTS)}
    labels = np.array([plan.classes.index(each["label"]) for each in plan.utterances])
    mean, deviation = np.nanmean(inputs[at["training"]], 0), np.nanstd(inputs[at["training"]], 0)
    # What is missing is the mean of training.
    scaled = np.nan_to_num((inputs - mean) / np.where(deviation < CONSTANT, 1.0, deviation))

    def scores(predictions: Labels, part: str) -> dict[str, float]:
        return score(labels[at[part]], predictions[at[part]], len(plan.classes))

    tried = list(_models(scaled, labels, at["training"]))
    best = max(tried, key=lambda each: (scores(each[1], "validation")[plan.metric], -each[0]))
    return {part: scores(best[1], part) for part in at if part != "training"}, best[0]


def _models(scaled: Inputs, labels: Labels, training: Sequence[int]) -> Iterator[tuple[float, Labels]]:
    """Each strength, with the classes that its model predicts for all utterances."""
    # Here because it takes a second to import, which a report without features need not wait for.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    seen = np.unique(labels[training])
    if len(seen) == 1:
        yield STRENGTHS[0], np.full(len(labels), seen[0])
        return
    # The next fit begins where the last one ended: the weaker the penalty, the longer its way from zero.
    model = LogisticRegression(warm_start=True, max_iter=MAX_ITERATIONS, tol=1e-3)
    for strength in STRENGTHS:
        model.set_params(C=strength)
        # Threads wait for each other longer than they compute, and their number would change the order of sums.
        with threadpool_limits(1), warnings.catch_warnings():
            # Stopped early is a stronger penalty in effect, and validation chooses among these models as they are.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scaled[training], labels[training])
        yield strength, model.predict(scaled)


def _places(plan: Plan, groups: Sequence[str]) -> list[int]:
    return [place for place, each in enumerate(plan.utterances) if each["group"] in groups]
