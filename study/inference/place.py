"""Where a model is: the one function from what a user names to a folder.

A finished study's name and a registry's address are turned into a folder by `study.app.model_place`, which knows output
folders and may export.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study.corpus.quoting import quoted
from study.errors import UserError, type_and_line
from study.inference.model_folder import FILES


def local_folder(name: str, **download: Any) -> Path:
    """The folder that `name` is, or a local copy of the hub's model of that id.

    `download` are arguments of `huggingface_hub.snapshot_download`.

    Raises:
        UserError: it is no folder, and the hub has not given a model of that id.
    """
    if Path(name).is_dir():
        return Path(name)
    # Here because it takes a while to import, and folders do without it.
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES), **download))
    except Exception as error:  # the hub's errors share no base class with those of its network library
        raise UserError(
            f"a model is a folder that `ser-study export` wrote or a hub id, and {quoted(name)} is no folder, and the "
            f"hub did not give it ({type_and_line(error)[:200]})"
        ) from error
