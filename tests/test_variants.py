"""Laws that every row of the variants table keeps."""

import json
import pickle
from dataclasses import asdict, replace

import optuna
import pytest
import torch
from optuna.trial import FixedTrial

from models.streams import Stream
from study.samplers.proposer import configuration, published_params
from study.variants import TRAINED, VARIANTS

DIMS = {"audio": 7, "text": 5, "sentence": 5, "video": 6}
LENGTHS = {"audio": (9, 3, 14, 1), "text": (2, 1, 6, 3), "sentence": (1, 1, 1, 1), "video": (3, 5, 1, 2)}
every_variant = pytest.mark.parametrize("name", TRAINED)


def build(name, config=None, n_classes=4):
    torch.manual_seed(0)
    variant = VARIANTS[name]
    dims = {name: DIMS[name] for name in variant.inputs}
    return variant.model(config or variant.config, dims, n_classes)


def streams_of(name, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return {
        modality: Stream(torch.randn(sum(LENGTHS[modality]), DIMS[modality], generator=generator), LENGTHS[modality])
        for modality in VARIANTS[name].inputs
    }


def reordered(streams, order):
    result = {}
    for modality, stream in streams.items():
        parts = stream.split()
        result[modality] = Stream(torch.cat([parts[i] for i in order]), tuple(stream.lengths[i] for i in order))
    return result


@every_variant
def test_gives_one_finite_logit_per_class_and_utterance(name):
    logits = build(name).eval()(streams_of(name))
    assert logits.shape == (4, 4)
    assert torch.isfinite(logits).all()


@every_variant
def test_utterances_in_a_batch_do_not_influence_each_other(name):
    model, streams = build(name).eval(), streams_of(name)
    together = model(streams)
    alone = torch.cat([model(reordered(streams, [i])) for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@every_variant
def test_batch_order_does_not_matter(name):
    model, streams, order = build(name).eval(), streams_of(name), [2, 0, 3, 1]
    torch.testing.assert_close(model(reordered(streams, order)), model(streams)[order], atol=1e-5, rtol=1e-5)


@every_variant
def test_every_parameter_gets_a_gradient(name):
    model = build(name)
    torch.nn.functional.cross_entropy(model(streams_of(name)), torch.arange(4)).backward()
    without = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    # A recurrent layer that only ever sees one frame starts from zero there: its recurrent weights have no effect.
    assert [key for key in without if "sentence" not in key or "weight_hh" not in key] == []


@every_variant
def test_state_survives_a_round_trip(name):
    model, other = build(name).eval(), build(name).eval()
    for value in other.parameters():
        torch.nn.init.normal_(value)
    other.load_state_dict(model.state_dict())
    assert other(streams_of(name)).equal(model(streams_of(name)))


@every_variant
def test_weights_are_read_into_a_module_that_was_built_without_memory(name):
    with torch.device("meta"):
        opened = build(name)
    model = build(name).eval()
    opened.load_state_dict(model.state_dict(), assign=True)
    assert not any(value.is_meta for value in (*opened.parameters(), *opened.buffers()))
    assert opened.eval()(streams_of(name)).equal(model(streams_of(name)))


@every_variant
def test_its_config_is_read_from_json(name):
    variant = VARIANTS[name]
    assert variant.rebuilt(json.loads(json.dumps(asdict(variant.config)))) == variant.config


@every_variant
def test_config_and_table_row_pickle_so_that_ray_can_ship_them(name):
    variant = VARIANTS[name]
    assert pickle.loads(pickle.dumps(variant.config)) == variant.config
    assert pickle.loads(pickle.dumps(variant.model)) is variant.model


@every_variant
def test_configuration_zero_is_the_published_setting_exactly(name):
    variant = VARIANTS[name]
    assert configuration(variant, published_params(variant)) == (variant.config, variant.recipe)


@every_variant
def test_any_draw_of_its_space_builds_runs_and_replays_from_its_parameters(name):
    variant = VARIANTS[name]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(25):
        trial = study.ask()
        config, recipe = variant.suggest(trial)
        assert variant.suggest(FixedTrial(trial.params)) == (config, recipe)
        assert torch.isfinite(build(name, config)(streams_of(name))).all()


@every_variant
def test_modality_dropout_is_chosen_where_there_are_several_modalities_and_changes_nothing_else(name):
    variant, published = VARIANTS[name], published_params(VARIANTS[name])
    chosen = variant.choosing({"modality_dropout": ("0", "0.3")})
    if len(variant.inputs) == 1:
        assert chosen == variant
        return
    assert [start["modality_dropout"] for start in chosen.starts()] == ["0", "0.3"]
    for label, share in (("0", 0.0), ("0.3", 0.3)):
        config, recipe = chosen.suggest(FixedTrial({**published, "modality_dropout": label}))
        assert (config, recipe) == (variant.config, replace(variant.recipe, modality_dropout=share))


def test_cross_attention_has_one_attention_per_ordered_pair():
    from models.cross_attention import CrossAttention
    from models.fusion import FusionConfig

    model = CrossAttention(FusionConfig(), {"audio": 7, "text": 5, "video": 3}, 4)
    assert set(model.pairs) == {
        (a, b) for a in ("audio", "text", "video") for b in ("audio", "text", "video") if a != b
    }


def test_published_width_is_the_publications():
    from models.fusion import FusionConfig

    assert (FusionConfig().n_heads, FusionConfig().width, FusionConfig().dropout) == (6, 120, 0.1)
