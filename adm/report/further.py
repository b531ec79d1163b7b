"""The table of metrics beyond the paper's five."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from adm.params.file import Params
from adm.report.beside import HERE, describe
from adm.report.metrics import read_further, read_metrics

DIGITS, DIGITS_OF_ERROR = 3, 2
"""Significant digits: kernel distances go with the sixth power of the features' scale, and so from thousandths to
thousands."""


def further_table(params: Params, runs: Sequence[str], metrics: Path) -> pd.DataFrame:
    """Put metrics that came after the paper's beside those that they improve on.

    Args:
        params: The params file.
        runs: A run a row.
        metrics: The folder of all metrics.

    Returns:
        FID beside its extrapolation and KID, precision beside density, recall beside coverage.

    Raises:
        UserError: Metrics are missing, or of a run with another section.
    """
    found, further = read_metrics(metrics, runs, params.scored), read_further(metrics, runs, params.scored)
    table = pd.DataFrame({"Run": list(runs), HERE: [describe(params, run) for run in runs]})
    table["FID"] = found["fid"].to_numpy()
    table["FID of infinitely many"] = _with_error(further, "fid_infinity")
    table["KID"] = _with_error(further, "kid")
    for ours, theirs in (("precision", "density"), ("recall", "coverage")):
        table[ours.capitalize()] = found[ours].to_numpy()
        table[theirs.capitalize()] = further[theirs].to_numpy()
    return table


def _with_error(further: pd.DataFrame, name: str) -> list[str]:
    """A metric and its standard error as text; "" where there are too few samples for it."""
    pairs = zip(further[name], further[f"{name}_standard_error"], strict=True)
    return [
        "" if pd.isna(value) else f"{_significant(value, DIGITS)} ± {_significant(error, DIGITS_OF_ERROR)}"
        for value, error in pairs
    ]


def _significant(value: float, digits: int) -> str:
    """A number with so many significant digits, and no exponent."""
    return np.format_float_positional(value, precision=digits, unique=False, fractional=False, trim="-")
