"""The options about features, each declared once, and the specs that they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from study.errors import UserError
from study.features.frame_rate import FRAME_RATES
from study.features.modality import Modality
from study.features.spec import ENCODER_DTYPES, FULL, LAYER, OUTPUT, EncoderSpec, canonical_layer
from study.option import option, options_of

LAYERS_LAW = "last, numbers, mean:a-b and weighted:K, several with commas for the search to choose from"
ENCODERS_LAW = (
    "encoders, several with commas for the search to choose from, each with a layer where it has its own: "
    "A:last,A:6,B:mean:3-5"
)


def _rates(text: str) -> tuple[float, ...]:
    rates = tuple(dict.fromkeys(rate.strip() for rate in text.split(",")))
    if not set(rates) <= set(FRAME_RATES):
        raise ValueError(text)
    return tuple(map(float, rates))


def _layers(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(canonical_layer(each.strip()) for each in text.split(",")))


def _encoders(text: str) -> tuple[str, ...]:
    if _is_folder(text):  # whatever the folder's name has in it
        return (text,)
    items = tuple(dict.fromkeys(item.strip() for item in text.split(",")))
    if not all(items):
        raise ValueError(text)
    return tuple(name if layer is None else f"{name}:{layer}" for name, layer in map(_name_and_layer, items))


def _name_and_layer(item: str) -> tuple[str, str | None]:
    """An encoder's name, and the layer behind it if it has its own."""
    found = re.fullmatch(rf"(.+?):({LAYER})", item)
    if found is None or _is_folder(item):
        return item, None
    return found[1], canonical_layer(found[2])


