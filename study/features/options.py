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
from study.option import option, options_of


def _rates(text: str) -> tuple[float, ...]:
    rates = tuple(dict.fromkeys(rate.strip() for rate in text.split(",")))
    if not set(rates) <= set(FRAME_RATES):
        raise ValueError(text)
    return tuple(map(float, rates))


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """Which features a study asks for; see `ser-study run --help` for the meaning of each.

    A modality's own fields begin with its name: `<modality>_features`, `_encoder`, `_layer` and `_rates_hz`. Where it
    has no such field, it has its default encoder, that encoder's output and its own rate.
    """

    audio_encoder: str | None = option(
        "--audio-encoder",
        "hub id, local folder, or logmel (microsoft/wavlm-base-plus; demo logmel)",
        default=None,
        metavar="ID",
    )
    audio_layer: str = option("--audio-layer", "a number, last, or mean:a-b (last)", default=OUTPUT, metavar="L")
    audio_rates_hz: tuple[float, ...] = option(
        "--frame-rate",
        "50, 25 or 12.5 audio frames per second, by averaging; several with commas: searched (the encoder's own)",
        default=(),
        metavar="HZ",
        read=_rates,
        law=f"one of {', '.join(FRAME_RATES)}, or several with commas for the search to choose from",
    )
    text_encoder: str | None = option(
        "--text-encoder", "hub id, local folder, or hash (bert-base-uncased; demo hash)", default=None, metavar="ID"
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

        A precision is for encoders with weights: those without keep float32.
        """
        if path := self.elsewhere(modality.name):
            return (EncoderSpec(str(path), content=""),)
        name = self._encoder(modality, demo)
        layer: str = getattr(self, f"{modality.name}_layer", OUTPUT)
        rates: tuple[float, ...] = getattr(self, f"{modality.name}_rates_hz", ())
        dtype = FULL if name in modality.built_in else self.encoder_dtype
        return tuple(EncoderSpec(name, layer, dtype, rate) for rate in rates or (None,))

    @classmethod
    def asking_for(cls, specs: Mapping[str, Sequence[EncoderSpec]], *, trust_remote_code: bool) -> FeatureOptions:
        """The options that ask for these features of each modality, whose `specs` they then give."""
        known, given = {each.name for each in fields(cls)}, dict[str, Any]()
        for modality, choices in specs.items():
            if choices[0].is_elsewhere:
                given[f"{modality}_features"] = Path(choices[0].name)
                continue
            rates = tuple(choice.rate_hz for choice in choices if choice.rate_hz is not None)
            own = {"encoder": choices[0].name, "layer": choices[0].layer, "rates_hz": rates}
            given |= {f"{modality}_{what}": value for what, value in own.items()}
            if choices[0].dtype != FULL:
                given["encoder_dtype"] = choices[0].dtype
        return cls(**{name: given[name] for name in known & set(given)}, trust_remote_code=trust_remote_code)

    def check_dtype(self, modalities: Iterable[Modality[Any]], demo: bool) -> None:
        """Make sure that the precision concerns the encoder of one of the modalities at least.

        Raises:
            UserError: none of them has weights.
        """
        encoders = [
            (modality, self._encoder(modality, demo)) for modality in modalities if not self.elsewhere(modality.name)
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
            own = (f"{modality}_{what}" for what in ("encoder", "layer", "rates_hz"))
            given = [
                declared[name].flag for name in own if name in declared and getattr(self, name) != getattr(usual, name)
            ]
            if given and self.elsewhere(modality):
                raise UserError(
                    f"--{modality}-features take the place of an encoder and its options; found {given[0]} too, leave "
                    "one of them out"
                )

    def _encoder(self, modality: Modality[Any], demo: bool) -> str:
        given: str | None = getattr(self, f"{modality.name}_encoder", None)
        return given or (modality.demo_encoder if demo else modality.default_encoder)
