"""The words of errors at each door: messages name options of the command line, and other doors call these otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from study.corpus.quoting import path_text
from study.errors import UserError

# Option of the command line, with a value that messages give it -> what a caller gives instead.
Door = Mapping[str, str]
PYTHON: Door = {
    "--text": "text=...",
    "--asr ID": "asr=... of from_pretrained",
    "--window 0": "window=0",
    "--window": "window=...",
    "--audio-encoder": 'encoders={"audio": ...}',
    "--text-encoder": 'encoders={"text": ...}',
    "--video-encoder": 'encoders={"video": ...}',
    "--trust-remote-code": "trust_remote_code=True",
}
SERVED: Door = {**PYTHON, "--text": "the column text", "--asr ID": "another model, which reads sound alone"}
PAGE: Door = {
    "--text": "the box of words",
    "--asr ID": "a page that is started with a recogniser (--asr)",
    "--window 0": "`ser-study predict --window 0`",
    "--trust-remote-code": "a page that is started with --trust-remote-code",
}


@contextmanager
def words_of_door(door: Door) -> Iterator[None]:
    """The block, whose errors name what this door has in the place of options.

    Raises:
        UserError: the one of the block, in the door's words.
    """
    options = "|".join(re.escape(option) for option in sorted(door, key=len, reverse=True))
    try:
        yield
    except UserError as error:
        text = re.sub(rf"(?:{options})(?![\w-])", lambda found: door[found[0]], str(error))
        raise UserError(text) from error.__cause__


@contextmanager
def named(path: Path, name: str) -> Iterator[None]:
    """The block, whose errors name what a caller gave instead of the temporary file that it was put into.

    Raises:
        UserError: the one of the block, with `name` in the place of `path`.
    """
    try:
        yield
    except UserError as error:
        text = str(error).replace(str(path), name).replace(path_text(path), name)
        raise UserError(text) from error.__cause__
