"""The table of modalities: a third one is a row and a variant, and features are chosen as parameters are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import FixedTrial

from models.mdre import MDRE, MDREConfig
from search_spaces.mdre import suggest
from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.content import digest
from study.features.encoder import Encoded
from study.features.inputs import input_of
from study.features.modality import Modality
from study.features.options import FeatureOptions
from study.features.pack import Pack
from study.features.prepare import prepare
from study.modalities import AUDIO, MODALITIES, TEXT
from study.record.events import Phase
from study.samplers.proposer import configuration, proposer, published_params
from study.search.observation import Observation
from study.training.batches import fold_data
from study.training.loop import begin, train_fold
from study.variant import Variant
from study.variants import VARIANTS

LABELS = {"audio": ("a/b, 50 Hz", "a/b, 25 Hz"), "text": ("hash",)}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_takes_modalities_of_the_table(name: str) -> None:
    assert set(VARIANTS[name].modalities) <= set(MODALITIES)


def test_a_corpus_without_words_or_without_files_is_refused_by_the_modality_that_needs_them(
    tones: Corpus, tmp_path: Path
) -> None:
    for modality in (AUDIO, TEXT):
        modality.require(tones, ["self"])
    first, *rest = tones.utterances
    deaf = replace(tones, utterances=(replace(first, audio=tmp_path / "gone.wav"), *rest))
    with pytest.raises(UserError, match="variant self, audio needs audio, and some utterances of tones have no file"):
        AUDIO.require(deaf, ["self", "audio"])
    mute = replace(tones, utterances=tuple(replace(u, words="") for u in tones.utterances))
    with pytest.raises(UserError, match="variant text needs words, and no utterance of tones has any; add a `text`"):
        TEXT.require(mute, ["text"])
    TEXT.require(replace(mute, utterances=(*mute.utterances, first, tones.utterances[8])), ["text"])


def test_several_features_are_a_parameter_of_the_variants_that_take_the_modality() -> None:
    assert published_params(VARIANTS["self"].choosing(LABELS))["audio_features"] == "a/b, 50 Hz"
    assert "audio_features" not in published_params(VARIANTS["text"].choosing(LABELS))
    one = {modality: labels[:1] for modality, labels in LABELS.items()}
    for variant in ("self", "text"):
        assert published_params(VARIANTS[variant].choosing(one)) == published_params(VARIANTS[variant])


@pytest.mark.parametrize("sampler", ["gp", "tpe", "random", "qmc"])
def test_the_first_configurations_have_every_choice_of_features_once_and_it_reaches_the_recipe(sampler: str) -> None:
    layers = [f"a/b, layer {number}" for number in range(9)]
    next_params = proposer(0, sampler, {**LABELS, "audio": layers})
    observed: list[Observation] = []
    for _ in range(12):
        observed.append(Observation(next_params("self", observed), Phase.OPEN))
    assert [each.params["audio_features"] for each in observed[:9]] == layers
    published = observed[0].params
    assert all({**each.params, "audio_features": layers[0]} == published for each in observed[:9])
    assert len({each.params["learning_rate"] for each in observed}) == 4
    chosen = [configuration(VARIANTS["self"], each.params)[1].features for each in observed]
    assert chosen == [{"audio": each.params["audio_features"]} for each in observed]


def test_a_draw_replays_from_its_parameters() -> None:
    variant = VARIANTS["cross"].choosing(LABELS)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    drawn = variant.suggest(trial)
    assert variant.suggest(FixedTrial(trial.params)) == drawn == configuration(VARIANTS["cross"], trial.params)


@dataclass(frozen=True)
class Blink:
    """A third modality's encoder: two frames for each utterance, from the number in its id."""

    dim: int = 3

    @property
    def identity(self) -> Mapping[str, object]:
        return {"name": "blink"}

    def load(self) -> None:
        """Does nothing."""

    def encode(self, number: int) -> torch.Tensor:
        return torch.tensor([[number, 1.0, 0.0], [number, 0.0, 1.0]])


def encode_faces(encoder: Blink, utterances: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
    """A face for each utterance."""
    for utterance in utterances:
        yield Encoded(utterance, encoder.encode(int(utterance.id[1:])).half())


FACES: Modality[Blink] = Modality(
    name="faces",
    default_encoder="blink",
    demo_encoder="blink",
    built_in={"blink": Blink},
    pretrained=lambda name, layer, trust_remote_code: Blink(),
    in_half=lambda encoder: encoder,
    encode=encode_faces,
    contents=lambda corpus, encoder: {u.id: digest([u.id])[:16] for u in corpus.utterances},
    lack=lambda corpus: "",
    is_in=lambda utterance: True,
    block=16,
    amount=lambda utterance: 1.0,
    rate_unit="faces per second",
    noun="faces",
)
WITH_FACES = Variant(
    title="recurrent encoders of three modalities, concatenated",
    inputs=("audio", "text", "faces"),
    model=MDRE,
    config=MDREConfig(n_units=8),
    suggest_config=suggest,
)


def test_a_third_modality_is_a_row_and_a_variant(tones: Corpus, tmp_path: Path) -> None:
    rows: dict[str, Modality[Any]] = {**MODALITIES, FACES.name: FACES}
    assert WITH_FACES.modalities == ("audio", "text", "faces")
    packs = {}
    for name in WITH_FACES.inputs:
        stream = input_of(name)
        row = rows[stream.modality]
        row.require(tones, ["with-faces"])
        (choice,) = prepare(tones, row, FeatureOptions().specs(row, demo=True), tmp_path)
        packs[name] = stream.view(Pack.open(Path(choice.path)))
    assert packs["faces"].of(7).tolist() == [[7, 1, 0], [7, 0, 1]]
    pairs = [(u.id, number % 2) for number, u in enumerate(tones.utterances)]
    data = fold_data(packs, {"training": pairs[:40], "validation": pairs[40:60], "test": pairs[60:]}, 2)
    training = begin(WITH_FACES.model, WITH_FACES.config, WITH_FACES.recipe, data, seed=0)
    (epoch,) = train_fold(training, data, WITH_FACES.recipe, epochs=1, metric="UWA", seed=0)
    assert epoch.number == 1


def test_only_timed_frames_have_a_rate() -> None:
    spec = replace(FeatureOptions().specs(FACES, demo=True)[0], rate_hz=25.0)
    with pytest.raises(UserError, match="frames of faces are not timed, found 25 Hz"):
        FACES.open(spec)
