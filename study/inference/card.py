"""The card of a model folder: README.md, from its config and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huggingface_hub import ModelCardData

from study.inference.model_config import ModelConfig

PIPELINE_TAG, LIBRARY = "audio-classification", "ser-study"
WEIGHTS_NOTES = {
    "folds": "The folder holds {n} models, one for each fold and seed of the study. A prediction is the mean of their "
    "probabilities. Figures in metrics.json are those of single models on sessions that they never saw; the mean of "
    "all was scored on nothing held out, since every session trained some of them.",
    "refit": "The folder holds one model, trained on all data for as long as the fold runs of the study (their median "
    "epoch). Nothing was held out of it, so it has no score of its own: figures in metrics.json are those of the fold "
    "runs.",
}


def card(config: ModelConfig, metrics: Mapping[str, Any], license: str | None) -> str:
    """The text of README.md; `license` is the model's, as the user gives it."""
    tags = ["speech-emotion-recognition"]
    data = ModelCardData(library_name=LIBRARY, pipeline_tag=PIPELINE_TAG, license=license, tags=tags)
    note = warning(config)
    words = ', text="..."' if config.reads_words else ""
    inputs = '"a.wav"' if config.reads_audio else "None"
    return "\n".join(
        [
            f"---\n{data.to_yaml()}\n---",
            f"\n# {config.study['name']}: {config.variant}\n",
            f"Emotions in speech: {', '.join(config.classes)}. Licence: {license or 'not stated'}.\n",
            f"{note}\n",
            "```python",
            "from study import SerModel\n",
            f'model = SerModel.from_pretrained("this folder")\nmodel({inputs}{words})',
            "```",
            "",
        ]
    )


def warning(config: ModelConfig) -> str:
    """What the figures of a model do and do not mean."""
    return WEIGHTS_NOTES[config.weights].format(n=len(config.members))
