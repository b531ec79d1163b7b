"""The 95 % intervals of the numbers in a table of runs."""

from collections.abc import Mapping

import pandas as pd

from adm.params.references import keys_in
from adm.params.schema import Sections
from adm.params.tables import TableParams
from adm.report.metrics import Inputs, read_intervals
from adm.report.paper_tables import METRIC_COLUMNS


def cell_intervals(params: Sections, shown: TableParams, table: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """The intervals of measured metrics, as text.

    Args:
        params: The sections that it rests on.
        shown: The table's section.
        table: The table that was made of it, a row a source, with its `METRIC_COLUMNS`.
        inputs: Artifacts that include the "metrics" of its runs.

    Returns:
        The columns of the table that have intervals, each cell an interval, or "" if there is none.

    Raises:
        UserError: A run's metrics are missing, or belong to a run with another section.
    """
    rows = getattr(shown, "rows", [])
    sources = list(rows.values() if isinstance(rows, Mapping) else rows)
    found = read_intervals(params, keys_in(sources), inputs)
    keys = [source if isinstance(source, str) else None for source in sources]
    columns = {}
    for key, name in table.attrs.get(METRIC_COLUMNS, {}).items():
        if f"{key}_low" in found:
            bounds = found.reindex(keys)[[f"{key}_low", f"{key}_high"]]
            columns[name] = [
                "" if pd.isna(low) else f"95 %: {low:.3g} to {high:.3g}" for low, high in bounds.to_numpy()
            ]
    return pd.DataFrame(columns)
