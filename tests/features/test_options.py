"""From the options about features to the specs that they stand for."""

import re
from pathlib import Path
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
    options = given(audio_encoders="a/b", audio_layers="6", audio_rates_hz="50, 12.5")
    expected = (EncoderSpec("a/b", "6", rate_hz=50.0), EncoderSpec("a/b", "6", rate_hz=12.5))
    assert options.specs(AUDIO, demo=False) == expected
    assert options.specs(TEXT, demo=False) == (EncoderSpec("bert-base-uncased"),)


def test_an_encoder_without_a_layer_of_its_own_has_those_of_the_option() -> None:
    options = given(audio_encoders="a/b:last, c/d,a/b:mean:3-05", audio_layers="6,mean:01-2", text_layers="1")
    expected = (("a/b", "last"), ("c/d", "6"), ("c/d", "mean:1-2"), ("a/b", "mean:3-5"))
    assert options.specs(AUDIO, demo=False) == tuple(EncoderSpec(*each) for each in expected)
    assert options.specs(TEXT, demo=False) == (EncoderSpec("bert-base-uncased", "1"),)


def test_every_layer_is_at_every_rate() -> None:
    found = given(audio_encoders="a/b:2,c/d", audio_rates_hz="50,25").specs(AUDIO, demo=False)
    assert [each.label for each in found] == [
        "a/b, layer 2, 50 Hz", "a/b, layer 2, 25 Hz", "c/d, 50 Hz", "c/d, 25 Hz",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ({"audio_encoders": "a/b, a/b"}, "--audio-encoder expects each value once; found a/b 2 times"),
        ({"audio_encoders": "a/b,a/b:last"}, "--audio-encoder expects each value once; found a/b:last 2 times"),
        ({"text_encoders": "a/b:6,a/b", "text_layers": "1,6"}, "--text-encoder expects each value once; found a/b:6 2"),
        ({"audio_layers": "last,6,last,last"}, "--audio-layer expects each value once; found last 3 times"),
        ({"video_layers": "mean:3-5,mean:03-5"}, "--video-layer expects each value once; found mean:3-5 2 times"),
        ({"audio_rates_hz": "50,25,50"}, "--frame-rate expects each value once; found 50 2 times"),
        ({"text_features": "x,./x"}, "--text-features expects each value once; found x 2 times"),
        ({"audio_features": f"x,{Path('x').absolute()}"}, "--audio-features expects each value once; found /"),
    ],
)
def test_features_that_are_there_twice_are_refused(texts: dict[str, str], found: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(found)}.*, leave the others out$"):
        given(**texts).check(MODALITIES)


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"audio_layers": "6"},
        {"audio_layers": "last,6", "audio_rates_hz": "50,25"},
        {"audio_encoders": "a/b:6,a/b:last"},
        {"audio_encoders": "a/b,logmel", "text_encoders": "x:1,y", "text_layers": "last,mean:0-1"},
        {"audio_encoders": "a/b,logmel:last", "audio_layers": "1,2", "encoder_dtype": "bfloat16"},
    ],
)
def test_the_options_that_ask_for_specs_give_them(texts: dict[str, str]) -> None:
    found = {row.name: given(**texts).specs(row, demo=False) for row in MODALITIES.values()}
    again = FeatureOptions.asking_for(found, trust_remote_code=False)
    assert {row.name: again.specs(row, demo=False) for row in MODALITIES.values()} == found
    options = options_of(FeatureOptions)
    for name in ("audio_encoders", "audio_layers", "text_encoders", "text_layers"):
        if value := getattr(again, name):
            assert options[name].value(options[name].text(value)) == value


def test_a_folder_is_one_encoder_whatever_its_name_has_in_it(tmp_path: Path) -> None:
    odd = tmp_path / "a,b:6"
    odd.mkdir()
    assert given(audio_encoders=str(odd)).specs(AUDIO, demo=False) == (EncoderSpec(str(odd)),)
    colon = tmp_path / "model:6"
    colon.mkdir()
    found = given(audio_encoders=f"{colon}:3,{colon}").specs(AUDIO, demo=False)
    assert found == (EncoderSpec(str(colon), "3"), EncoderSpec(str(colon)))


