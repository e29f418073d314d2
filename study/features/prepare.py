"""Features of a corpus, computed once: the finished pack if there is one, else extraction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.content import digest
from study.features.encoder import AveragedFrames, Encoded, Encoder, to_half
from study.features.extract import Encode, Progress, extract, progress_count
from study.features.frame_rate import averaged_halves
from study.features.modality import Modality
from study.features.pack import Pack
from study.features.spec import EncoderSpec, FeatureChoice
from study.features.store import FeatureStore
from study.features.turn import Turn, Waiting, turn

NAMED_FAILURES = 3

OnProgress = Callable[[Progress | Waiting], None]
# Who extracts, where a caller does not name itself.
ANYBODY = "a program"


@dataclass(frozen=True)
class Wanted:
    """Features that a corpus may have: their name in the search, and what they are computed from.

    `encoder` has been opened, its weights not yet read; `contents` are as in `Modality`.
    """

    choice: FeatureChoice
    encoder: Encoder
    contents: Mapping[str, str]


def wanted(
    corpus: Corpus,
    modality: Modality[Any],
    specs: Sequence[EncoderSpec],
    folder: Path,
    *,
    trust_remote_code: bool = False,
) -> list[Wanted]:
    """The features that `prepare` would make, in the order of `specs`: nothing is extracted, no weights are read.

    Raises:
        UserError: no such encoder or layer, or an audio file that cannot be read.
    """
    found = []
    for encoder, spec in [(modality.open(spec, trust_remote_code), spec) for spec in specs]:
        contents = modality.contents(corpus, encoder)
        path = FeatureStore(folder, modality.name, encoder.identity).path(_key(contents))
        found.append(Wanted(FeatureChoice(spec, str(path)), encoder, contents))
    return found


def prepare(
    corpus: Corpus,
    modality: Modality[Any],
    specs: Sequence[EncoderSpec],
    folder: Path,
    *,
    on_progress: OnProgress | None = None,
    trust_remote_code: bool = False,
    workers: int | None = None,
    by: str = ANYBODY,
) -> list[FeatureChoice]:
    """The features of a modality that `specs` ask for, in their order; see `pack_of`."""
    # Own rates first: what is averaged from them need not be encoded.
    paths = {
        spec: pack_of(
            corpus,
            modality,
            spec,
            folder,
            on_progress=on_progress,
            trust_remote_code=trust_remote_code,
            workers=workers,
            by=by,
        )
        for spec in sorted(specs, key=lambda spec: -(spec.rate_hz or float("inf")))
    }
    return [FeatureChoice(spec, str(paths[spec])) for spec in specs]


def pack_of(
    corpus: Corpus,
    modality: Modality[Any],
    spec: EncoderSpec,
    folder: Path,
    *,
    on_progress: OnProgress | None = None,
    trust_remote_code: bool = False,
    workers: int | None = None,
    by: str = ANYBODY,
) -> Path:
    """The pack with the features of all of the corpus's utterances; extracted now unless it is already in `folder`.

    `workers` is the number of threads, by default as many as torch may use. A second process that wants features
    of the same corpus by the same encoder waits for the first, whose command is `by`; `on_progress` is called with
    what it waits for. Frames that are averages of others in `folder` are not encoded again.

    Raises:
        UserError: no such encoder or layer, utterances that cannot be read (reported together, after all others are
            extracted and kept), a folder that cannot be written, or a pack in it that is damaged.
    """
    encoder = modality.open(spec, trust_remote_code)
    contents = modality.contents(corpus, encoder)
    key = _key(contents)
    store = FeatureStore(folder, modality.name, encoder.identity)
    show = on_progress or (lambda progress: None)
    if not store.path(key).exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with turn(store.lock(key), f"{modality.name} by {spec.label}", by, show) as own:
                # Another process may have finished it while this one waited.
                if not store.path(key).exists():
                    extraction = _Extraction(store, corpus, modality, encoder, contents, key, spec.label)
                    extraction.run(own, show, workers or torch.get_num_threads())
                    store.finish(corpus, key, contents)
        except OSError as error:
            raise UserError(
                f"features are kept in {folder}, which does not work ({error}); pass another folder"
            ) from error
    store.check(key)
    return store.path(key)


def _key(contents: Mapping[str, str]) -> str:
    """What tells the features of one corpus from those of another by the same encoder."""
    return digest(list(contents.values()))


class _Extraction:
    """What one encoder still has to make for a corpus."""

    def __init__(
        self,
        store: FeatureStore,
        corpus: Corpus,
        modality: Modality[Any],
        encoder: Encoder,
        contents: Mapping[str, str],
        key: str,
        label: str,
    ) -> None:
        """Keep in `store` what `encoder` makes of `corpus`, whose utterances have `contents`; `key` is their digest."""
        self._store, self._corpus, self._contents, self._key = store, corpus, contents, key
        self._modality, self._encoder, self._label = modality, encoder, label

    def run(self, own: Turn, on_progress: OnProgress, workers: int) -> None:
        """Encode what is missing, block by block, in this process's `own` turn.

        Raises:
            UserError: utterances that could not be encoded; the others are kept.
        """
        missing = self._missing()
        if not missing:
            return
        self._store.parts(self._key).mkdir(exist_ok=True)
        failures = extract(
            missing,
            self._encode(missing),
            save=lambda encoded: self._store.save_block(self._key, encoded, self._contents),
            on_block=self._count(missing, own, on_progress),
            workers=workers,
        )
        if failures:
            named = " | ".join(failures[:NAMED_FAILURES]) + (" | ..." if len(failures) > NAMED_FAILURES else "")
            raise UserError(
                f"features of every utterance are needed, {len(failures)} of {len(self._corpus.utterances)} could not "
                f"be encoded, the others are kept: {named}"
            )

    def _missing(self) -> list[list[Utterance]]:
        found, everyone, size = self._store.find(), self._corpus.utterances, self._modality.block
        # Blocks are cut before what is there is left out: an utterance is in the same block, and so in the same batch,
        # whether or not the extraction was interrupted.
        cuts = [everyone[start : start + size] for start in range(0, len(everyone), size)]
        return [block for cut in cuts if (block := [u for u in cut if self._contents[u.id] not in found])]

    def _encode(self, missing: Sequence[Sequence[Utterance]]) -> Encode:
        """What makes features of a block: from a pack at the encoder's own rate where it has them, else the encoder."""
        known = self._own_rate()
        if not all(self._contents[u.id] in known for block in missing for u in block):
            self._encoder.load()

        def encode(block: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
            new = []
            for utterance in block:
                if self._contents[utterance.id] in known:
                    yield self._averaged(utterance, *known[self._contents[utterance.id]])
                else:
                    new.append(utterance)
            if new:
                yield from self._modality.encode(self._encoder, new)

        return encode

    def _own_rate(self) -> dict[str, tuple[Pack, int]]:
        """By content, where the frames are that this encoder averages; nothing if it averages none."""
        if not isinstance(self._encoder, AveragedFrames):
            return {}
        return FeatureStore(self._store.folder, self._store.modality, self._encoder.own.identity).find()

    def _averaged(self, utterance: Utterance, pack: Pack, row: int) -> Encoded:
        assert isinstance(self._encoder, AveragedFrames)
        frames = averaged_halves(pack.of(row), self._encoder.together)
        return Encoded(utterance, to_half(frames, utterance.id))

    def _count(
        self, missing: Sequence[Sequence[Utterance]], own: Turn, on_progress: OnProgress
    ) -> Callable[[Sequence[Utterance]], None]:
        def show(progress: Progress) -> None:
            own.report(progress.utterances_done, progress.utterances_total)
            on_progress(progress)

        what = f"{self._modality.name} by {self._label}"
        everyone = self._corpus.utterances
        return progress_count(everyone, missing, self._modality.amount, show, what, self._modality.rate_unit)
