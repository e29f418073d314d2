"""Features of a corpus, computed once: the finished packs if they are there, else extraction."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch

from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.content import digest
from study.features.encoder import AudioEncoder, Encoder
from study.features.encoder_pass import EncoderPass, identities
from study.features.extract import EncodeBlocks, Progress, in_threads
from study.features.modality import Modality
from study.features.spec import OUTPUT, EncoderSpec, FeatureChoice, label_of_layers
from study.features.store import FeatureStore
from study.features.turn import Waiting, turn

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

    def without(self, corpus: Corpus) -> tuple[str, ...]:
        """The ids of the utterances of its corpus that lack the modality, in order."""
        return tuple(utterance.id for utterance in corpus.utterances if utterance.id not in self.contents)


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
        key = _key(contents)
        path = FeatureStore(folder, modality.name, encoder.identity).path(key)
        found.append(Wanted(FeatureChoice(spec.with_content(key), str(path)), encoder, contents))
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
    encode_blocks: EncodeBlocks | None = None,
) -> list[FeatureChoice]:
    """The features of a modality that `specs` ask for, in their order: packs of all utterances that have the modality.

    They are extracted now unless they are already in `folder`. All layers of an encoder come from one pass.
    `encode_blocks` is the way to encode, by default in threads of this process; features from elsewhere are always read
    here. `workers` is the number of threads, by default as many as torch may use. A second process that wants features
    of the same corpus by the same encoder waits for the first, whose command is `by`; `on_progress` is called with
    what it waits for. Frames that are averages of others in `folder` are not encoded again.

    Raises:
        UserError: no such encoder or layer, utterances that cannot be read (reported together, after all others are
            extracted and kept), a folder that cannot be written, or a pack in it that is damaged.
    """
    show, n_workers = on_progress or (lambda progress: None), workers or torch.get_num_threads()
    paths: dict[EncoderSpec, Path] = {}
    for together in _passes(modality, specs, trust_remote_code):
        request = _Request(corpus, modality, together, folder, trust_remote_code)
        own = None if together[0].is_elsewhere else encode_blocks
        paths |= request.packs(by, show, own or in_threads(n_workers), n_workers)
    return [FeatureChoice(spec, str(paths[spec])) for spec in specs]


def pack_of(corpus: Corpus, modality: Modality[Any], spec: EncoderSpec, folder: Path, **how: Unpack[_How]) -> Path:
    """The pack with the features that one spec asks for; see `prepare`."""
    return Path(prepare(corpus, modality, [spec], folder, **how)[0].path)


class _How(TypedDict, total=False):
    on_progress: OnProgress | None
    trust_remote_code: bool
    workers: int | None
    by: str
    encode_blocks: EncodeBlocks | None


def _passes(
    modality: Modality[Any], specs: Sequence[EncoderSpec], trust_remote_code: bool
) -> Iterator[list[EncoderSpec]]:
    """The specs that one pass of an encoder serves together, own rates first: averages of these are not encoded."""
    groups: dict[EncoderSpec, list[EncoderSpec]] = {}
    for spec in dict.fromkeys(specs):
        groups.setdefault(replace(spec, layer=OUTPUT), []).append(spec)
    for group in sorted(groups.values(), key=lambda group: -(group[0].rate_hz or math.inf)):
        yield from _alike(modality, group, trust_remote_code)


def _alike(
    modality: Modality[Any], specs: Sequence[EncoderSpec], trust_remote_code: bool
) -> Iterable[list[EncoderSpec]]:
    """Layers whose frames can stand side by side: those of some encoders are at another rate than the output."""
    if len(specs) == 1 or modality.at_rate is None:
        return [list(specs)]
    found: dict[object, list[EncoderSpec]] = {}
    for spec in specs:
        encoder: AudioEncoder = modality.open(spec, trust_remote_code)
        found.setdefault((encoder.rate_hz, encoder.identity.get("frames_averaged")), []).append(spec)
    return found.values()


def having(corpus: Corpus, contents: Collection[str]) -> Corpus:
    """The corpus of the utterances of these ids: those that have a modality, of which alone packs have frames."""
    return replace(corpus, utterances=tuple(each for each in corpus.utterances if each.id in contents))


def _key(contents: Mapping[str, str]) -> str:
    """What tells the features of one corpus from those of another by the same encoder."""
    return digest(list(contents.values()))


class _Request:
    """The packs of one corpus with layers of one encoder."""

    def __init__(
        self,
        corpus: Corpus,
        modality: Modality[Any],
        specs: Sequence[EncoderSpec],
        folder: Path,
        trust_remote_code: bool,
    ) -> None:
        """Ask for `specs`, which differ in the layer alone, in `folder`."""
        self._modality, self._specs, self._folder = modality, specs, folder
        self._trust = trust_remote_code
        encoder = modality.open_layers(specs, trust_remote_code)
        self._contents = modality.contents(corpus, encoder)
        self._corpus = having(corpus, self._contents)
        self._key = _key(self._contents)
        stores = [FeatureStore(folder, modality.name, identity) for identity in identities(encoder.identity)]
        self._paths = {spec: store.path(self._key) for spec, store in zip(specs, stores, strict=True)}
        # By path, because two specs may stand for the same layer.
        self._stores = {store.path(self._key): store for store in stores}

    def packs(self, by: str, show: OnProgress, encode_blocks: EncodeBlocks, workers: int) -> dict[EncoderSpec, Path]:
        """The packs by spec, made now where they are missing."""
        try:
            if self._absent():
                self._folder.mkdir(parents=True, exist_ok=True)
                self._make(self._absent(), by, show, encode_blocks, workers)
        except OSError as error:
            raise UserError(
                f"features are kept in {self._folder}, which does not work ({error}); pass another folder"
            ) from error
        for store in self._stores.values():
            store.check(self._key)
        return self._paths

    def _absent(self) -> list[Path]:
        return [path for path in self._stores if not path.exists()]

    def _make(
        self, wanted: Sequence[Path], by: str, show: OnProgress, encode_blocks: EncodeBlocks, workers: int
    ) -> None:
        what = f"{self._modality.name} by {label_of_layers(self._specs_of(wanted))}"
        with ExitStack() as turns:
            # In one order, or two processes could wait for each other.
            own = [
                turns.enter_context(turn(self._stores[path].lock(self._key), what, by, show)) for path in sorted(wanted)
            ]
            # Another process may have finished some while this one waited.
            absent = [path for path in wanted if not path.exists()]
            if absent:
                specs, stores = self._specs_of(absent), [self._stores[path] for path in absent]
                one = EncoderPass(
                    stores, self._corpus, self._modality, specs, self._trust, self._contents, self._key, what
                )
                one.run(own, show, encode_blocks, workers)
                for store in stores:
                    store.finish(self._corpus, self._key, self._contents)

    def _specs_of(self, paths: Sequence[Path]) -> list[EncoderSpec]:
        """A spec for each of the packs."""
        found = {path: spec for spec, path in reversed(self._paths.items())}
        return [found[path] for path in paths]
