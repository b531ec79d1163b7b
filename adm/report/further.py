"""The table of metrics beyond the paper's five."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from adm.params.file import Params
from adm.report.beside import HERE, describe
from adm.report.metrics import read_further, read_metrics

KID_UNIT = 1000
"""Kernel distances are small: they are printed in thousandths, as is customary."""


def further_table(params: Params, runs: Sequence[str], metrics: Path) -> pd.DataFrame:
    """Put metrics that came after the paper's beside those that they improve on.

    Args:
        params: The params file.
        runs: A run a row.
        metrics: The folder of all metrics.

    Returns:
        FID beside its extrapolation and KID, precision beside density, recall beside coverage.

    Raises:
        UserError: Metrics are missing.
    """
    found, further = read_metrics(metrics, runs), read_further(metrics, runs)
    table = pd.DataFrame({"Run": list(runs), HERE: [describe(params, run) for run in runs]})
    table["FID"] = found["fid"].to_numpy()
    table["FID of infinitely many"] = _with_error(further, "fid_infinity", 1)
    table["KID × 1000"] = _with_error(further, "kid", KID_UNIT)
    for ours, theirs in (("precision", "density"), ("recall", "coverage")):
        table[ours.capitalize()] = found[ours].to_numpy()
        table[theirs.capitalize()] = further[theirs].to_numpy()
    return table


def _with_error(further: pd.DataFrame, name: str, unit: int) -> list[str]:
    """A metric and its standard error as text; "" where there are too few samples for it."""
    pairs = zip(further[name] * unit, further[f"{name}_standard_error"] * unit, strict=True)
    return ["" if pd.isna(value) else f"{value:.2f} ± {error:.2f}" for value, error in pairs]
