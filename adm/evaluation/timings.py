"""Which numbers of the artifacts are measured in seconds, and so differ from run to run.

Known by name: the columns of a training log, the numbers of a throughput, Table 7, Figure 5, whose abscissa is time,
and the claims on speed.
"""

from collections.abc import Mapping
from typing import Any

LOG_COLUMNS = frozenset({"seconds", "images_per_second"})
"""Of a training log."""

THROUGHPUT = frozenset({"device", "images_per_second", "peak_flops", "peak_flops_of_repetitions"})
"""Keys of a measured throughput."""

TABLE = "table_7"
TABLE_COLUMNS = frozenset({"Here", "Images/s, here", "Utilisation, here"})
"""Its columns that tell of the machine at hand; the others come from the paper and the params file."""

FIGURE = "figure_5"

SPEED = "images a second"
"""What the `measure` of a claim on speed contains."""

FINDINGS = frozenset({"verdict", "effect", "estimate", "low", "high", "note"})
"""What was found of a claim; the rest is what it says."""


def is_measured_cell(stem: str, column: str, row: Mapping[str, str]) -> bool:
    """Whether a cell of a csv is measured in seconds.

    Args:
        stem: The file's name without its ending.
        column: The cell's column.
        row: The cells of its row by column.
    """
    if SPEED in row.get("measure", ""):
        return column in FINDINGS
    return column in LOG_COLUMNS or (stem == TABLE and column in TABLE_COLUMNS)


def drop_measured(stage: str, content: Any) -> Any:
    """What JSON holds but for what is measured in seconds."""
    if isinstance(content, list):
        return [drop_measured(stage, entry) for entry in content]
    if not isinstance(content, dict):
        return content
    measured: frozenset[str] = frozenset()
    if stage == "throughput":
        measured = THROUGHPUT
    elif stage == "claims" and SPEED in str(content.get("measure", "")):
        measured = FINDINGS
    return {key: drop_measured(stage, value) for key, value in content.items() if key not in measured}
