"""The user's own tables: any runs, any metrics."""

import numpy as np
import pandas as pd

from adm.params.metrics import METRICS
from adm.params.runs import SamplingParams
from adm.params.schema import Params
from adm.params.tables import OwnTableParams
from adm.report.metrics import Inputs, read_metrics
from adm.report.paper_tables import HERE, describe

DIGITS_OF_ERROR = 2
"""Significant digits of a standard error."""


def own_table(params: Params, shown: OwnTableParams, inputs: Inputs) -> pd.DataFrame:
    """Metrics of runs, one row for each run and one column for each metric; ± is a standard error.

    The column of evaluations is empty for runs that no denoiser samples.

    Args:
        params: The params file.
        shown: The table's section.
        inputs: Artifacts that include the "metrics" of its runs.

    Raises:
        UserError: Metrics are missing, or belong to a run with another section.
    """
    runs = list(shown.rows.values())
    found = read_metrics(params, runs, shown.metrics, inputs)
    table = pd.DataFrame({"Run": list(shown.rows), HERE: [describe(params, run) for run in runs]})
    if shown.evaluations:
        table["Evaluations"] = [_evaluations(params, run) for run in runs]
    for name in shown.metrics:
        table[METRICS[name].label] = _column(found, name)
    return table


def _evaluations(params: Params, run: str) -> str:
    return str(params.evaluations_of(run).denoiser) if isinstance(params.scored[run], SamplingParams) else ""


def _column(found: pd.DataFrame, name: str) -> list[float] | list[str]:
    """Numbers, or texts with significant digits; "" if there are too few samples."""
    metric = METRICS[name]
    if metric.digits is None:
        return [float(value) for value in found[name]]
    texts = ["" if pd.isna(value) else _significant(value, metric.digits) for value in found[name]]
    if metric.error is None:
        return texts
    return [
        f"{text} ± {_significant(error, DIGITS_OF_ERROR)}" if text else ""
        for text, error in zip(texts, found[metric.error], strict=True)
    ]


def _significant(value: float, digits: int) -> str:
    """A number with `digits` significant digits and no exponent."""
    return np.format_float_positional(value, precision=digits, unique=False, fractional=False, trim="-")
