"""One pass of an encoder over what a corpus's packs still lack: all layers that are asked for are kept from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.encoder import AveragedFrames, Encoded, Encoder, to_half
from study.features.extract import Encode, Progress, extract, progress_count
from study.features.frame_rate import averaged_halves
from study.features.modality import Modality
from study.features.pack import Pack
from study.features.spec import bands_of
from study.features.store import FeatureStore
from study.features.turn import Turn

NAMED_FAILURES = 3


def identities(identity: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The identity of each layer of an encoder that gives several side by side; of any other, its own."""
    layers = identity.get("layer")
    return [{**identity, "layer": layer} for layer in layers] if isinstance(layers, list) else [identity]


class EncoderPass:
    """What one encoder still has to make for a corpus."""

    def __init__(
        self,
        stores: Sequence[FeatureStore],
        corpus: Corpus,
        modality: Modality[Any],
        encoder: Encoder,
        contents: Mapping[str, str],
        key: str,
        what: str,
    ) -> None:
        """Keep in `stores` the layers that `encoder` makes of `corpus`, a store for each in their order.

        Utterances have `contents`, whose digest is `key`; `what` names all that is made.
        """
        self._stores, self._corpus, self._contents, self._key = stores, corpus, contents, key
        self._modality, self._encoder, self._what = modality, encoder, what
        self._found = [store.find() for store in stores]

    def run(self, turns: Sequence[Turn], on_progress: Callable[[Progress], None], workers: int) -> None:
        """Encode what is missing, block by block, in this process's own `turns`.

        Raises:
            UserError: utterances that could not be encoded; the others are kept.
        """
        missing = self._missing()
        if not missing:
            return
        for store in self._stores:
            store.parts(self._key).mkdir(exist_ok=True)
        failures = extract(
            missing,
            self._encode(missing),
            save=self._save,
            on_block=self._count(missing, turns, on_progress),
            workers=workers,
        )
        if failures:
            named = " | ".join(failures[:NAMED_FAILURES]) + (" | ..." if len(failures) > NAMED_FAILURES else "")
            raise UserError(
                f"features of every utterance are needed, {len(failures)} of {len(self._corpus.utterances)} could not "
                f"be encoded, the others are kept: {named}"
            )

    def _save(self, encoded: Sequence[Encoded]) -> None:
        """Keep the layers of some utterances, each where it is missing."""
        widths = [max(1, len(bands_of(store.identity.get("layer")))) for store in self._stores]
        divided = [each.divided(widths) for each in encoded]
        for number, (store, found) in enumerate(zip(self._stores, self._found, strict=True)):
            new = [own[number] for own in divided if self._contents[own[number].utterance.id] not in found]
            if new:
                store.save_block(self._key, new, self._contents)

    def _missing(self) -> list[list[Utterance]]:
        everyone, size = self._corpus.utterances, self._modality.block
        whole = set.intersection(*map(set, self._found))
        # Blocks are cut before what is there is left out: an utterance is in the same block, and so in the same batch,
        # whether or not the extraction was interrupted.
        cuts = [everyone[start : start + size] for start in range(0, len(everyone), size)]
        return [block for cut in cuts if (block := [u for u in cut if self._contents[u.id] not in whole])]

    def _encode(self, missing: Sequence[Sequence[Utterance]]) -> Encode:
        """What makes features of a block: from a pack at the encoder's own rate where it has them, else the encoder."""
        known = self._own_rate()
        averages = set.intersection(*map(set, known))
        if not all(self._contents[u.id] in averages for block in missing for u in block):
            self._encoder.load()

        def encode(block: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
            new = []
            for utterance in block:
                if self._contents[utterance.id] in averages:
                    yield self._averaged(utterance, [own[self._contents[utterance.id]] for own in known])
                else:
                    new.append(utterance)
            if new:
                yield from self._modality.encode(self._encoder, new)

        return encode

    def _own_rate(self) -> list[dict[str, tuple[Pack, int]]]:
        """Of each layer by content, where the frames are that this encoder averages; nothing if it averages none."""
        if not isinstance(self._encoder, AveragedFrames):
            return [{}]
        own = identities(self._encoder.own.identity)
        return [replace(store, identity=each).find() for store, each in zip(self._stores, own, strict=True)]

    def _averaged(self, utterance: Utterance, own: Sequence[tuple[Pack, int]]) -> Encoded:
        assert isinstance(self._encoder, AveragedFrames)
        frames = torch.cat([averaged_halves(pack.of(row), self._encoder.together) for pack, row in own], dim=1)
        return Encoded(utterance, to_half(frames, utterance.id))

    def _count(
        self, missing: Sequence[Sequence[Utterance]], turns: Sequence[Turn], on_progress: Callable[[Progress], None]
    ) -> Callable[[Sequence[Utterance]], None]:
        def show(progress: Progress) -> None:
            for own in turns:
                own.report(progress.utterances_done, progress.utterances_total)
            on_progress(progress)

        everyone = self._corpus.utterances
        return progress_count(everyone, missing, self._modality.amount, show, self._what, self._modality.rate_unit)
