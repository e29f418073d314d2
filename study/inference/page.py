"""A page in the browser to try a model: a recording or the microphone, the words, and the classes as bars.

It needs the extra `page` (gradio), and no network: nothing is sent anywhere but to the server on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import UserError
from study.inference.door import PAGE, named
from study.inference.predictor import Prediction
from study.inference.recording import words_of
from study.inference.ser_model import SerModel

if TYPE_CHECKING:
    from gradio import Blocks

# Fonts of the system: the library's own themes load theirs from the network.
FONTS = ["system-ui", "sans-serif"]
MONOSPACE = ["ui-monospace", "monospace"]
# How often uploads are looked through, and how old those are that are removed.
CACHE_SECONDS = (600, 600)
WINDOWS = ["from", "to", "most probable", "probability"]


@dataclass(frozen=True)
class Answer:
    """What the page shows: probabilities by class, the words, a row for each of several windows, and what is said."""

    shares: dict[str, float]
    words: str
    windows: list[list[str]]
    notes: tuple[str, ...]


def page(model: SerModel, title: str, note: str) -> Blocks:
    """The page of a model, not yet served; `note` is what its figures do and do not mean.

    Raises:
        UserError: gradio is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio
    except ImportError as error:
        raise UserError(f"a page needs gradio ({error}); run `pip install 'ser-study[page]'`") from error

    def predicted(*values: str | None) -> tuple[dict[str, float], str, Any]:
        *recordings, words = values
        try:
            found = answer(model, one_of(recordings), words or "")
        except UserError as error:
            raise gradio.Error(str(error), print_exception=False) from None
        for note in found.notes:
            gradio.Warning(note)
        return found.shares, found.words, gradio.Dataframe(found.windows, visible=bool(found.windows))

    with gradio.Blocks(analytics_enabled=False, title=title, delete_cache=CACHE_SECONDS) as blocks:
        gradio.Markdown(f"# {title}\n\n{note}")
        with gradio.Row():
            with gradio.Column():
                recordings = recording_boxes(model)
                words = gradio.Textbox(
                    label="words, recognised where the box is empty" if model.recognises else "words",
                    visible=model.reads_words,
                )
                button = gradio.Button("predict", variant="primary")
            with gradio.Column():
                label = gradio.Label(label="emotion")
                windows = gradio.Dataframe(
                    headers=WINDOWS, label="windows of a long recording", interactive=False, visible=False
                )
        button.click(predicted, [*recordings, words], [label, words, windows], api_name="predict")
    return blocks


def answer(model: SerModel, recording: str | None, words: str = "") -> Answer:
    """What the page shows of a recording in a file, or of none, and of what is in the box of words.

    An empty box is no words where they can be recognised or were missing in training, and the words of silence where
    not.

    Raises:
        UserError: the recording cannot be read, or there is nothing that the model could predict from; in the words of
            the page.
    """
    given = words_of(words) or (None if model.recognises else "")
    with named(Path(recording), "the recording") if recording else nullcontext():
        found = model.behind(PAGE).predict(recording, text=given if model.reads_words else None)
    shares = dict(zip(model.labels, found.probabilities, strict=True))
    return Answer(shares, words if found.words is None else found.words, _windows(model, found), found.notes)


def one_of(recordings: Sequence[str | None]) -> str | None:
    """The recording that one of the boxes holds, if any does.

    Raises:
        UserError: several boxes hold one.
    """
    given = [recording for recording in recordings if recording]
    if len(given) > 1:
        raise UserError("a prediction is of a film or of a recording, and both are given; empty one of the boxes")
    return given[0] if given else None


def recording_boxes(model: SerModel) -> list[Any]:
    """The boxes for what is predicted: a film for a model that reads one, a recording where it needs no film."""
    import gradio

    # The library's own buttons also offer to share it with the world.
    buttons = ["download"]
    boxes: list[Any] = []
    if model.reads_video:
        boxes.append(gradio.Video(sources=["upload", "webcam"], label="film", buttons=buttons))
    if not model.reads_video or (model.reads_audio and model.may_lack("video")):
        boxes.append(
            gradio.Audio(
                sources=["upload", "microphone"],
                type="filepath",
                label="or a recording without a film" if boxes else "recording",
                visible=model.reads_audio,
                buttons=buttons,
            )
        )
    return boxes


def serve(blocks: Blocks, port: int | None, *, wait: bool = True) -> str:
    """Serve a page on this machine alone, and give its address; with `wait`, until the process is interrupted.

    Raises:
        UserError: the port is taken.
    """
    import gradio

    theme = gradio.themes.Default(font=FONTS, font_mono=MONOSPACE)
    try:
        _, address, _ = blocks.launch(
            server_name="127.0.0.1",
            server_port=port,
            share=False,
            quiet=True,
            theme=theme,
            prevent_thread_lock=True,
            footer_links=[],
        )
    except OSError as error:
        raise UserError(
            f"--port expects a port that nothing listens on; {port or 'every one tried'} is taken"
        ) from error
    if wait:
        blocks.block_thread()
    return str(address)


def _windows(model: SerModel, found: Prediction) -> list[list[str]]:
    """A row for each window of a recording that was divided."""
    if len(found.windows) < 2:
        return []
    rows = []
    for window in found.windows:
        best: Any = max(range(len(model.labels)), key=window.probabilities.__getitem__)
        start, end = (f"{second:.1f} s" for second in (window.start or 0.0, window.end or 0.0))
        rows.append([start, end, model.labels[best], f"{window.probabilities[best]:.2f}"])
    return rows
