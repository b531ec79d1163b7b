"""`table`: a table of the appendix with the paper's values and ours, or one of the user's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from adm.artifacts.manifest import MadeBy
from adm.errors import about
from adm.paper import captions
from adm.params.schema import Sections
from adm.params.tables import AnyTableParams, LotteryTableParams, OwnTableParams
from adm.report.hyperparameters import model_table, scale_table, throughput_table
from adm.report.lottery import lottery_table
from adm.report.metrics import Inputs, words_on_judge, words_on_samples
from adm.report.run_tables import (
    GROUPS,
    ROWS,
    compute_table,
    own_table,
    read_paper_table,
    run_table,
    sweep_table,
    when_to_stop,
)
from adm.report.tables import title, write_table

BUILDERS: dict[str, Callable[[pd.DataFrame, Sections, Any, Inputs], pd.DataFrame]] = {
    "runs": run_table,
    "sweeps": sweep_table,
    "compute": compute_table,
    "throughput": throughput_table,
    "hyperparameters": model_table,
    "scales": scale_table,
}
"""The function that makes each kind of table of the paper."""


def run(
    key: str, table: AnyTableParams, read: Sections, artifacts: Inputs, out: Path, made_by: MadeBy, names: str = ""
) -> None:
    """Write a table as `<out>.csv`, `.md`, `.tex` and `.html`, and its record as `.json`.

    Args:
        key: The table's key.
        table: Its section.
        read: The sections that it rests on.
        artifacts: Those that `adm.params.needs.needs_of` names.
        out: The path without its ending.
        made_by: What the record tells.
        names: What the caption says of the paper's names.

    Raises:
        UserError: An artifact that the table needs is missing, or does not fit.
    """
    with about(f"tables.{key}"):
        if isinstance(table, OwnTableParams):
            made, caption = own_table(read, table, artifacts), table.caption
            if table.losses:
                caption = f"{caption} {when_to_stop(read, table, artifacts, made)}"
        elif isinstance(table, LotteryTableParams):
            made, caption = lottery_table(read, table.runs, table.metric, artifacts), table.caption
        else:
            made = BUILDERS[table.kind](read_paper_table(key), read, table, artifacts)
            headings = {"row": ROWS.get(key, "Row"), "group": GROUPS.get(key, "Group")}
            made, caption = made.rename(columns=headings), captions()[key]
    words = caption, names, words_on_samples(artifacts), words_on_judge(artifacts)
    write_table(out, made, title(key), " ".join(filter(None, words)), made_by)
