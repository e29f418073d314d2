"""What a model folder's config.json holds, typed: everything that a prediction depends on but the weights.

The file is hostile data: what is read is checked field by field, and sizes are bounded before anything is built.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from study.features.spec import EncoderSpec
from study.variants import TRAINED

MODEL_TYPE, FORMAT = "ser-study", 1
WEIGHTS_KINDS = ("folds", "refit")
# Whose temperature it is, for readers of config.json.
TEMPERATURE_NOTES = {
    "folds": "validation predictions of the members",
    "refit": "validation predictions of the study's fold runs: nothing is left to fit one of this model on",
}
# Far above any model of a study, and small enough to build.
MOST_CLASSES, MOST_MEMBERS, LARGEST_SIZE, LONGEST_TEXT = 1000, 1000, 100_000, 300
LARGEST_TEMPERATURE = 100
Value = TypeVar("Value")
Plain = int | float | str | bool | None


@dataclass(frozen=True)
class StreamConfig:
    """One stream that the models read: its modality, the dimensions of a frame or of a band of it, and the bands."""

    modality: str
    dim: int
    bands: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModalityConfig:
    """How a modality's frames are made: the spec to open the encoder by, and the identity that it must have."""

    spec: EncoderSpec
    identity: Mapping[str, Any]


@dataclass(frozen=True)
class MemberConfig:
    """One model of the folder: the fold run that it is from, or none for one that all data trained, and its epoch."""

    run: str
    fold: int | None
    seed: int
    epoch: int


@dataclass(frozen=True)
class ModelConfig:
    """A model folder without its weights.

    `weights` is "folds" (the reported models of every fold and seed) or "refit" (one model of all data). `classes` are
    in the order of the models' outputs. `model` has the fields of the variant's config, `recipe` how it was trained;
    `streams` are by name, `modalities` by theirs. `study` and `corpus` say where it is from, by names and digests.
    `temperature` divides every member's logits: it is fitted on the validation predictions of the fold runs. Of the
    streams in `missing` the models have a learned vector, which stands for what an utterance lacks.
    """

    variant: str
    weights: str
    classes: tuple[str, ...]
    model: Mapping[str, Plain]
    recipe: Mapping[str, Any]
    streams: Mapping[str, StreamConfig]
    modalities: Mapping[str, ModalityConfig]
    members: tuple[MemberConfig, ...]
    study: Mapping[str, str]
    corpus: Mapping[str, str]
    temperature: float = 1.0
    missing: tuple[str, ...] = ()

    def may_lack(self, modality: str) -> bool:
        """Whether the models have learned to predict without a modality that they read."""
        own = [name for name, stream in self.streams.items() if stream.modality == modality]
        return bool(own) and set(own) <= set(self.missing)

    @property
    def reads_words(self) -> bool:
        """Whether the models read words."""
        return "text" in self.modalities

    @property
    def reads_audio(self) -> bool:
        """Whether the models read recordings."""
        return "audio" in self.modalities

    @property
    def reads_video(self) -> bool:
        """Whether a prediction needs a film."""
        return "video" in self.modalities

    @property
    def reads_files(self) -> bool:
        """Whether a prediction needs a file: of sound, or a film, which may have both."""
        return self.reads_audio or self.reads_video

    def needs_files(self, has_words: bool) -> bool:
        """Whether a prediction needs a file: not one from words, if that was learnt."""
        read = [name for name, is_read in (("audio", self.reads_audio), ("video", self.reads_video)) if is_read]
        return bool(read) and not (has_words and all(map(self.may_lack, read)))

    @property
    def reads(self) -> str:
        """What it reads of files, in words."""
        return " and ".join(["sound"] * self.reads_audio + ["film"] * self.reads_video)

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The modalities whose features another program made: from a recording, they cannot be made here."""
        return tuple(name for name, own in self.modalities.items() if own.spec.is_elsewhere)

    def to_text(self) -> str:
        """The content of config.json."""
        facts = asdict(self)
        classes = facts.pop("classes")
        if not self.missing:  # folders of models that lacked nothing are as they always were
            del facts["missing"]
        by_number = {str(number): name for number, name in enumerate(classes)}
        head = {"model_type": MODEL_TYPE, "format": FORMAT, "variant": self.variant, "weights": self.weights}
        labels = {"id2label": by_number, "label2id": {name: number for number, name in enumerate(classes)}}
        facts["temperature_fitted_on"] = TEMPERATURE_NOTES[self.weights]
        return json.dumps({**head, **labels, **facts}, indent=1, ensure_ascii=False) + "\n"


def config_of(text: str | bytes) -> ModelConfig:
    """The config whose `to_text` is `text`.

    Raises:
        ValueError: it is none; the message says what is wrong.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("values that are nested too deeply") from None
    if _field(found, "model_type", str) != MODEL_TYPE:
        raise ValueError(f"a model of type {found['model_type'][:LONGEST_TEXT]!r}, not {MODEL_TYPE!r}")
    if (number := _field(found, "format", int)) != FORMAT:
        raise ValueError(f"format {number}, and this version reads {FORMAT}; use the version that wrote it")
    if (variant := _field(found, "variant", str)) not in TRAINED:
        raise ValueError(f"variant {variant[:LONGEST_TEXT]!r}, and this version has {', '.join(TRAINED)}")
    if (weights := _field(found, "weights", str)) not in WEIGHTS_KINDS:
        raise ValueError(f"weights {weights[:LONGEST_TEXT]!r}, not {' or '.join(WEIGHTS_KINDS)}")
    streams = {str(name): _stream(own) for name, own in _field(found, "streams", dict).items()}
    return ModelConfig(
        variant=variant,
        weights=weights,
        classes=_classes(_field(found, "id2label", dict)),
        model=_plain(_field(found, "model", dict)),
        recipe=_field(found, "recipe", dict),
        streams=streams,
        modalities={str(name): _modality(own) for name, own in _field(found, "modalities", dict).items()},
        members=_members(_field(found, "members", list)),
        study=_texts(_field(found, "study", dict)),
        corpus=_texts(_field(found, "corpus", dict)),
        temperature=_temperature(_field(found, "temperature", int | float)),
        missing=_missing(found, streams) if "missing" in found else (),
    )


