"""How large the model of a configuration is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from models.build import build
from study.errors import UserError
from study.features.inputs import input_of
from study.features.pack import Pack
from study.record.plan import Plan
from study.record.search_name import variant_of
from study.samplers.proposer import configuration
from study.training.loop import learned_missing
from study.variants import VARIANTS


def n_parameters(plan: Plan, search: str, params: Mapping[str, Any]) -> int | None:
    """The number of parameters that a configuration of a search learns; None where its features cannot be read."""
    row = VARIANTS[variant_of(search)].choosing(plan.choices())
    config, recipe = configuration(row, params)
    if row.model is None:
        return None
    try:
        packs = {name: _pack(plan, name, recipe.features) for name in row.inputs}
    except UserError:
        return None
    dims = {name: pack.band_dim for name, pack in packs.items()}
    bands = {name: pack.bands for name, pack in packs.items() if pack.bands}
    with torch.device("meta"):  # counted, and never filled
        missing = learned_missing(recipe, dims, [name for name, ids in plan.missing_in(dims).items() if ids])
        module = build(row.model, config, dims, bands, len(plan.classes), missing)
    return sum(parameter.numel() for parameter in module.parameters())


def _pack(plan: Plan, stream: str, features: Mapping[str, str]) -> Pack:
    source = input_of(stream)
    return source.view(Pack.open(Path(plan.pack(source.modality, features.get(source.modality)))))
