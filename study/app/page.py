"""The verb `page`: a model in the browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from study.app.model_place import model_at
from study.app.output import print_line
from study.app.predict import EncoderPlaces
from study.errors import FINISHED
from study.inference.card import warning
from study.inference.page import page, serve
from study.inference.ser_model import SerModel
from study.option import option


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """Where the page is served."""

    port: int | None = option(
        "--port",
        "the port on this machine (the first free one from 7860)",
        default=None,
        metavar="P",
        read=int,
        law="a port from 1 to 65535",
        holds=lambda port: 0 < port < 65536,
    )


def show_page(name: str, output: Path, options: PageOptions, places: EncoderPlaces, console: Console) -> int:
    """Serve a page for the model that `name` stands for, until the process is interrupted.

    Raises:
        UserError: gradio is not installed, the port is taken, or the model cannot be used.
    """
    predictor = places.predictor(model_at(name, output, console))
    config = predictor.config
    blocks = page(SerModel(predictor), f"{config.study['name']}: {config.variant}", warning(config))
    address = serve(blocks, options.port, wait=False)
    print_line(console, f"page  {address}   (Ctrl-C ends it)")
    blocks.block_thread()
    return FINISHED
