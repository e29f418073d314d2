"""Where features of one encoder are kept, finished and half made, and how they are found again.

In the folder, a finished pack is `<modality>-<encoder>-<key>.safetensors`. While it is made, every block of utterances
is a small pack of its own in `<modality>-<encoder>-<key>.parts/`, so that a killed extraction goes on where it was.
Features are found again by what they were computed from (encoder, and audio or words), not by the corpus they were
computed for: other classes or a repaired file cost only the utterances that are new.
"""

import contextlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from torch import Tensor

from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.content import digest
from study.features.encoder import Encoded
from study.features.pack import Pack, write_pack


@dataclass(frozen=True)
class FeatureStore:
    """The features of one modality by one encoder in one folder."""

    folder: Path
    modality: str
    identity: Mapping[str, object]

    @property
    def stem(self) -> str:
        """How the names of this encoder's packs begin."""
        slug = re.sub(r"[^a-z0-9]+", "-", str(self.identity["name"]).lower()).strip("-")[:60]
        return f"{self.modality}-{slug}"

    def path(self, corpus_digest: str) -> Path:
        """Where a corpus's finished pack is, or will be."""
        return self.folder / f"{self.stem}-{self._key(corpus_digest)}.safetensors"

    def parts(self, corpus_digest: str) -> Path:
        """The folder of the blocks of a corpus's unfinished pack."""
        return self.path(corpus_digest).with_suffix(".parts")

    def lock(self, corpus_digest: str) -> Path:
        """The file that a process locks while it extracts a corpus's features."""
        return self.path(corpus_digest).with_suffix(".lock")

    def find(self) -> dict[str, tuple[Pack, int]]:
        """By content, in which pack and row the features of an utterance are; damaged packs are passed over.

        Blocks are opened first: another process writes its pack before it removes the blocks, so none is missed.
        """
        found: dict[str, tuple[Pack, int]] = {}
        for path in (
            *sorted(self.folder.glob(f"{self.stem}-*.parts/*.safetensors")),
            *sorted(self.folder.glob(f"{self.stem}-*.safetensors")),
        ):
            with contextlib.suppress(UserError):
                pack = Pack.open(path)
                if not self._is_own(pack):
                    continue
                pack.verify()
                for row, content in enumerate(pack.metadata["contents"]):
                    found.setdefault(content, (pack, row))
        return found

    def save_block(self, corpus_digest: str, encoded: Sequence[Encoded], contents: Mapping[str, str]) -> None:
        """Keeps the features of some utterances of a corpus's unfinished pack."""
        ids = [each.utterance.id for each in encoded]
        own = [contents[id] for id in ids]
        vectors = [each.vector for each in encoded if each.vector is not None]
        path = self.parts(corpus_digest) / f"{digest(own)[:16]}.safetensors"
        write_pack(path, ids, [each.frames for each in encoded], vectors or None, self._metadata(own))

    def finish(self, corpus: Corpus, corpus_digest: str, contents: Mapping[str, str]) -> None:
        """Writes a corpus's pack from features that are all there, and removes the blocks that it took them from.

        The caller holds the corpus's lock; blocks of a corpus that another process extracts now stay for it.
        """
        found = self.find()
        rows = [found[contents[utterance.id]] for utterance in corpus.utterances]
        vectors: list[Tensor] = [pack.vectors[row] for pack, row in rows if pack.vectors is not None]
        metadata = {**self._metadata(list(contents.values())), "corpus": corpus_digest}
        write_pack(self.path(corpus_digest), list(contents), [p.of(row) for p, row in rows], vectors or None, metadata)
        blocks = {pack.path for pack, _ in rows if pack.path.parent != self.folder}
        own = self.parts(corpus_digest)
        _remove(own, blocks)
        for parts in {block.parent for block in blocks} - {own}:
            with contextlib.suppress(Timeout), FileLock(parts.with_suffix(".lock"), timeout=0):
                _remove(parts, blocks)

    def check(self, corpus_digest: str) -> None:
        """Reads a corpus's finished pack through once.

        Raises:
            UserError: it is damaged, or it is not of this encoder and corpus.
        """
        pack = Pack.open(self.path(corpus_digest))
        if not self._is_own(pack) or pack.metadata.get("corpus") != corpus_digest:
            raise UserError(
                f"expected {self.modality} features of this corpus by {self.identity['name']} in {pack.path}, found "
                f"those of another corpus or encoder; delete the file to have it extracted again"
            )
        pack.verify()

    def _metadata(self, contents: Sequence[str]) -> dict[str, object]:
        return {"modality": self.modality, "encoder": dict(self.identity), "contents": list(contents)}

    def _is_own(self, pack: Pack) -> bool:
        contents = pack.metadata.get("contents")
        return (
            pack.metadata.get("modality") == self.modality
            and pack.metadata.get("encoder") == self.identity
            and isinstance(contents, list)
            and len(contents) == len(pack.ids)
            and all(isinstance(content, str) for content in contents)
        )

    def _key(self, *more: str) -> str:
        return digest([self.modality, json.dumps(dict(self.identity), sort_keys=True), *more])[:12]


def _remove(parts: Path, blocks: Collection[Path]) -> None:
    """Remove from the folder `parts` those of `blocks` that are in it, what kills left half written, and itself."""
    for path in (*(block for block in blocks if block.parent == parts), *parts.glob("*.unfinished")):
        path.unlink()
    with contextlib.suppress(OSError):  # there are others in it
        parts.rmdir()
