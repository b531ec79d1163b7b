"""What the paper's appendix says, as data: a csv a table, captions of tables and figures, and claims.

Read without pandas, so that a params file can be checked against it in an instant.
"""

import csv
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PAPER = Path(__file__).parent
"""The folder of the files."""

TABLES = (*(f"table_{number}" for number in range(6, 17)), "appendix_k")
"""The tables of the appendix; that of Appendix K holds its sweeps of gradient scales."""

JUDGED = "judged"
"""The table of values that others published of the paper's samples, by extractors other than the paper's."""

FIGURES = tuple(f"figure_{number}" for number in (*range(5, 10), "10a", "10b", "10c", *range(11, 28)))
"""The figures of the appendix."""


@cache
def table_cells(name: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Read the names of the columns of a table of TABLES, and its rows of as many cells, in order; "" for none.

    JUDGED is read likewise.
    """
    with (PAPER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = (tuple(cell.strip() for cell in row) for row in csv.reader(file, strict=True))
    return header, tuple(rows)


@cache
def captions() -> dict[str, str]:
    """Read what each table or figure shows, in our own words, by its key."""
    return _mapping("captions.yaml")


@cache
def claims() -> dict[str, dict[str, Any]]:
    """Read what the appendix states: statement, source, and all of the comparison but the runs, by the claim's key."""
    return _mapping("claims.yaml")


def _mapping(name: str) -> dict[str, Any]:
    content = yaml.load((PAPER / name).read_text(encoding="utf-8"), yaml.CSafeLoader)
    assert isinstance(content, dict), name
    return content
