"""Specs of features: their labels, and that JSON keeps them."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.features.spec import EncoderSpec, FeatureChoice

specs = st.builds(
    EncoderSpec,
    st.text(min_size=1),
    st.sampled_from(["last", "0", "6", "mean:1-12"]),
    st.sampled_from(["float32", "bfloat16"]),
    st.sampled_from([None, 50.0, 25.0, 12.5]),
)


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        (EncoderSpec("logmel"), "logmel"),
        (EncoderSpec("folder@25Hz"), "folder@25Hz"),
        (EncoderSpec("a/b", rate_hz=12.5), "a/b, 12.5 Hz"),
        (EncoderSpec("a/b", "mean:1-4"), "a/b, layer mean:1-4"),
        (EncoderSpec("a/b", "6", "bfloat16", 25.0), "a/b, layer 6, 25 Hz, bfloat16"),
    ],
)
def test_a_label_is_the_name_and_what_differs_from_the_defaults(spec: EncoderSpec, label: str) -> None:
    assert spec.label == label


@given(specs)
def test_json_keeps_a_choice_and_its_spec(spec: EncoderSpec) -> None:
    choice = FeatureChoice(spec, "some/pack")
    assert FeatureChoice.from_json(json.loads(json.dumps(asdict(choice)))) == choice


def test_what_is_no_spec_is_refused() -> None:
    with pytest.raises(TypeError):
        FeatureChoice.from_json({"spec": {"name": "logmel", "hop": 3}, "path": "some/pack"})
