"""One pass of an encoder over what a corpus's packs still lack: all layers that are asked for are kept from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.encoder import AveragedFrames, Encoded, Encoder, to_half
from study.features.extract import EncodeBlocks, Progress, Tally, Work, extract
from study.features.frame_rate import averaged_halves
from study.features.modality import Modality
from study.features.pack import Pack
from study.features.spec import EncoderSpec, bands_of
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
        specs: Sequence[EncoderSpec],
        trust_remote_code: bool,
        contents: Mapping[str, str],
        key: str,
        what: str,
    ) -> None:
        """Keep in `stores` the layers that the encoder of `specs` makes of `corpus`, a store for each in their order.

        Utterances have `contents`, whose digest is `key`; `what` names all that is made.
        """
        self._stores, self._corpus, self._contents, self._key = stores, corpus, contents, key
        self._modality, self._specs, self._trust, self._what = modality, specs, trust_remote_code, what
        self._encoder: Encoder = modality.open_layers(specs, trust_remote_code)
        self._found = [store.find() for store in stores]

    def run(
        self,
        turns: Sequence[Turn],
        on_progress: Callable[[Progress], None],
        encode_blocks: EncodeBlocks,
        workers: int,
    ) -> None:
        """Encode what is missing, block by block, in this process's own `turns`.

        Frames that are averages of others are made here, in so many threads: that takes no encoder.

        Raises:
            UserError: utterances that could not be encoded; the others are kept.
        """
        missing = self._missing()
        if not missing:
            return
        for store in self._stores:
            store.parts(self._key).mkdir(exist_ok=True)
        tally = self._tally(missing, turns, on_progress)
        own = self._own_rate()
        known = set.intersection(*map(set, own))
        failures = []
        if averages := self._blocks_of(missing, lambda content: content in known):
            failures += extract(averages, lambda block: self._averaged(block, own), self._save, tally.add, workers)
        if new := self._blocks_of(missing, lambda content: content not in known):
            work = Work(self._modality, self._specs, self._trust, self._encoder, self._contents, new)
            failures += encode_blocks(work, self._save, tally)
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
        return self._blocks_of(cuts, lambda content: content not in whole)

    def _blocks_of(self, blocks: Sequence[Sequence[Utterance]], is_one: Callable[[str], bool]) -> list[list[Utterance]]:
        """The utterances whose content `is_one`, in their blocks; no empty ones."""
        return [own for block in blocks if (own := [u for u in block if is_one(self._contents[u.id])])]

    def _own_rate(self) -> list[dict[str, tuple[Pack, int]]]:
        """Of each layer by content, where the frames are that this encoder averages; nothing if it averages none."""
        if not isinstance(self._encoder, AveragedFrames):
            return [{}]
        own = identities(self._encoder.own.identity)
        return [replace(store, identity=each).find() for store, each in zip(self._stores, own, strict=True)]

    def _averaged(
        self, block: Sequence[Utterance], own: Sequence[Mapping[str, tuple[Pack, int]]]
    ) -> Iterator[Encoded | UserError]:
        """Features of a block from packs at the encoder's own rate."""
        assert isinstance(self._encoder, AveragedFrames)
        for utterance in block:
            found = [layer[self._contents[utterance.id]] for layer in own]
            frames = torch.cat([averaged_halves(pack.of(row), self._encoder.together) for pack, row in found], dim=1)
            yield Encoded(utterance, to_half(frames, utterance.id))

    def _tally(
        self, missing: Sequence[Sequence[Utterance]], turns: Sequence[Turn], on_progress: Callable[[Progress], None]
    ) -> Tally:
        def show(progress: Progress) -> None:
            for own in turns:
                own.report(progress.utterances_done, progress.utterances_total)
            on_progress(progress)

        everyone = self._corpus.utterances
        return Tally(everyone, missing, self._modality.amount, show, self._what, self._modality.rate_unit)
