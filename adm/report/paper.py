"""The paper's tables as data frames."""

import pandas as pd

from adm.paper import table_cells


def read_paper_table(name: str) -> pd.DataFrame:
    """A table transcribed from the paper, with the paper's rows in their order.

    Args:
        name: One of `adm.paper.TABLES`.

    Returns:
        A column of numbers and empty cells is float64, with NaN for empty cells. A column of `true` and `false` is
        bool. Every other column holds stripped strings, with "" for empty cells.
    """
    header, rows = table_cells(name)
    table = pd.DataFrame(rows, columns=list(header), dtype=str)
    return pd.DataFrame({column: _typed(table[column]) for column in header})


def _typed(column: pd.Series) -> pd.Series:
    """A column as bool or float64 if all its cells allow it, else unchanged."""
    filled = column[column != ""]
    if column.isin(["true", "false"]).all() and not column.empty:
        return column == "true"
    numbers = pd.to_numeric(column, errors="coerce")
    if filled.empty or numbers[filled.index].isna().any():
        return column
    return numbers.astype("float64")
