"""`table`: a table of the appendix with the paper's values and ours, or one of the user's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from adm.paper import captions
from adm.params.schema import Params
from adm.params.tables import ComputeParams, LotteryTableParams, OwnTableParams, RowsParams, SweepsParams
from adm.report.cell_intervals import cell_intervals
from adm.report.hyperparameters import model_table, scale_table, throughput_table
from adm.report.lottery import lottery_table
from adm.report.metrics import Inputs
from adm.report.own_table import own_table, with_further
from adm.report.paper import read_paper_table
from adm.report.paper_tables import compute_table, named, run_table, sweep_table
from adm.report.tables import title, write_table

BUILDERS: dict[str, Callable[[pd.DataFrame, Params, Any, Inputs], pd.DataFrame]] = {
    "runs": run_table,
    "sweeps": sweep_table,
    "compute": compute_table,
    "throughput": throughput_table,
    "hyperparameters": model_table,
    "scales": scale_table,
}
"""The function that makes each kind of table."""


def run(params: Params, key: str, inputs: Inputs, out: Path) -> None:
    """Write a table as `<out>.csv`, `.md`, `.tex` and `.html`.

    Args:
        params: The params file.
        key: The table's key.
        inputs: The artifacts that `adm.params.needs.needs_of_table` names.
        out: The path without its ending.

    Raises:
        UserError: An artifact that the table needs is missing, or was made with other sections.
    """
    shown = params.tables[key]
    if isinstance(shown, OwnTableParams):
        made, caption = own_table(params, shown, inputs), shown.caption
    elif isinstance(shown, LotteryTableParams):
        made, caption = lottery_table(params, shown.runs, shown.metric, inputs), shown.caption
    else:
        made, caption = BUILDERS[shown.kind](read_paper_table(key), params, shown, inputs), captions()[key]
        if isinstance(shown, RowsParams | SweepsParams | ComputeParams):
            made = with_further(made, params, shown, inputs)
        made = named(made, key)
    write_table(out, made, title(key), caption, cell_intervals(params, shown, made, inputs))
