"""Tiny encoders of pictures, each saved with the image processor of its family."""

from pathlib import Path
from typing import Any

import torch
import transformers

SIDE, WIDTH, LAYERS = 32, 16, 3
SIZES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 2 * WIDTH,
    "image_size": SIDE,
    "patch_size": 8,
}
TEXT = {**{name: SIZES[name] for name in list(SIZES)[:4]}, "vocab_size": 20, "max_position_embeddings": 8}

SIZE = {"height": SIDE, "width": SIDE}


def save_tiny_vision(family: str, folder: Path) -> Path:
    """A model of a family with random weights, as save_pretrained writes it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, processor = _made(family)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _made(family: str) -> tuple[Any, Any]:
    if family == "vit":
        model = transformers.ViTModel(transformers.ViTConfig(**SIZES), add_pooling_layer=False)
        processor = transformers.ViTImageProcessorPil(size=SIZE)
    elif family == "clip":
        model = transformers.CLIPModel(transformers.CLIPConfig(text_config=TEXT, vision_config=SIZES, projection_dim=8))
        processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SIZE)
    elif family == "siglip":
        model = transformers.SiglipModel(transformers.SiglipConfig(text_config=TEXT, vision_config=SIZES))
        processor = transformers.SiglipImageProcessorPil(size=SIZE)
    elif family == "dinov2":
        model = transformers.Dinov2Model(transformers.Dinov2Config(**SIZES))
        processor = transformers.BitImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SIZE)
    else:
        config = transformers.ConvNextConfig(hidden_sizes=[WIDTH] * 4, depths=[1, 1, 1, 1], image_size=SIDE)
        model, processor = (
            transformers.ConvNextModel(config),
            transformers.ConvNextImageProcessorPil(size={"shortest_edge": SIDE}),
        )
    for parameter in model.parameters():  # fresh weights are so small that layers hardly differ
        if parameter.ndim > 1:
            parameter.data.normal_(0, 0.3)
    return model, processor
