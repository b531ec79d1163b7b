"""The numbers in artifacts that are measured in seconds and therefore differ between runs.

They are listed by name: columns of training logs, numbers of a throughput, Table 7, Figure 5 over seconds, and the
claims about speed.
"""

from collections.abc import Mapping
from typing import Any

LOG_COLUMNS = frozenset({"seconds", "images_per_second"})
"""Columns of a training log that are measured."""

THROUGHPUT = frozenset({"device", "images_per_second", "mfu", "peak_flops", "peak_flops_of_repetitions"})
"""Keys of a measured throughput."""

TABLE = "table_7"
TABLE_COLUMNS = frozenset({"Here", "Images/s, here", "Utilisation, here"})
"""The measured columns of the table; the others come from the paper and the params file."""

FIGURE = "figure_5_seconds"

SPEED = "images a second"
"""Text that the `measure` of a claim about speed contains."""

FINDINGS = frozenset({"verdict", "effect", "estimate", "low", "high", "note", "needs", "risk"})
"""Keys of a claim that hold measured results; the other keys describe the claim."""


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
    """A copy of a JSON value without the numbers that are measured in seconds."""
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
