"""One row of a manifest."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One row: its place (file:line), its cells by standard column name, and how the manifest names these columns.

    Cells are stripped of white space.
    """

    where: str
    cells: Mapping[str, str]
    names: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        """The cell of a column, empty if the row has none."""
        return self.cells.get(column, "")
