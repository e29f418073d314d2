"""What a system is: its model, its search space, its inputs, and its part in the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from search_spaces import recipe
from search_spaces.losses import LOSS
from search_spaces.modality_dropout import MODALITY_DROPOUT
from search_spaces.recipe import FEATURES, Recipe
from study.features.inputs import input_of

if TYPE_CHECKING:  # workers read the table of systems without importing the search library
    from optuna.trial import BaseTrial

PUBLISHED_RECIPE = Recipe()
# What the report does with a system: a guess is not trained; every fusion is compared with the best baseline; an
# ablation takes one part away from the systems that it is `compared_with`.
Role = Literal["guess", "baseline", "fusion", "ablation"]


@dataclass(frozen=True)
class PublishedRow:
    """A system's row in the published result table of seven-class IEMOCAP: mean and deviation of each metric.

    Source: Attention-based Multimodal Speech Emotion Recognition (student project, 2022). Its own limitation is
    suboptimal tuning; its random baseline is an average over draws.
    """

    wa: float
    wa_std: float
    uwa: float
    uwa_std: float
    wf1: float
    wf1_std: float
    uwf1: float
    uwf1_std: float

    def figures(self) -> dict[str, tuple[float, float]]:
        """Mean and deviation by metric."""
        return {
            name.upper(): (getattr(self, name), getattr(self, f"{name}_std")) for name in ("wa", "uwa", "wf1", "uwf1")
        }


@dataclass(frozen=True)
class Variant:
    """One system: what it is called, what it learns with, what may vary, its inputs, and its part in the report.

    `inputs` are streams as in `study.features.inputs`. `model(config, dims, n_classes)` builds the module; None learns
    nothing. `suggest_config(trial)` draws a config of the same class as `config`, the setting to start from; its
    parameters bear the names of config fields. `published` is the system's row in the published result table, None for
    one that is not in it. `choices` are what the search chooses from: by modality the labels of features, under "loss"
    the losses, and under "modality_dropout" probabilities; configuration 0 has the first.
    """

    title: str
    role: Role = "fusion"
    compared_with: tuple[str, ...] = ()
    published: PublishedRow | None = None
    inputs: tuple[str, ...] = ()
    model: Callable[[Any, Mapping[str, int], int], nn.Module] | None = None
    config: Any = None
    suggest_config: Callable[[BaseTrial], Any] | None = None
    recipe: Recipe = PUBLISHED_RECIPE
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities whose feature packs it needs."""
        return tuple(dict.fromkeys(input_of(name).modality for name in self.inputs))

    @property
    def start_word(self) -> str:
        """What its configuration 0 is called beside the tuned one: a setting that was published, or just untuned."""
        return "untuned" if self.published is None else "published"

    def suggest(self, trial: BaseTrial) -> tuple[Any, Recipe]:
        """A config and a recipe drawn by `trial`: the only way from parameters to a configuration."""
        assert self.suggest_config is not None
        return self.suggest_config(trial), recipe.suggest(trial, self.choices)

    def starts(self) -> list[dict[str, Any]]:
        """The value of every field of config and recipe in the first configurations, by name.

        They are the setting to start from with each choice in turn, the first of each in configuration 0.
        """
        fields = {**asdict(self.config), **asdict(self.recipe)}
        of_recipe = (LOSS, MODALITY_DROPOUT)
        named = {name if name in of_recipe else name + FEATURES: labels for name, labels in self.choices.items()}
        return [
            {**fields, **{name: labels[turn if turn < len(labels) else 0] for name, labels in named.items()}}
            for turn in range(max(map(len, named.values()), default=1))
        ]

    def choosing(self, labels: Mapping[str, Sequence[str]]) -> Variant:
        """The variant in a study with these `labels` of features, by modality, and of a recipe's choices, by field.

        It chooses where there are several; a loss or a modality dropout that is the only one is a parameter too, since
        it is not the usual. A model of one input drops none.
        """
        several = {name: tuple(labels[name]) for name in self.modalities if len(labels.get(name, ())) > 1}
        of_recipe = (LOSS, MODALITY_DROPOUT) if len(self.inputs) > 1 else (LOSS,)
        given = {name: tuple(labels[name]) for name in of_recipe if labels.get(name)}
        return replace(self, choices={**several, **given})

    def rebuilt(self, fields: Mapping[str, Any]) -> Any:
        """The config with these fields."""
        return type(self.config)(**fields)

    def with_stream(self, name: str, stream: str) -> Variant:
        """The system called `name` with one more stream, which it is compared with; no publication has it."""
        return replace(
            self,
            title=f"{self.title}, with {stream}",
            compared_with=(name,),
            published=None,
            inputs=(*self.inputs, stream),
        )