def test_several_places_are_searched_and_a_comma_may_be_part_of_a_name(tmp_path: Path) -> None:
    for name in ("a", "b,c", "d"):
        (tmp_path / name).mkdir()
    places = tuple(tmp_path / name for name in ("b,c", "a", "d", "gone"))
    options = given(audio_features=",".join(map(str, places)))
    assert options.elsewhere("audio") == places
    assert options.specs(AUDIO, demo=False) == tuple(EncoderSpec(str(place), content="") for place in places)
    assert given(text_features=str(places[0])).elsewhere("text") == places[:1]
    with pytest.raises(UserError, match="--audio-features expects places with features, several with commas"):
        given(audio_features="a,,b")


def test_a_declared_rate_of_features_may_be_lowered() -> None:
    options = given(audio_features="/x,/y", audio_feature_rate_hz="50")
    options.check(MODALITIES)
    assert [(each.name, each.rate_hz) for each in options.specs(AUDIO, demo=False)] == [("/x", 50.0), ("/y", 50.0)]
    lower = given(audio_features="/x", audio_feature_rate_hz="50", audio_rates_hz="25,50")
    lower.check(MODALITIES)
    assert [each.rate_hz for each in lower.specs(AUDIO, demo=False)] == [25.0, 50.0]
    for each in (options, lower, given(text_features="/z,/w")):
        specs = {row.name: each.specs(row, demo=False) for row in MODALITIES.values()}
        rate = each.feature_rate_hz("audio")
        again = FeatureOptions.asking_for(specs, trust_remote_code=False, audio_feature_rate_hz=rate)
        again.check(MODALITIES)
        assert {row.name: again.specs(row, demo=False) for row in MODALITIES.values()} == specs
    with pytest.raises(UserError, match="--feature-rate is of --audio-features, found 50 without them; leave it out"):
        given(audio_feature_rate_hz="50").check(MODALITIES)
    with pytest.raises(UserError, match="found --frame-rate too, leave one of them out, or say with --feature-rate"):
        given(audio_features="/x", audio_rates_hz="25").check(MODALITIES)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", ""])
def test_a_rate_of_features_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--feature-rate expects frames per second, above 0 and at most 1000; found"):
        given(audio_feature_rate_hz=text)


def test_layers_that_no_encoder_would_have_are_refused() -> None:
    with pytest.raises(UserError, match=r"--audio-layer is for encoders without a layer .*a/b:2 have one; found 1,3"):
        given(audio_encoders="a/b:2", audio_layers="1,3").specs(AUDIO, demo=False)


@pytest.mark.parametrize("text", ["", "6,", "first", "mean:1", "-1", "weighted:", "weighted:a"])
def test_a_layer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(
        UserError, match="--text-layer expects last, numbers, mean:a-b and weighted:K, several with commas"
    ):
        given(text_layers=text)


def test_an_encoder_without_a_name_is_refused() -> None:
    with pytest.raises(UserError, match="--audio-encoder expects encoders, several with commas"):
        given(audio_encoders="a/b,,c/d")


@pytest.mark.parametrize("text", ["30", "50,", "fast", ""])
def test_a_frame_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--frame-rate expects one of 50, 25, 12\.5, or several"):
        given(audio_rates_hz=text)


def test_a_precision_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="--encoder-dtype expects float32 or bfloat16; found half"):
        given(encoder_dtype="half")


def test_the_precision_means_the_encoders_with_weights() -> None:
    half = given(encoder_dtype="bfloat16", text_encoders="my/bert", audio_rates_hz="12.5")
    half.check_dtype(MODALITIES.values(), demo=True)
    assert half.specs(AUDIO, demo=True) == (EncoderSpec("logmel", rate_hz=12.5),)
    assert half.specs(TEXT, demo=True) == (EncoderSpec("my/bert", dtype="bfloat16"),)
    assert half.specs(AUDIO, demo=False) == (EncoderSpec("microsoft/wavlm-base-plus", dtype="bfloat16", rate_hz=12.5),)
    FeatureOptions().check_dtype(MODALITIES.values(), demo=True)


def test_a_precision_without_weights_anywhere_is_refused() -> None:
    law = r"--encoder-dtype expects float32 where no encoder has weights, as logmel and hash and pixels; found bfloat16"
    with pytest.raises(UserError, match=law):
        given(encoder_dtype="bfloat16").check_dtype(MODALITIES.values(), demo=True)
