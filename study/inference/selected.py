"""What a finished study has selected, as an export needs it: the configuration, its runs, and what they predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_spaces.recipe import Recipe
from study.errors import UserError
from study.features.inputs import input_of
from study.features.pack import Pack
from study.features.spec import FeatureChoice
from study.protocols import PROTOCOLS
from study.record.folder import StudyFolder
from study.record.outcome import Outcome, Use
from study.record.plan import Plan
from study.record.search_name import variant_of
from study.report.calibration import calibration
from study.report.evidence import gather
from study.report.missing import lack_views
from study.report.predictions import StoredPredictions, TestedFold
from study.report.variant_view import CalibrationView, LackView
from study.samplers.proposer import configuration
from study.variant import Variant
from study.variants import VARIANTS


@dataclass(frozen=True)
class Selected:
    """The selected configuration of one search of a finished study.

    `uses` are the runs whose models stand for it, each with its epoch, and `tested` what these predicted;
    `reported` is what the report's figures are from, `calibration` theirs, and `lacking` those without a modality.
    Of the searches of the study, `best` is the best by validation, and `others` are those that were not asked for.
    """

    folder: StudyFolder
    plan: Plan
    search: str
    outcome: Outcome
    uses: tuple[Use, ...]
    tested: tuple[TestedFold, ...]
    reported: tuple[TestedFold, ...]
    validated: tuple[TestedFold, ...]
    calibration: CalibrationView
    lacking: tuple[LackView, ...]
    best: str
    others: tuple[str, ...]

    @property
    def row(self) -> Variant:
        """The variant's row."""
        return VARIANTS[variant_of(self.search)]

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the configuration, as the ledger has them."""
        return self.outcome.config.params

    def configuration(self) -> tuple[Any, Recipe]:
        """The model's config and the recipe."""
        return configuration(self.row, self.params)

    def features(self) -> dict[str, FeatureChoice]:
        """By modality, the features that the configuration reads."""
        chosen = self.configuration()[1].features
        return {
            name: next(each for each in self.plan.features[name] if each.label == chosen.get(name, each.label))
            for name in self.row.modalities
        }

    def packs(self) -> dict[str, Pack]:
        """By modality, the pack of its features.

        Raises:
            UserError: a pack is missing or damaged.
        """
        return {name: Pack.open(Path(choice.path)) for name, choice in self.features().items()}

    def streams(self) -> dict[str, Pack]:
        """By stream, the frames that the models read.

        Raises:
            UserError: a pack is missing or damaged.
        """
        packs = self.packs()
        return {name: input_of(name).view(packs[input_of(name).modality]) for name in self.row.inputs}


def select(folder: StudyFolder, search: str | None = None) -> Selected:
    """What the study in `folder` has selected for `search`; without one, for the best of its variants by validation.

    Raises:
        UserError: there is no study, it is not sound or not finished, or the search has selected nothing.
    """
    evidence = gather(folder)
    plan = evidence.plan
    if evidence.left:
        raise UserError(
            f"a model is exported from a finished study, and {plan.name} has something left ({evidence.left}); go on "
            f"with `ser-study run --config {folder.options}`"
        )
    outcomes = evidence.outcomes
    if not outcomes:
        raise UserError(f"a model is a variant's selected configuration, and {plan.name} has completed none")
    best = max(outcomes, key=lambda name: outcomes[name].figures["validation"][plan.metric].mean)
    search = search or best
    if search not in outcomes:
        raise UserError(
            f"--variant expects one that {plan.name} has selected for: {', '.join(outcomes)}; found {search}"
        )
    outcome = outcomes[search]
    uses = PROTOCOLS[plan.terms.protocol].members(plan, outcome)
    tested = StoredPredictions(folder, plan).tested(uses)
    others = tuple(name for name in outcomes if name != search)
    reported, validated = tuple(evidence.tested[search]), tuple(evidence.validated[search])
    calibrated = calibration(validated, reported)
    without = evidence.without.get(search, {})
    lacking = lack_views(without, outcome.config.params, len(plan.classes), plan.missing())
    return Selected(
        folder, plan, search, outcome, uses, tuple(tested), reported, validated, calibrated, lacking, best, others
    )


def distinct_epochs(uses: Sequence[Use]) -> str:
    """The epochs of runs in words: "epoch 9", "epochs 4 to 11"."""
    epochs = sorted({use.epoch for use in uses})
    return f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
