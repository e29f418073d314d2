"""What to type to predict: the last line of a study, and of an export."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import Path


def predict_command(model: Path | str, modalities: Collection[str], output: Path) -> str:
    """The command that predicts with a model of these modalities: a folder, or a study of this name in `output`."""
    is_found = isinstance(model, Path) or output.absolute() == Path("mlruns").absolute()
    place = "" if is_found else f" --output {shlex.quote(str(output))}"
    file = " some.mp4" if "video" in modalities else " some.wav" if "audio" in modalities else ""
    words = ' --text "..."' if "text" in modalities else ""
    return f"ser-study predict {shlex.quote(str(model))}{file}{words}{place}"
