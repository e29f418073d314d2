"""A model folder in Python: `SerModel.from_pretrained("folder")("a.wav", text="...")`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import ModelHubMixin

from study.errors import UserError
from study.inference import model_folder
from study.inference.door import PYTHON, Door, words_of_door
from study.inference.place import local_folder
from study.inference.predictor import Prediction, Predictor
from study.inference.recognition import Recogniser
from study.inference.recording import given
from study.inference.remarks import PredictionWarning
from study.inference.threads import one_core_each

Scored = list[dict[str, Any]]


class SerModel(
    ModelHubMixin,
    library_name="ser-study",
    pipeline_tag="audio-classification",
    tags=["speech-emotion-recognition"],
):
    """A speech emotion model that a study has found, with its encoders.

    >>> model = SerModel.from_pretrained("models/demo-cross")  # doctest: +SKIP
    >>> model("a.wav", text="Not again.", top_k=2)  # doctest: +SKIP
    [{'label': 'angry', 'score': 0.81}, {'label': 'sad', 'score': 0.07}]
    """

    def __init__(self, predictor: Predictor) -> None:
        """Predict with `predictor`; `from_pretrained` makes it."""
        # No argument of this: the library would take it for a part of the model's configuration.
        self._predictor, self._door = predictor, PYTHON

    def behind(self, door: Door) -> SerModel:
        """The model with errors in the words of another door."""
        found = SerModel(self._predictor)
        found._door = door
        return found

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the models' outputs."""
        return self._predictor.config.classes

    @property
    def reads_audio(self) -> bool:
        """Whether it reads recordings."""
        return self._predictor.config.reads_audio

    @property
    def reads_video(self) -> bool:
        """Whether it reads films."""
        return self._predictor.config.reads_video

    @property
    def reads_words(self) -> bool:
        """Whether it reads words."""
        return self._predictor.config.reads_words

    def may_lack(self, modality: str) -> bool:
        """Whether it has learned to predict without a modality that it reads."""
        return self._predictor.config.may_lack(modality)

    @property
    def recognises(self) -> bool:
        """Whether it recognises the words of recordings that have none."""
        return self._predictor.recogniser is not None

    def __call__(
        self,
        inputs: Any = None,
        *,
        text: Any = None,
        sampling_rate: int | None = None,
        top_k: int | None = None,
        window: float | None = None,
    ) -> Any:
        """The classes with their probabilities, the most probable first: a list of {"label", "score"}.

        `inputs` is the path of a recording, an array of samples with its `sampling_rate`, a dictionary of "raw" or
        "array" and "sampling_rate", or nothing for a model that reads words alone. `text` are the words, which a model
        that reads words needs. Of a list of inputs (and of texts), it is a list of such lists. A recording of more than
        40 s is read in windows of at most `window` seconds (10), and scores are their mean. Of silence, of a recording
        that is very short or beyond full scale, and without words where they are read, it warns (`PredictionWarning`).

        Raises:
            study.errors.UserError: an input is none of these, cannot be read, or lacks its words.
        """
        if not isinstance(inputs, list | tuple) or _is_samples(inputs):
            found = self.predict(inputs, text=text, sampling_rate=sampling_rate, window=window)
            _warn(found.notes)
            return self._scored(found, top_k)
        texts = text if isinstance(text, list | tuple) else [text] * len(inputs)
        if len(texts) != len(inputs):
            raise UserError(f"a text for each recording is needed; found {len(inputs)} recordings, {len(texts)} texts")
        predictions = [
            self.predict(one, text=words, sampling_rate=sampling_rate, window=window)
            for one, words in zip(inputs, texts, strict=True)
        ]
        _warn([f"input {number}: {note}" for number, found in enumerate(predictions) for note in found.notes])
        return [self._scored(found, top_k) for found in predictions]

    def windows(
        self, inputs: Any, *, text: str | None = None, sampling_rate: int | None = None, window: float | None = None
    ) -> list[dict[str, Any]]:
        """The course of a recording: for each window {"start", "end", "scores"}, in seconds and as of a call.

        Raises:
            study.errors.UserError: see `__call__`.
        """
        found = self.predict(inputs, text=text, sampling_rate=sampling_rate, window=window)
        _warn(found.notes)
        return [
            {"start": each.start, "end": each.end, "scores": self._scored(Prediction((each,)), None)}
            for each in found.windows
        ]

    def predict(
        self, inputs: Any, *, text: str | None = None, sampling_rate: int | None = None, window: float | None = None
    ) -> Prediction:
        """The probabilities of one recording and of its windows; its `notes` are what a call warns of.

        Raises:
            study.errors.UserError: see `__call__`.
        """
        with words_of_door(self._door):
            self._require_inputs(inputs, text)
            with given(inputs, text, sampling_rate) as utterance, one_core_each(1) as threads:
                return threads.submit(self._predictor.predict, utterance, window).result()

    def _require_inputs(self, inputs: Any, text: str | None) -> None:
        """Make sure that a recording has what this model reads.

        Raises:
            UserError: it lacks words or sound.
        """
        config = self._predictor.config
        may_lack_words = config.may_lack("text") or self._predictor.recogniser is not None
        if config.reads_words and text is None and not may_lack_words:
            raise UserError(
                f"variant {config.variant} reads words, and none are given; give them with --text, or have them "
                "recognised with --asr ID; a model trained with modality dropout needs none"
            )
        if inputs is None and config.needs_files(bool(text)):
            raise UserError(f"variant {config.variant} reads {config.reads}, and no recording is given; name one")

    def _scored(self, found: Prediction, top_k: int | None) -> Scored:
        return scored(self.labels, found.probabilities, top_k)

    def _save_pretrained(self, save_directory: Path) -> None:
        # A folder for others, or for another machine: where encoders are on this one is no part of it.
        self._predictor.model.without_places().write(Path(save_directory))

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        encoders: Mapping[str, str] | None = None,
        asr: str | None = None,
        trust_remote_code: bool = False,
        **download: Any,
    ) -> SerModel:
        """The model in a folder that `ser-study export` or `save_pretrained` wrote, or of that id on the hub.

        `encoders` may say where encoders are now, as {"audio": "folder"}. `asr` is a speech recogniser, a hub id or a
        folder, for recordings without words. `trust_remote_code` lets them run code of their own. The other arguments
        are those of `ModelHubMixin`: `token`, `revision`, `cache_dir` and so on.

        Raises:
            study.errors.UserError: there is no such folder or model, or a file of it is missing, changed or hostile.
        """
        # The library's own way reads config.json before anything has checked it.
        return cls._from_pretrained(
            model_id=str(pretrained_model_name_or_path),
            encoders=encoders,
            asr=asr,
            trust_remote_code=trust_remote_code,
            **download,
        )

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        encoders: Mapping[str, str] | None = None,
        asr: str | None = None,
        trust_remote_code: bool = False,
        **download: Any,
    ) -> SerModel:
        with words_of_door(PYTHON):
            model = model_folder.read(local_folder(model_id, **download))
            recogniser = Recogniser(asr, trust_remote_code) if asr is not None else None
            return cls(Predictor(model, encoders or {}, trust_remote_code, recogniser))


def scored(labels: Sequence[str], probabilities: Sequence[float], top_k: int | None = None) -> Scored:
    """The labels with their probabilities, the most probable first, as the `audio-classification` pipeline gives them.

    Raises:
        UserError: `top_k` is not a whole number of at least 1.
    """
    if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
        raise UserError(f"top_k is a whole number, at least 1; found {top_k!r}")
    pairs = sorted(zip(labels, probabilities, strict=True), key=lambda pair: -pair[1])
    return [{"label": label, "score": share} for label, share in pairs[:top_k]]


def _warn(notes: Sequence[str]) -> None:
    """Warn the caller of a method of what makes predictions worth little."""
    for note in notes:
        warnings.warn(note, PredictionWarning, stacklevel=3)


def _is_samples(found: Sequence[Any]) -> bool:
    """Whether a list is of numbers: samples, not recordings."""
    return len(found) > 0 and isinstance(found[0], int | float)
