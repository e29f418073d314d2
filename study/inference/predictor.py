"""From an utterance to class probabilities, by the models and encoders of a folder.

An utterance is computed on one core and by itself, so that its probabilities do not depend on what is computed beside
it: a file alone and in a batch gives equal ones. Several are computed at once, each by a thread.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor

from study.corpus.lengths import MAX_SECONDS, WHOLE_SECONDS
from study.corpus.utterance import NO_FILE, NO_VIDEO, Utterance
from study.errors import UserError
from study.features.audio import audio_seconds
from study.inference.encoding import NOWHERE, Encoders, Places
from study.inference.ensemble import Ensemble
from study.inference.lacking import lacking_of, without_absent_tracks
from study.inference.model_folder import Model
from study.inference.recognition import Recogniser
from study.inference.remarks import Remark, remarks_of, require_span, summary

# Of a recording that is longer than WHOLE_SECONDS, where nothing else is asked for.
USUAL_WINDOW_SECONDS = 10.0
SHORTEST_WINDOW_SECONDS = 0.5


@dataclass(frozen=True)
class Window:
    """Class probabilities of a stretch of a recording, from `start` to `end` in seconds; None for all of it.

    `words` are those that were recognised in it; None where they were given, or are not read. `remarks` are on what it
    was predicted from.
    """

    probabilities: tuple[float, ...]
    start: float | None = None
    end: float | None = None
    words: str | None = None
    remarks: tuple[Remark, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The remarks in sentences."""
        return tuple(remark.sentence for remark in self.remarks)


@dataclass(frozen=True)
class Prediction:
    """Class probabilities of a recording: of its windows, in their order, and their mean."""

    windows: tuple[Window, ...]

    @property
    def words(self) -> str | None:
        """The words that were recognised; None where they were given, or are not read."""
        found = [window.words for window in self.windows if window.words is not None]
        return " ".join(filter(None, found)) if found else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes the prediction worth little, in sentences; of several windows, in how many of them."""
        if len(self.windows) == 1:
            return self.windows[0].notes
        return summary((window.remarks for window in self.windows), len(self.windows), "windows")

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The mean over the windows, which are equally long."""
        columns = zip(*(window.probabilities for window in self.windows), strict=True)
        return tuple(sum(column) / len(self.windows) for column in columns)


class Predictor:
    """A model folder that predicts; threads may share it."""

    def __init__(
        self,
        model: Model,
        places: Places = NOWHERE,
        trust_remote_code: bool = False,
        recogniser: Recogniser | None = None,
    ) -> None:
        """Build the models of a folder and open its encoders; the encoders' weights are not read yet.

        Where a model reads words and a recording has none, `recogniser` recognises them.

        Raises:
            UserError: weights do not fit the config, or an encoder is not there or is another one.
        """
        self.model, self.config = model, model.config
        self.ensemble = Ensemble.of(model.config, model.tensors)
        self.encoders = Encoders(model.config, places, trust_remote_code)
        self.recogniser = recogniser if self.config.reads_words else None
        if self.recogniser is not None and not self.config.reads_audio:
            raise UserError(f"words are recognised in recordings, and {self.config.variant} reads none; give its words")
        self._lock, self._is_loaded = threading.Lock(), False

    @property
    def digest(self) -> str:
        """What predictions depend on besides recordings and words."""
        return self.model.digest + (self.recogniser.digest if self.recogniser is not None else "")

    def load(self) -> None:
        """Read the encoders' weights, once.

        Raises:
            UserError: they cannot be read.
        """
        with self._lock:
            if not self._is_loaded:
                self.encoders.load()
                if self.recogniser is not None:
                    self.recogniser.load()
            self._is_loaded = True

    def of_members(self, utterance: Utterance) -> Float[Tensor, "members classes"]:
        """Each member's class probabilities of an utterance.

        Raises:
            UserError: the recording cannot be read, or an encoder fails on it.
        """
        self.load()
        utterance = without_absent_tracks(utterance)
        return self.ensemble.of_members(self.encoders.streams(utterance, lacking_of(utterance, self.config)))

    def predict(self, utterance: Utterance, window_seconds: float | None = None) -> Prediction:
        """The probabilities of a recording; of a long one, also those of its windows.

        It is long if it lasts more than `window_seconds`, or, where they are not given, more than 40 s; its windows
        are equal and at most so long, or 10 s. With 0 it is never divided.

        Raises:
            UserError: the recording cannot be read or is shorter than its span, an encoder fails on it, or it has words
                and would be divided.
        """
        self.load()
        utterance = without_absent_tracks(utterance)
        if self.config.reads_audio and utterance.audio != NO_FILE:
            require_span(utterance)
        spans = self._spans(utterance, window_seconds)
        if not spans:
            return Prediction((self._window(utterance),))
        first = utterance.start or 0.0
        # The film of a span may be another file than its sound, with other times.
        later = (utterance.video.start or 0.0) - first
        cut = (
            replace(
                utterance,
                start=start,
                end=end,
                video=utterance.video
                if utterance.video == NO_VIDEO
                else replace(utterance.video, start=start + later, end=end + later),
            )
            for start, end in spans
        )
        windows = (
            replace(self._window(each), start=round(start - first, 3), end=round(end - first, 3))
            for each, (start, end) in zip(cut, spans, strict=True)
        )
        return Prediction(tuple(windows))

    def _window(self, utterance: Utterance) -> Window:
        """The probabilities of an utterance as a whole, after its words are recognised if it has none."""
        words: str | None = None
        if self.recogniser is not None and not utterance.words and utterance.audio != NO_FILE:
            words = self.recogniser.words(utterance)
            utterance = replace(utterance, words=words)
        lacking = lacking_of(utterance, self.config)
        shares = tuple(self.ensemble(self.encoders.streams(utterance, lacking)).tolist())
        return Window(shares, words=words, remarks=remarks_of(utterance, self.config))

    def _spans(self, utterance: Utterance, window_seconds: float | None) -> list[tuple[float, float]]:
        """The windows of an utterance in seconds of its file; none if it is read as a whole."""
        if not self.config.reads_audio or window_seconds == 0 or utterance.audio == NO_FILE:
            return []
        seconds = audio_seconds(utterance)
        longest = WHOLE_SECONDS if window_seconds is None else window_seconds
        if seconds <= longest:
            return []
        has_words_of_windows = self.recogniser is not None or self.config.may_lack("text")
        if self.config.reads_words and (utterance.words or not has_words_of_windows):
            raise UserError(
                f"a long recording is read in windows, and the words of {utterance.id}, which lasts {seconds:.0f} s, "
                f"are not placed in time; give its utterances in a manifest with start, end and text, or read up to "
                f"{MAX_SECONDS:.0f} s as a whole with --window 0"
            )
        first, number = utterance.start or 0.0, -(-seconds // (window_seconds or USUAL_WINDOW_SECONDS))
        cuts = [first + seconds * cut / number for cut in range(int(number) + 1)]
        return list(pairwise(cuts))
