"""Features from elsewhere against a corpus: everything that is wrong, told at once, and what is not used."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from study.corpus.quoting import path_text, quoted
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.elsewhere.source import ABSENT, Source, Unusable, content_of
from study.plurals import counted

NAMED = 3
# Below its smallest normal number, float16 keeps fewer and fewer digits.
HALF_SMALLEST = 2.0**-14


@dataclass(frozen=True)
class Survey:
    """What features are, for the utterances of a corpus.

    `contents` has a digest of each usable utterance's features, by id; `faults` what is wrong, as "3 of 80 utterances
    are not there (u1, u2, u3)", which is none where utterances may lack the modality: these are `missing`. The usable
    ones have `n_frames` in all, most of them of `dim` values.
    """

    contents: Mapping[str, str]
    faults: tuple[str, ...]
    missing: tuple[str, ...] = ()
    n_frames: int = 0
    dim: int = 0

    def require(self, modality: str, path: Path) -> None:
        """Make sure that every utterance that needs features has some that can be used.

        Raises:
            UserError: some have not.
        """
        if self.faults:
            raise UserError(
                f"{modality} features of every utterance are needed in {path_text(path)}: {'; '.join(self.faults)}; "
                "mend them, or leave these utterances out of the corpus"
            )


def survey(corpus: Corpus, source: Source, may_lack: bool = False) -> Survey:
    """Read the features of all utterances once; with `may_lack`, some of them need none."""
    wrong: dict[str, dict[str, str]] = {}
    contents, dims, largest, n_frames = dict[str, str](), dict[str, tuple[int, int]](), 0.0, 0
    for utterance in corpus.utterances:
        try:
            frames, vector = source.read(utterance.id)
        except Unusable as error:
            wrong.setdefault(error.kind, {})[utterance.id] = "" if error.kind == ABSENT else str(error)
            continue
        contents[utterance.id] = content_of(utterance.id, frames, vector)
        dims[utterance.id] = (frames.shape[1], 0 if vector is None else len(vector))
        n_frames += len(frames)
        largest = max(largest, float(np.abs(frames.numpy()).max()))
    if len(set(dims.values())) > 1:
        usual = Counter(dims.values()).most_common(1)[0][0]
        other = {id: _dims(found) for id, found in dims.items() if found != usual}
        wrong[f"have another dimension than most, which have {_dims(usual)}"] = other
    absent, unused = tuple(wrong.get(ABSENT, ())), _unused(corpus, source)
    missing = absent if may_lack and len(absent) < len(corpus.utterances) else ()
    faults = [
        _fault(kind, found, len(corpus.utterances)) for kind, found in wrong.items() if kind != ABSENT or not missing
    ]
    if unused and len(absent) == len(corpus.utterances):
        faults.append(f"what is there is called {_named(unused)}")
    if dims and largest < HALF_SMALLEST:
        faults.append(
            f"no value is larger than {largest:g}, which float16 cannot hold well; multiply all by a constant"
        )
    dim = Counter(dims.values()).most_common(1)[0][0][0] if dims else 0
    return Survey(contents, tuple(faults), missing, n_frames, dim)


def unused_line(corpus: Corpus, source: Source, modality: str) -> str:
    """How many features are not used, in a line; empty if all are."""
    unused = _unused(corpus, source)
    if not unused:
        return ""
    return f"{modality} features of {_named(unused)} in {path_text(source.path)} belong to no utterance: not used"


def _unused(corpus: Corpus, source: Source) -> tuple[str, ...]:
    return tuple(sorted(source.ids - {utterance.id for utterance in corpus.utterances}))


def _fault(kind: str, found: Mapping[str, str], of: int) -> str:
    first = [f"{quoted(id)[1:-1]}{f': {detail}' if detail else ''}" for id, detail in list(found.items())[:NAMED]]
    return f"{len(found):,} of {counted(of, 'utterance')} {kind} ({', '.join(first)}{_more(len(found))})"


def _named(ids: tuple[str, ...]) -> str:
    return f"{len(ids):,} ids ({', '.join(quoted(id)[1:-1] for id in ids[:NAMED])}{_more(len(ids))})"


def _more(number: int) -> str:
    return ", ..." if number > NAMED else ""


def _dims(found: tuple[int, int]) -> str:
    frames, vector = found
    return f"{frames}{f' and {vector}' if vector else ''}"
