"""Whether a model folder predicts what its study has stored: recordings go the whole way from their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.inputs import input_of
from study.features.pack import Pack
from study.inference import model_folder
from study.inference.encoding import Encoders
from study.inference.ensemble import Ensemble, Member
from study.inference.selected import Selected
from study.inference.threads import one_core_each
from study.plurals import counted
from study.training.batches import Part
from study.training.gathering import rows_of
from study.training.loop import probabilities

N_CHECKED = 12
# A processor, a GPU, or other texts in a batch change the last digits of features, which float16 then rounds apart.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Expected:
    """What member number `member` is to predict of an utterance."""

    id: str
    member: int
    probabilities: Float[np.ndarray, " classes"]


# What a folder's probabilities are compared with, by its weights.
COMPARED_WITH = {
    "folds": "the study's stored predictions",
    "refit": "the trained model on the study's stored features",
}


@dataclass(frozen=True)
class SelfCheck:
    """What a folder's check has found.

    How many utterances were predicted again, the largest difference, whether from recordings or from packs, and what
    the probabilities were compared with.
    """

    n_utterances: int
    largest: float
    from_recordings: bool
    compared_with: str

    @property
    def sentence(self) -> str:
        """The check in a line."""
        where = "recordings" if self.from_recordings else "stored features"
        what = f"{counted(self.n_utterances, 'utterance')} predicted from {where}"
        return f"{what}, compared with {self.compared_with}: largest difference of a probability {self.largest:.0e}"


def expected_of_folds(selected: Selected) -> list[Expected]:
    """Utterances spread over the folds, each with what the member that tested it has stored."""
    members = selected.tested
    return [
        Expected(members[member].utterances[place]["id"], member, members[member].probabilities[place])
        for member, place in _spread([len(fold.utterances) for fold in members])
    ]


def expected_of_refit(selected: Selected, member: Member) -> list[Expected]:
    """Utterances spread over the corpus, with what the model in memory makes of stored features."""
    streams, n_utterances = selected.streams(), len(selected.plan.utterances)
    ids = tuple(selected.plan.utterances[place]["id"] for _, place in _spread([n_utterances]))
    lacking = selected.plan.missing_in(streams)
    rows = {name: rows_of(pack, ids, lacking[name]) for name, pack in streams.items()}
    labels = torch.zeros(len(ids), dtype=torch.long)
    part = Part(ids, labels, streams, rows, member.scaling, torch.device("cpu"))
    found = probabilities(member.module, part, len(selected.plan.classes)).numpy()
    return [Expected(id, 0, own) for id, own in zip(ids, found, strict=True)]


def check(
    folder: Path, selected: Selected, expected: list[Expected], corpus: Corpus, trust_remote_code: bool
) -> SelfCheck:
    """Open a model folder anew and predict again.

    Raises:
        UserError: a probability is another than expected, or an utterance cannot be predicted.
    """
    model = model_folder.read(folder)
    ensemble = Ensemble.of(model.config, model.tensors)
    recorded = not model.config.elsewhere
    streams_of = _recorded(model, selected, corpus, trust_remote_code) if recorded else _stored(selected)

    def difference(each: Expected) -> float:
        found = ensemble.of_members(streams_of(each.id))[each.member].numpy()
        return float(np.abs(found - each.probabilities).max())

    with one_core_each() as threads:
        differences = list(threads.map(difference, expected))
    worst = int(np.argmax(differences))
    against = COMPARED_WITH[model.config.weights]
    if not differences[worst] <= TOLERANCE:
        raise UserError(
            f"an exported model is compared with {against}, and of utterance {expected[worst].id} its probabilities "
            f"differ by {differences[worst]:.2g} (at most {TOLERANCE} is rounding); nothing was exported: were "
            "recordings, words or an encoder changed since?"
        )
    return SelfCheck(len({each.id for each in expected}), differences[worst], not model.config.elsewhere, against)


def _spread(sizes: list[int]) -> Iterator[tuple[int, int]]:
    """(member, place) pairs: members in turn, and places at equal distances, so that members of a fold differ."""
    number = max(N_CHECKED, len(sizes))
    pairs = ((at % len(sizes), (2 * at + 1) * sizes[at % len(sizes)] // (2 * number)) for at in range(number))
    yield from dict.fromkeys(pairs)


def _stored(selected: Selected) -> Callable[[str], dict[str, Pack]]:
    """The frames of an utterance as packs have them."""
    streams = selected.streams()

    def streams_of(id: str) -> dict[str, Pack]:
        lacking = _lacking(selected, id)
        return {name: _one(pack, id) for name, pack in streams.items() if input_of(name).modality not in lacking}

    return streams_of


def _one(pack: Pack, id: str) -> Pack:
    row = int(pack.rows([id])[0])
    frames, vectors = pack.of(row), None if pack.vectors is None else pack.vectors[row : row + 1]
    return Pack(pack.path, (id,), frames, torch.tensor([0, len(frames)]), vectors, pack.metadata)


def _lacking(selected: Selected, id: str) -> set[str]:
    """The modalities that the study marks as missing in an utterance."""
    return {modality for modality, ids in selected.plan.missing().items() if id in ids}


def _recorded(
    model: model_folder.Model, selected: Selected, corpus: Corpus, trust_remote_code: bool
) -> Callable[[str], dict[str, Pack]]:
    """The frames of an utterance as encoders make them of its recording and its words."""
    encoders = Encoders(model.config, trust_remote_code=trust_remote_code)
    encoders.load()
    utterances: dict[str, Utterance] = {utterance.id: utterance for utterance in corpus.utterances}
    return lambda id: encoders.streams(utterances[id], _lacking(selected, id))
