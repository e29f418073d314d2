"""Tables, parquet or CSV: a column of ids beside one of arrays, or beside one column for each dimension."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray
from torch import Tensor

from study.errors import UserError
from study.features.elsewhere.form import Arrays

ID_COLUMNS = ("utterance_id", "id", "name", "file_name")
# Columns that tables of features have beside them, and that no system may learn from.
NO_FEATURES = frozenset(
    "label emotion class target valence arousal dominance speaker session group fold split frame start end time".split()
)
ROWS_TOGETHER = 256


def open_parquet(path: Path) -> Arrays:
    """The arrays of the file; those of a column of arrays are read in row groups, others are held in memory."""
    file = pyarrow.parquet.ParquetFile(path)
    schema = file.schema_arrow
    key = _id_column(schema.names, path)
    others = [name for name in schema.names if name != key]
    if len(others) == 1 and pyarrow.types.is_list(schema.field(others[0]).type):
        return _nested(file, key, others[0])
    return _flat(file.read().to_pandas(), key, path)


def open_csv(path: Path) -> Arrays:
    """The arrays of the file, which are held in memory."""
    with path.open(encoding="utf-8", newline="") as file:
        names = list(pandas.read_csv(file, nrows=0).columns)
    key = _id_column(names, path)
    # Ids stay as they are written: "NA" and "007" are ids.
    table = pandas.read_csv(path, dtype={key: str}, keep_default_na=False, encoding="utf-8")
    return _flat(table, key, path)


def write_parquet(path: Path, arrays: Mapping[str, Tensor]) -> None:
    """A row for each array."""
    rows = pyarrow.list_(pyarrow.list_(pyarrow.float32()))
    schema = pyarrow.schema([("utterance_id", pyarrow.string()), ("frames", rows)])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        everyone = list(arrays)
        for start in range(0, len(everyone), ROWS_TOGETHER):
            names = everyone[start : start + ROWS_TOGETHER]
            frames = [_list_of_rows(np.atleast_2d(arrays[name].float().numpy())) for name in names]
            nested = pyarrow.concat_arrays(frames)
            ends = np.cumsum([0, *map(len, frames)]).astype(np.int32)
            lists = pyarrow.ListArray.from_arrays(pyarrow.array(ends), nested)
            writer.write_table(pyarrow.table([pyarrow.array(names), lists], schema=schema))


def write_csv(path: Path, arrays: Mapping[str, Tensor]) -> None:
    """A row for each frame, a column for each dimension."""
    dims = sorted({array.shape[-1] for array in arrays.values()})
    if len(dims) > 1:
        found = " and ".join(map(str, dims))
        raise UserError(f"a CSV table has rows of one length, found {found} values; choose another form")
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, (name, array) in enumerate(arrays.items()):
            table = pandas.DataFrame(np.atleast_2d(array.float().numpy()))
            table.insert(0, "utterance_id", name)
            table.to_csv(file, index=False, header=number == 0)


def _id_column(names: list[str], path: Path) -> str:
    found = [name for name in ID_COLUMNS if name in names]
    if not found:
        raise UserError(f"{path} needs a column of utterance ids, one of {', '.join(ID_COLUMNS)}; rename its column")
    return found[0]


def _flat(table: pandas.DataFrame, key: str, path: Path) -> Arrays:
    """A row for each frame; those of one id follow each other in time."""
    values = table.drop(columns=key)
    for name, kind in values.dtypes.items():
        if kind.kind not in "fiu" or str(name).lower() in NO_FEATURES:
            raise UserError(
                f"{path} needs numbers in every column beside {key}, and each is taken for a feature; found column "
                f"{str(name)!r} ({kind}); remove what is no feature"
            )
    rows = table.groupby(key, sort=False).indices
    matrix = values.to_numpy(np.float32)
    return Arrays([str(name) for name in rows], lambda name: matrix[rows[name]])


def _nested(file: pyarrow.parquet.ParquetFile, key: str, column: str) -> Arrays:
    """A row for each array, or for each frame of one."""
    names, where = list[str](), dict[str, list[tuple[int, int]]]()
    for group in range(file.num_row_groups):
        for row, id in enumerate(file.read_row_group(group, [key]).column(0).to_pylist()):
            names.append(str(id))
            where.setdefault(str(id), []).append((group, row))
    is_frame = not pyarrow.types.is_list(file.schema_arrow.field(column).type.value_type)

    @lru_cache(1)
    def of_group(group: int) -> pyarrow.ListArray:
        return file.read_row_group(group, [column]).column(0).combine_chunks()

    def read(name: str) -> NDArray[Any]:
        parts = [_array(of_group(group)[row].values) for group, row in where[name]]
        return parts[0] if len(parts) == 1 else np.stack(parts)

    return Arrays(list(where) if is_frame else names, read)


def _array(values: Any) -> NDArray[Any]:
    if values is None:
        raise ValueError("an empty cell")
    if not pyarrow.types.is_list(values.type):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    lengths = set(values.value_lengths().to_pylist())
    if len(lengths) != 1:
        raise ValueError(f"frames of {len(lengths)} different lengths")
    flat = values.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat).reshape(len(values), -1)


def _list_of_rows(frames: NDArray[np.float32]) -> pyarrow.ListArray:
    ends = np.arange(len(frames) + 1, dtype=np.int32) * frames.shape[1]
    return pyarrow.ListArray.from_arrays(pyarrow.array(ends), pyarrow.array(frames.reshape(-1)))