def _is_folder(text: str) -> bool:
    try:
        return Path(text).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):  # a text that no path can be, or a home that nothing is
        return False


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """Which features a study asks for; see `ser-study run --help` for the meaning of each.

    A modality's own fields begin with its name: `<modality>_features`, `_encoders`, `_layers` and `_rates_hz`. Where it
    has no such field, it has its default encoder, that encoder's output and its own rate.
    """

    audio_encoders: tuple[str, ...] = option(
        "--audio-encoder",
        "hub id, local folder, or logmel; several with commas, as A,B or A:last,A:6,B:mean:3-5 with layers: searched "
        "(microsoft/wavlm-base-plus; demo logmel)",
        default=(),
        metavar="ID",
        read=_encoders,
        law=ENCODERS_LAW,
    )
    audio_layers: tuple[str, ...] = option(
        "--audio-layer",
        "a number, last, mean:a-b, or weighted:K: learned weights of K bands of all layers (4; K times the disk); "
        "several with commas: searched (last)",
        default=(),
        metavar="L",
        read=_layers,
        law=LAYERS_LAW,
    )
    audio_rates_hz: tuple[float, ...] = option(
        "--frame-rate",
        "50, 25 or 12.5 audio frames per second, by averaging; several with commas: searched (the encoder's own)",
        default=(),
        metavar="HZ",
        read=_rates,
        law=f"one of {', '.join(FRAME_RATES)}, or several with commas for the search to choose from",
    )
    text_encoders: tuple[str, ...] = option(
        "--text-encoder",
        "hub id, local folder, or hash; several with commas, as for audio (bert-base-uncased; demo hash)",
        default=(),
        metavar="ID",
        read=_encoders,
        law=ENCODERS_LAW,
    )
    text_layers: tuple[str, ...] = option(
        "--text-layer",
        "as --audio-layer, of the text encoder (last)",
        default=(),
        metavar="L",
        read=_layers,
        law=LAYERS_LAW,
    )
    audio_features: Path | None = option(  # noqa: RUF009 (it declares the field)
        "--audio-features",
        "features instead of an audio encoder's: a folder of ID.npy, npz, HDF5, parquet, CSV, safetensors or pt (none)",
        default=None,
        metavar="PATH",
        read=Path,
        is_path=True,
    )
    text_features: Path | None = option(  # noqa: RUF009 (it declares the field)
        "--text-features",
        "features instead of a text encoder's, in the same forms (none)",
        default=None,
        metavar="PATH",
        read=Path,
        is_path=True,
    )
    encoder_dtype: str = option(
        "--encoder-dtype",
        "float32, or bfloat16: faster where the processor multiplies it, features differ by 1 to 2 % (float32)",
        default=FULL,
        metavar="TYPE",
        law=" or ".join(ENCODER_DTYPES),
        holds=lambda dtype: dtype in ENCODER_DTYPES,
    )
    trust_remote_code: bool = option("--trust-remote-code", "let a hub model run code of its own", default=False)

    def specs(self, modality: Modality[Any], demo: bool) -> tuple[EncoderSpec, ...]:
        """The choices of features that a modality has, the one of configuration 0 first; `demo`: of the demo corpus.

        They are every encoder with each of its layers at each of the rates. A precision is for encoders with weights:
        those without keep float32.

        Raises:
            UserError: layers for encoders of which each has its own.
        """
        if path := self.elsewhere(modality.name):
            return (EncoderSpec(str(path), content=""),)
        given: tuple[str, ...] = getattr(self, f"{modality.name}_layers", ())
        encoders = [_name_and_layer(item) for item in self._encoders(modality, demo)]
        if given and all(layer is not None for _, layer in encoders):
            raise UserError(
                f"--{modality.name}-layer is for encoders without a layer behind their names, and "
                f"{', '.join(self._encoders(modality, demo))} have one; found {','.join(given)}, leave the option out"
            )
        rates: tuple[float, ...] = getattr(self, f"{modality.name}_rates_hz", ())
        found = (
            EncoderSpec(name, each, FULL if name in modality.built_in else self.encoder_dtype, rate)
            for name, layer in encoders
            for each in ([layer] if layer is not None else given or [OUTPUT])
            for rate in rates or [None]
        )
        return tuple(dict.fromkeys(found))

    @classmethod
    def asking_for(cls, specs: Mapping[str, Sequence[EncoderSpec]], *, trust_remote_code: bool) -> FeatureOptions:
        """The options that ask for these features of each modality, whose `specs` they then give."""
        known, given = {each.name for each in fields(cls)}, dict[str, Any]()
        for modality, choices in specs.items():
            if choices[0].is_elsewhere:
                given[f"{modality}_features"] = Path(choices[0].name)
                continue
            rates = tuple(dict.fromkeys(choice.rate_hz for choice in choices if choice.rate_hz is not None))
            own = {**_encoders_and_layers(choices), "rates_hz": rates}
            given |= {f"{modality}_{what}": value for what, value in own.items()}
            for choice in choices:
                if choice.dtype != FULL:
                    given["encoder_dtype"] = choice.dtype
        return cls(**{name: given[name] for name in known & set(given)}, trust_remote_code=trust_remote_code)

    def check_dtype(self, modalities: Iterable[Modality[Any]], demo: bool) -> None:
        """Make sure that the precision concerns the encoder of one of the modalities at least.

        Raises:
            UserError: none of them has weights.
        """
        encoders = [
            (modality, _name_and_layer(item)[0])
            for modality in modalities
            if not self.elsewhere(modality.name)
            for item in self._encoders(modality, demo)
        ]
        if self.encoder_dtype != FULL and all(name in modality.built_in for modality, name in encoders):
            names = " and ".join(name for _, name in encoders) or "features from elsewhere"
            raise UserError(
                f"--encoder-dtype expects {FULL} where no encoder has weights, as {names}; found {self.encoder_dtype}"
            )

    def elsewhere(self, modality: str) -> Path | None:
        """Where a modality's features are that take the place of an encoder's."""
        path: Path | None = getattr(self, f"{modality}_features", None)
        return path and path.expanduser().absolute()

    def check_places(self, modalities: Iterable[str]) -> None:
        """Make sure that no modality has both features from elsewhere and options of an encoder.

        Raises:
            UserError: one has.
        """
        declared, usual = options_of(FeatureOptions), FeatureOptions()
        for modality in modalities:
            own = (f"{modality}_{what}" for what in ("encoders", "layers", "rates_hz"))
            given = [
                declared[name].flag for name in own if name in declared and getattr(self, name) != getattr(usual, name)
            ]
            if given and self.elsewhere(modality):
                raise UserError(
                    f"--{modality}-features take the place of an encoder and its options; found {given[0]} too, leave "
                    "one of them out"
                )

    def _encoders(self, modality: Modality[Any], demo: bool) -> tuple[str, ...]:
        given: tuple[str, ...] = getattr(self, f"{modality.name}_encoders", ())
        return given or (modality.demo_encoder if demo else modality.default_encoder,)


def _encoders_and_layers(choices: Sequence[EncoderSpec]) -> dict[str, tuple[str, ...]]:
    """The fields that give these encoders and layers: layers behind the names only where there are several encoders."""
    pairs = tuple(dict.fromkeys((choice.name, choice.layer) for choice in choices))
    layers = tuple(layer for _, layer in pairs)
    if len({name for name, _ in pairs}) == 1:
        return {"encoders": (pairs[0][0],), "layers": () if layers == (OUTPUT,) else layers}
    return {"encoders": tuple(f"{name}:{layer}" for name, layer in pairs), "layers": ()}
