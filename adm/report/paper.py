"""The values and captions of the paper's tables and figures."""

import csv
from pathlib import Path

import pandas as pd

from adm.params.errors import UserError
from adm.params.parsing import read_yaml


def read_paper_table(path: Path) -> pd.DataFrame:
    """Read a table that was transcribed from the paper.

    Args:
        path: A UTF-8 csv with a header; a row per row of the paper's table, in its order.

    Returns:
        A column that holds numbers and empty cells alone is float64, with NaN where empty; one of `true` and `false`
        alone is bool; every other column holds stripped strings, "" where empty.

    Raises:
        UserError: The file is missing, no csv in UTF-8, of rows of unequal length, or names a column twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = [[cell.strip() for cell in row] for row in csv.reader(file, strict=True)] or [[]]
    except FileNotFoundError as error:
        raise UserError(f"{path}: does not exist") from error
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: is no readable csv ({' '.join(str(error).split())[:120]})") from error
    if not header:
        raise UserError(f"{path}: has no header; the first line names the columns")
    if len(set(header)) < len(header):
        raise UserError(f"{path}: names a column twice in {', '.join(header)}; every name stands once")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise UserError(f"{path}: row {number} has {len(row)} cells, not {len(header)} as the header")
    table = pd.DataFrame(rows, columns=header, dtype=str)
    return pd.DataFrame({name: _typed(table[name]) for name in header})


def caption(path_to_yaml: Path, key: str) -> str:
    """The caption of a table or figure.

    Args:
        path_to_yaml: A mapping of keys to captions.
        key: Such as `table_8` or `figure_10a`.

    Raises:
        UserError: The file is missing or no such mapping, or lacks the key.
    """
    try:
        captions = read_yaml(path_to_yaml)
    except FileNotFoundError as error:
        raise UserError(f"{path_to_yaml}: does not exist") from error
    except OSError as error:
        raise UserError(f"{path_to_yaml}: is no readable YAML ({' '.join(str(error).split())[:120]})") from error
    if not isinstance(captions, dict) or not all(isinstance(text, str) for text in captions.values()):
        raise UserError(f"{path_to_yaml}: is no mapping of keys to captions")
    if key not in captions:
        raise UserError(f"{path_to_yaml}: has no caption {key!r}; it has {', '.join(map(str, captions))}")
    return str(captions[key]).strip()


def _typed(column: pd.Series) -> pd.Series:
    """A column as bool or float64 where all its cells allow it, else as it is."""
    filled = column[column != ""]
    if column.isin(["true", "false"]).all() and not column.empty:
        return column == "true"
    numbers = pd.to_numeric(column, errors="coerce")
    if filled.empty or numbers[filled.index].isna().any():
        return column
    return numbers.astype("float64")
