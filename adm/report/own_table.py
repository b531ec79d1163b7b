"""The user's own tables: any runs, any metrics, any judges; and further metrics of the paper's tables."""

import pandas as pd

from adm.config.metrics import METRICS, POOLED
from adm.paper import JUDGED
from adm.params.runs import SamplingParams
from adm.params.schema import Sections
from adm.params.tables import ComputeParams, OwnTableParams, RowsParams, SweepsParams
from adm.report.metrics import Inputs, read_intervals, read_metrics
from adm.report.paper import read_paper_table
from adm.report.paper_tables import HERE, METRIC_COLUMNS, describe, metrics_of, with_seeds
from adm.report.tables import DECIMALS, significant

DIGITS_OF_ERROR = 2
"""Significant digits of a standard error."""


def own_table(params: Sections, shown: OwnTableParams, inputs: Inputs) -> pd.DataFrame:
    """Metrics of runs, one row for each run and one column for each metric and judge.

    ± is a standard error, and brackets hold a 95 % interval. A group of runs has the metric over seeds of training in
    its cells. The column of evaluations is empty for runs that no denoiser samples.

    Args:
        params: The sections that it rests on.
        shown: The table's section.
        inputs: Artifacts that include the "metrics" of its runs, and what is "judged" of them.

    Raises:
        UserError: Metrics are missing, or belong to a run with another section.
    """
    runs = list(shown.rows.values())
    found = read_metrics(params, runs, shown.metrics, inputs)
    table = pd.DataFrame({"Run": list(shown.rows), HERE: [describe(params, run) for run in runs]})
    opinions = {judge: read_metrics(params, runs, POOLED, inputs, judge) for judge in shown.judges}
    bounds = {
        judge: read_intervals(params, runs, inputs, judge) if shown.intervals else pd.DataFrame()
        for judge in (None, *shown.judges)
    }
    if shown.evaluations:
        table["Evaluations"] = [_evaluations(params, run) for run in runs]
    for name in shown.metrics:
        table[METRICS[name].label] = _bounded(found, bounds[None], name)
        for judge, opinion in opinions.items() if name in POOLED else ():
            label = f"{judges_label(name)}, {judge}"
            if judge == shown.published:
                table[f"{label}, published"] = _published(judge, name, list(shown.rows))
            table[label] = _bounded(opinion, bounds[judge], name)
    return with_seeds(table, {name: METRICS[name].label for name in shown.metrics}, params, runs, inputs)


def _bounded(found: pd.DataFrame, bounds: pd.DataFrame, name: str) -> list[float] | list[str]:
    """Numbers with their intervals; only the number where a run has no interval."""
    if f"{name}_low" not in bounds or METRICS[name].error is not None:
        return _column(found, name)
    columns = zip(found[name], bounds[f"{name}_low"], bounds[f"{name}_high"], strict=True)
    texts = []
    for value, low, high in columns:
        text = "" if pd.isna(value) else f"{value:.{DECIMALS}f}"
        texts.append(text if pd.isna(low) else f"{text} [{low:.{DECIMALS}f}, {high:.{DECIMALS}f}]")
    return texts


def judges_label(name: str) -> str:
    """A metric's name in print by a judge: the I of FID and KID stands for Inception."""
    return METRICS[name].label.replace("FID", "FD").replace("KID", "KD")


def _published(judge: str, name: str, rows: list[str]) -> list[float]:
    """The published values of a metric by the labels of rows; NaN where there is none."""
    paper = read_paper_table(JUDGED)
    return [float(value) for value in paper[paper["judge"] == judge].set_index("row")[name].reindex(rows)]


def with_further(
    table: pd.DataFrame, params: Sections, shown: RowsParams | SweepsParams | ComputeParams, inputs: Inputs
) -> pd.DataFrame:
    """A table of the paper with the further metrics that its section asks for, in columns behind the paper's.

    Raises:
        UserError: Metrics are missing, or belong to a run with another section.
    """
    found = metrics_of(params, shown.rows, shown.further, inputs)
    columns = {name: f"{METRICS[name].label}, here" for name in shown.further}
    further = table.assign(**{column: _column(found, name) for name, column in columns.items()})
    further.attrs[METRIC_COLUMNS] = {**table.attrs.get(METRIC_COLUMNS, {}), **columns}
    return further


def _evaluations(params: Sections, run: str) -> str:
    return str(params.evaluations_of(run).denoiser) if isinstance(params.section_of(run), SamplingParams) else ""


def _column(found: pd.DataFrame, name: str) -> list[float] | list[str]:
    """Numbers, or texts with significant digits; "" if there are too few samples."""
    metric = METRICS[name]
    if metric.digits is None:
        return [float(value) for value in found[name]]
    texts = ["" if pd.isna(value) else significant(value, metric.digits) for value in found[name]]
    if metric.error is None:
        return texts
    return [
        f"{text} ± {significant(error, DIGITS_OF_ERROR)}" if text and not pd.isna(error) else text
        for text, error in zip(texts, found[metric.error], strict=True)
    ]
