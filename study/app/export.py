"""The options of `features` about writing them for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from study.errors import UserError
from study.option import option


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """In which form features are written, and where."""

    to: str | None = option(
        "--to",
        "write the features in this form too, in which --audio-features and --text-features read them (none)",
        default=None,
        metavar="FORM",
        table="forms",
        is_lasting=False,
    )
    into: Path | None = option(  # noqa: RUF009 (it declares the field)
        "--into",
        "the folder for --to (OUTPUT/exported)",
        default=None,
        metavar="DIR",
        read=Path,
        is_path=True,
        is_lasting=False,
    )

    def __post_init__(self) -> None:
        """Make sure that a folder is given for a form alone.

        Raises:
            UserError: no form is given.
        """
        if self.into is not None and self.to is None:
            raise UserError("--into expects --to, the form in which features are written there; name one, as --to npz")
