"""The options that every verb can read at once: where studies are, a config file, and what is printed.

This imports nothing heavy, so that verbs that only look answer at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from study.option import option


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
