"""A model folder as MLflow loads it: `mlflow.pyfunc.load_model(...)` and `mlflow models serve` call this file.

MLflow finds it by its name in the logged model; nothing of the model is a pickle.
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.corpus.container import suffix_of
from study.errors import UserError
from study.inference.door import SERVED, named
from study.inference.ser_model import SerModel, scored

if TYPE_CHECKING:
    from pandas import DataFrame

DATA, BASE64 = "data:", ";base64"
AUDIO, TEXT = "audio", "text"
# Where `study.tracking.model_registry` puts options of the encoders.
ENCODERS, TRUST = "encoders", "trust_remote_code"


class ServedModel:
    """What MLflow calls: rows of `audio` and `text` in, rows of label, score and the classes' probabilities out."""

    def __init__(self, model: SerModel) -> None:
        """Predict with `model`."""
        self._model = model.behind(SERVED)

    def predict(self, model_input: DataFrame, params: dict[str, Any] | None = None) -> DataFrame:
        """For each row the most probable class `label`, its probability `score`, and `p_CLASS` of every class.

        `audio` is a path where the model runs, or "data:audio/wav;base64,..." with the recording itself, which may be a
        film; `text` are the words. `note` says what makes a prediction worth little, as silence; it is empty for most.

        Raises:
            study.errors.UserError: a recording cannot be read, or lacks its words; the line names the row.
        """
        import pandas

        rows = []
        for number, row in enumerate(model_input.to_dict("records")):
            audio, text = (_value(row.get(name)) for name in (AUDIO, TEXT))
            try:
                with _recording(audio) as place:
                    found = self._model.predict(place, text=text)
            except UserError as error:
                raise UserError(f"row {number}: {error}") from None
            best, *_ = scored(self._model.labels, found.probabilities)
            shares = zip(self._model.labels, found.probabilities, strict=True)
            rows.append({**best, **{f"p_{label}": share for label, share in shares}, "note": "; ".join(found.notes)})
        return pandas.DataFrame(rows)


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> ServedModel:
    """What MLflow calls to load the model folder at `path`."""
    options = model_config or {}
    return ServedModel(
        SerModel.from_pretrained(path, encoders=options.get(ENCODERS), trust_remote_code=bool(options.get(TRUST)))
    )


def _value(cell: Any) -> str | None:
    """A cell's text; None for an empty one, which pandas may have as NaN."""
    return cell if isinstance(cell, str) else None


@contextmanager
def _recording(audio: str | None) -> Iterator[str | None]:
    """The path of a recording; of one that is given by its content, a file while the block runs."""
    if audio is None or not audio.startswith(DATA):
        yield audio
        return
    kind, found, content = audio.partition(f"{BASE64},")
    if not found:
        raise UserError(f"a recording in a row is a path or data:audio/wav;base64,...; found {audio[:40]!r}")
    try:
        data = base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise UserError(f"a recording in a row is base64 after {kind}{BASE64}; it is not ({error})") from None
    with tempfile.TemporaryDirectory(prefix="ser-study-") as folder:
        # Containers are opened by their names; of sound files, libsndfile looks at the content.
        path = Path(folder) / f"recording{suffix_of(data)}"
        path.write_bytes(data)
        with named(path, "the recording"):
            yield str(path)
