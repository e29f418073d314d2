"""The options about features, each declared once, and the specs that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from study.errors import UserError
from study.features.frame_rate import FRAME_RATES
from study.features.modality import Modality
from study.features.spec import ENCODER_DTYPES, FULL, OUTPUT, EncoderSpec
from study.features.typed import (
    ENCODERS_LAW,
    LAYERS_LAW,
    MAX_RATE_HZ,
    PATHS_LAW,
    encoders_of,
    layers_of,
    name_and_layer,
    rates_of,
)
from study.option import option, options_of
from study.several_paths import several_paths


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
        read=encoders_of,
        law=ENCODERS_LAW,
    )
    audio_layers: tuple[str, ...] = option(
        "--audio-layer",
        "a number, last, mean:a-b, or weighted:K: learned weights of K bands of all layers (4; K times the disk); "
        "several with commas: searched (last)",
        default=(),
        metavar="L",
        read=layers_of,
        law=LAYERS_LAW,
    )
    audio_rates_hz: tuple[float, ...] = option(
        "--frame-rate",
        "50, 25 or 12.5 audio frames per second, by averaging; several with commas: searched (the encoder's own)",
        default=(),
        metavar="HZ",
        read=rates_of,
        law=f"one of {', '.join(FRAME_RATES)}, or several with commas for the search to choose from",
    )
    text_encoders: tuple[str, ...] = option(
        "--text-encoder",
        "hub id, local folder, or hash; several with commas, as for audio (bert-base-uncased; demo hash)",
        default=(),
        metavar="ID",
        read=encoders_of,
        law=ENCODERS_LAW,
    )
    text_layers: tuple[str, ...] = option(
        "--text-layer",
        "as --audio-layer, of the text encoder (last)",
        default=(),
        metavar="L",
        read=layers_of,
        law=LAYERS_LAW,
    )
    video_encoders: tuple[str, ...] = option(
        "--video-encoder",
        "hub id, local folder, or pixels; several with commas, as for audio (facebook/dinov2-base; demo pixels)",
        default=(),
        metavar="ID",
        read=encoders_of,
        law=ENCODERS_LAW,
    )
    video_layers: tuple[str, ...] = option(
        "--video-layer",
        "as --audio-layer, of the video encoder (last)",
        default=(),
        metavar="L",
        read=layers_of,
        law=LAYERS_LAW,
    )
    audio_features: tuple[Path, ...] = option(
        "--audio-features",
        "features instead of an audio encoder's: a folder of ID.npy, npz, HDF5, parquet, CSV, safetensors or pt; "
        "several with commas: searched (none)",
        default=(),
        metavar="PATH",
        read=several_paths,
        law=PATHS_LAW,
        is_path=True,
    )
    audio_feature_rate_hz: float | None = option(
        "--feature-rate",
        "how many frames per second --audio-features have, so that other rates can be asked for too (unknown)",
        default=None,
        metavar="HZ",
        read=float,
        law=f"frames per second, above 0 and at most {MAX_RATE_HZ:g}",
        holds=lambda rate: 0 < rate <= MAX_RATE_HZ,
    )
    text_features: tuple[Path, ...] = option(
        "--text-features",
        "features instead of a text encoder's, in the same forms; several with commas: searched (none)",
        default=(),
        metavar="PATH",
        read=several_paths,
        law=PATHS_LAW,
        is_path=True,
    )
    video_features: tuple[Path, ...] = option(
        "--video-features",
        "features instead of a video encoder's, in the same forms; several with commas: searched (none)",
        default=(),
        metavar="PATH",
        read=several_paths,
        law=PATHS_LAW,
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
        rates: tuple[float | None, ...] = getattr(self, f"{modality.name}_rates_hz", ())
        if paths := self.elsewhere(modality.name):
            rates = rates or (self.feature_rate_hz(modality.name),)
            return tuple(EncoderSpec(str(path), rate_hz=rate, content="") for path in paths for rate in rates)
        given: tuple[str, ...] = getattr(self, f"{modality.name}_layers", ())
        encoders = [name_and_layer(item) for item in self._encoders(modality, demo)]
        if given and all(layer is not None for _, layer in encoders):
            raise UserError(
                f"--{modality.name}-layer is for encoders without a layer behind their names, and "
                f"{', '.join(self._encoders(modality, demo))} have one; found {','.join(given)}, leave the option out"
            )
        return tuple(
            EncoderSpec(name, layer, FULL if name in modality.built_in else self.encoder_dtype, rate)
            for name, layer in _with_layers(encoders, given)
            for rate in rates or [None]
        )

    @classmethod
    def asking_for(
        cls,
        specs: Mapping[str, Sequence[EncoderSpec]],
        *,
        trust_remote_code: bool,
        audio_feature_rate_hz: float | None = None,
    ) -> FeatureOptions:
        """The options that ask for these features of each modality, whose `specs` they then give.

        A spec has the rate that features from elsewhere are brought to; `audio_feature_rate_hz` is their own.
        """
        known, given = {each.name for each in fields(cls)}, dict[str, Any]()
        for modality, choices in specs.items():
            if choices[0].is_elsewhere:
                given[f"{modality}_features"] = tuple(dict.fromkeys(Path(choice.name) for choice in choices))
            rates = tuple(dict.fromkeys(choice.rate_hz for choice in choices if choice.rate_hz is not None))
            if choices[0].is_elsewhere:
                given[f"{modality}_feature_rate_hz"] = audio_feature_rate_hz
                given[f"{modality}_rates_hz"] = () if rates == (audio_feature_rate_hz,) else rates
                continue
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
            (modality, name_and_layer(item)[0])
            for modality in modalities
            if not self.elsewhere(modality.name)
            for item in self._encoders(modality, demo)
        ]
        if self.encoder_dtype != FULL and all(name in modality.built_in for modality, name in encoders):
            names = " and ".join(name for _, name in encoders) or "features from elsewhere"
            raise UserError(
                f"--encoder-dtype expects {FULL} where no encoder has weights, as {names}; found {self.encoder_dtype}"
            )

    def elsewhere(self, modality: str) -> tuple[Path, ...]:
        """Where a modality's features are that take the place of an encoder's; none where it has an encoder."""
        paths: tuple[Path, ...] = getattr(self, f"{modality}_features", ())
        return tuple(path.expanduser().absolute() for path in paths)

    def feature_rate_hz(self, modality: str) -> float | None:
        """How many frames a second a modality's features from elsewhere have, where that is known."""
        rate: float | None = getattr(self, f"{modality}_feature_rate_hz", None)
        return rate

    def check(self, modalities: Iterable[str]) -> None:
        """Make sure that no modality has features twice, or both features from elsewhere and options of an encoder.

        Raises:
            UserError: one has.
        """
        declared, usual = options_of(FeatureOptions), FeatureOptions()
        for modality in modalities:
            self._check_each_once(modality)
            own = [f"{modality}_{what}" for what in ("encoders", "layers", "rates_hz")]
            rate = self.feature_rate_hz(modality)
            if rate is not None and not self.elsewhere(modality):
                raise UserError(
                    f"--feature-rate is of --{modality}-features, found {rate:g} without them; leave it out, or choose "
                    "an encoder's rate with --frame-rate"
                )
            if rate is not None:
                own.remove(f"{modality}_rates_hz")
            given = [
                declared[name].flag for name in own if name in declared and getattr(self, name) != getattr(usual, name)
            ]
            if given and self.elsewhere(modality):
                remedy = ", or say with --feature-rate how many they are" if given[0] == "--frame-rate" else ""
                raise UserError(
                    f"--{modality}-features take the place of an encoder and its options; found {given[0]} too, leave "
                    f"one of them out{remedy}"
                )

    def _check_each_once(self, modality: str) -> None:
        """Make sure that no features are there twice in two forms: "A,A:last", or a relative and an absolute path."""
        declared = options_of(FeatureOptions)
        encoders = map(name_and_layer, getattr(self, f"{modality}_encoders", ()))
        pairs = _with_layers(encoders, getattr(self, f"{modality}_layers", ()))
        if pairs:
            declared[f"{modality}_encoders"].check_each_once(f"{name}:{layer}" for name, layer in pairs)
        if places := self.elsewhere(modality):
            declared[f"{modality}_features"].check_each_once(map(str, places))

    def _encoders(self, modality: Modality[Any], demo: bool) -> tuple[str, ...]:
        given: tuple[str, ...] = getattr(self, f"{modality.name}_encoders", ())
        return given or (modality.demo_encoder if demo else modality.default_encoder,)


def _with_layers(encoders: Iterable[tuple[str, str | None]], layers: Sequence[str]) -> list[tuple[str, str]]:
    """Every encoder with its own layer, or else with each of `layers`; without any, its output."""
    return [(name, each) for name, layer in encoders for each in ([layer] if layer is not None else layers or [OUTPUT])]


def _encoders_and_layers(choices: Sequence[EncoderSpec]) -> dict[str, tuple[str, ...]]:
    """The fields that give these encoders and layers: layers behind the names only where there are several encoders."""
    pairs = tuple(dict.fromkeys((choice.name, choice.layer) for choice in choices))
    layers = tuple(layer for _, layer in pairs)
    if len({name for name, _ in pairs}) == 1:
        return {"encoders": (pairs[0][0],), "layers": () if layers == (OUTPUT,) else layers}
    return {"encoders": tuple(f"{name}:{layer}" for name, layer in pairs), "layers": ()}