def _classes(by_number: Mapping[str, Any]) -> tuple[str, ...]:
    if not 2 <= len(by_number) <= MOST_CLASSES or set(by_number) != {str(n) for n in range(len(by_number))}:
        raise ValueError(f"id2label that does not number 2 to {MOST_CLASSES} classes from 0")
    names = tuple(by_number[str(number)] for number in range(len(by_number)))
    if len(set(map(str, names))) != len(names) or not all(isinstance(name, str) and _is_label(name) for name in names):
        raise ValueError("classes that are not different printable texts")
    return names


def _missing(found: Mapping[str, Any], streams: Mapping[str, StreamConfig]) -> tuple[str, ...]:
    names = _field(found, "missing", list)
    if not all(isinstance(name, str) and name in streams for name in names) or len(set(names)) != len(names):
        raise ValueError("missing that does not name streams of the model")
    return tuple(names)


def _temperature(found: float) -> float:
    if not 1 / LARGEST_TEMPERATURE <= found <= LARGEST_TEMPERATURE:
        raise ValueError(f"a temperature beyond 1/{LARGEST_TEMPERATURE} to {LARGEST_TEMPERATURE}")
    return float(found)


def _is_label(name: str) -> bool:
    return 0 < len(name) <= LONGEST_TEXT and name.isprintable()


def _plain(fields: Mapping[str, Any]) -> dict[str, Plain]:
    for name, value in fields.items():
        is_size = isinstance(value, int | float) and not abs(value) <= LARGEST_SIZE
        if not isinstance(value, int | float | str | bool | None) or is_size:
            raise ValueError(f"model {str(name)[:LONGEST_TEXT]!r} that is no usual value")
    return dict(fields)


def _stream(found: Any) -> StreamConfig:
    dim, bands = _field(found, "dim", int), _field(found, "bands", list)
    if not 1 <= dim <= LARGEST_SIZE or len(bands) > LARGEST_SIZE or not all(isinstance(each, str) for each in bands):
        raise ValueError("a stream without usual dimensions")
    return StreamConfig(_field(found, "modality", str), dim, tuple(bands))


def _modality(found: Any) -> ModalityConfig:
    spec = _field(found, "spec", dict)
    kinds = {"name": str, "layer": str, "dtype": str, "rate_hz": int | float | None, "content": str | None}
    if set(spec) != set(kinds) or not all(isinstance(spec[name], kind) for name, kind in kinds.items()):
        raise ValueError("an encoder's spec that is none")
    return ModalityConfig(EncoderSpec(**spec), _field(found, "identity", dict))


def _members(found: list[Any]) -> tuple[MemberConfig, ...]:
    if not 1 <= len(found) <= MOST_MEMBERS:
        raise ValueError(f"{len(found)} members, not 1 to {MOST_MEMBERS}")
    return tuple(
        MemberConfig(
            _field(each, "run", str),
            _field(each, "fold", int) if _field(each, "fold", int | None) is not None else None,
            _field(each, "seed", int),
            _field(each, "epoch", int),
        )
        for each in found
    )


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in found.values()):
        raise ValueError("a value of another kind where texts are expected")
    return dict(found)


def _field(found: Any, name: str, kind: Any) -> Any:
    """The value of a key, after making sure that it is of this kind."""
    if not isinstance(found, dict) or name not in found:
        raise ValueError(f"no {name}")
    value = found[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"a {name} of type {type(value).__name__}")
    return value
