"""Our features written in the forms in which they can be read again."""

import os
import shutil
from pathlib import Path

from torch import Tensor

from study.corpus.quoting import one_line, path_text
from study.errors import UserError
from study.features.elsewhere.source import FRAMES, VECTORS
from study.features.elsewhere.table import FORMS, require_extra
from study.features.pack import Pack
from study.features.spec import WEIGHTED
from study.plurals import counted


def export(pack: Pack, form: str, folder: Path) -> Path:
    """Write a pack in a form into `folder`, under the pack's own name; the place is whole or not there.

    Frames have the names of their utterances; where there are vectors too, frames/ID and vectors/ID.

    Raises:
        UserError: something is there already, it cannot be written, or the form cannot hold it.
    """
    row, place = FORMS[form], exported_place(pack.path.stem, len(pack.bands), form, folder)
    shown = path_text(place)
    unfinished = place.with_name(place.name + ".unfinished")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove(unfinished)
        row.write(unfinished, _arrays(pack))
        os.rename(unfinished, place)
    except UserError:
        _remove(unfinished)
        raise
    except (OSError, ValueError, RuntimeError) as error:
        _remove(unfinished)
        raise UserError(f"features are written to {shown}, which does not work ({one_line(error)})") from error
    return place


def exported_place(pack_name: str, n_bands: int, form: str, folder: Path) -> Path:
    """Where a pack of this name is written in a form, after making sure that it can be, which needs no frames.

    Raises:
        UserError: something is there already, or its layers are weighted, so that the form cannot hold it.
    """
    row = FORMS[form]
    require_extra(row)
    if n_bands:
        raise UserError(
            f"features are exported layer by layer, found {WEIGHTED} layers, whose {counted(n_bands, 'band')} "
            "each model mixes; export single layers instead"
        )
    place = folder / (pack_name + (row.suffixes[0] if row.suffixes else ""))
    if place.exists():
        raise UserError(
            f"features are written where nothing is, and {path_text(place)} exists; remove it, or name another --into"
        )
    return place


def _arrays(pack: Pack) -> dict[str, Tensor]:
    """The arrays by name, as views of the pack."""
    frames = {id: pack.of(row) for row, id in enumerate(pack.ids)}
    if pack.vectors is None:
        return frames
    vectors = {VECTORS + id: pack.vectors[row] for row, id in enumerate(pack.ids)}
    return {**{FRAMES + id: each for id, each in frames.items()}, **vectors}


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
