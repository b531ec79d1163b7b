"""The paper's tables as data frames."""

import pandas as pd

from adm.paper import table_cells


def read_paper_table(name: str) -> pd.DataFrame:
    """A table that was transcribed from the paper, a row a row of the paper's table, in its order.

    Args:
        name: One of `adm.paper.TABLES`.

    Returns:
        A column that holds numbers and empty cells alone is float64, with NaN where empty; one of `true` and `false`
        alone is bool; every other column holds stripped strings, "" where empty.
    """
    header, rows = table_cells(name)
    table = pd.DataFrame(rows, columns=list(header), dtype=str)
    return pd.DataFrame({column: _typed(table[column]) for column in header})


def _typed(column: pd.Series) -> pd.Series:
    """A column as bool or float64 where all its cells allow it, else as it is."""
    filled = column[column != ""]
    if column.isin(["true", "false"]).all() and not column.empty:
        return column == "true"
    numbers = pd.to_numeric(column, errors="coerce")
    if filled.empty or numbers[filled.index].isna().any():
        return column
    return numbers.astype("float64")
