"""From the options about features to the specs that they stand for."""

from typing import Any

import pytest

from study.errors import UserError
from study.features.options import FeatureOptions
from study.features.spec import EncoderSpec
from study.modalities import AUDIO, MODALITIES, TEXT
from study.option import options_of


def given(**texts: str) -> FeatureOptions:
    """The options as they are typed."""
    options = options_of(FeatureOptions)
    values: dict[str, Any] = {name: options[name].value(text) for name, text in texts.items()}
    return FeatureOptions(**values)


@pytest.mark.parametrize("modality", MODALITIES.values(), ids=lambda modality: modality.name)
def test_a_modality_has_its_default_encoder(modality: Any) -> None:
    assert FeatureOptions().specs(modality, demo=True) == (EncoderSpec(modality.demo_encoder),)
    assert FeatureOptions().specs(modality, demo=False) == (EncoderSpec(modality.default_encoder),)
    assert modality.demo_encoder in modality.built_in


def test_several_frame_rates_are_several_choices_in_the_order_given() -> None:
    options = given(audio_encoder="a/b", audio_layer="6", audio_rates_hz="50, 12.5,50")
    expected = (EncoderSpec("a/b", "6", rate_hz=50.0), EncoderSpec("a/b", "6", rate_hz=12.5))
    assert options.specs(AUDIO, demo=False) == expected
    assert options.specs(TEXT, demo=False) == (EncoderSpec("bert-base-uncased"),)


@pytest.mark.parametrize("text", ["30", "50,", "fast", ""])
def test_a_frame_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--frame-rate expects one of 50, 25, 12\.5, or several"):
        given(audio_rates_hz=text)


def test_a_precision_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="--encoder-dtype expects float32 or bfloat16; found half"):
        given(encoder_dtype="half")


def test_the_precision_means_the_encoders_with_weights() -> None:
    half = given(encoder_dtype="bfloat16", text_encoder="my/bert", audio_rates_hz="12.5")
    half.check_dtype(MODALITIES.values(), demo=True)
    assert half.specs(AUDIO, demo=True) == (EncoderSpec("logmel", rate_hz=12.5),)
    assert half.specs(TEXT, demo=True) == (EncoderSpec("my/bert", dtype="bfloat16"),)
    assert half.specs(AUDIO, demo=False) == (EncoderSpec("microsoft/wavlm-base-plus", dtype="bfloat16", rate_hz=12.5),)
    FeatureOptions().check_dtype(MODALITIES.values(), demo=True)


def test_a_precision_without_weights_anywhere_is_refused() -> None:
    law = r"--encoder-dtype expects float32 where no encoder has weights, as logmel and hash; found bfloat16"
    with pytest.raises(UserError, match=law):
        given(encoder_dtype="bfloat16").check_dtype(MODALITIES.values(), demo=True)
