"""Where studies are, and the other options that every verb can read at once: a config file, and what is printed.

This imports nothing heavy, so that verbs that only look answer at once.
"""

from __future__ import annotations

import difflib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from study.corpus.quoting import path_text
from study.errors import UserError
from study.option import is_name, option
from study.record.folder import StudyFolder
from study.record.terms import NAME


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """Where studies are kept."""

    output: Path = option(  # noqa: RUF009 (it declares the field)
        "--output",
        "database, artifacts, features, studies (mlruns)",
        default=Path("mlruns"),
        metavar="DIR",
        read=Path,
        is_path=True,
    )


@dataclass(frozen=True, kw_only=True)
class ConfigOptions:
    """Options that are read from a file."""

    config: Path | None = option(  # noqa: RUF009 (it declares the field)
        "--config",
        "a YAML file of these options, such as the study.yaml of an earlier study; what is typed counts more (none)",
        default=None,
        metavar="FILE",
        read=Path,
        is_lasting=False,
    )


@dataclass(frozen=True, kw_only=True)
class PrintOptions:
    """What a run prints, and where."""

    quiet: bool = option("--quiet", "print warnings and errors alone", default=False, is_lasting=False)
    log_file: Path | None = option(  # noqa: RUF009 (it declares the field)
        "--log-file",
        "append what happens, a line each with its time, to a file (none)",
        default=None,
        metavar="FILE",
        read=Path,
        is_lasting=False,
    )


def study_folder(name: str, output: Path) -> StudyFolder:
    """The folder of the study that a user names.

    Raises:
        UserError: this cannot be a name, or there is no such study; the line has the nearest name.
    """
    if not is_name(name):
        raise UserError(f"a study is named by {NAME}; found {name!r}")
    folder = StudyFolder.of(output, name)
    if not folder.path.is_dir():
        near = nearest_study(name, output)
        hint = f"did you mean {near}? `ser-study list` shows all" if near else "`ser-study list` shows what there is"
        raise UserError(f"no study at {folder.path}; {hint}")
    return folder


def nearest_study(name: str, output: Path) -> str:
    """The name of the study in `output` that is spelt most like `name`; empty where none is."""
    known = [path.name for path in StudyFolder.of(output, "any").path.parent.glob("*") if path.is_dir()]
    return next(iter(difflib.get_close_matches(name, known, n=1)), "")


def require_file(option: str, path: Path) -> None:
    """Make sure that a file can be written at the place that an option names, before it is known what it will hold.

    Raises:
        UserError: it cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(
            f"{option} expects a file that can be written; {path_text(path)} is none ({error.strerror})"
        ) from None
