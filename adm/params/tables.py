"""Sections of the tables: each table of the paper has a fixed kind; any other key is the user's own table."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from adm.config.metrics import ClaimMetric, MetricName
from adm.params import references as refs
from adm.params.section import Key, Section


class RowsParams(Section):
    """Tables 6, 8, 9, 15, 16: one run for each row of the paper's table, in its order."""

    kind: Literal["runs"] = "runs"
    rows: Annotated[list[Annotated[refs.Scores | refs.NoSource, refs.OrNone]], Field(min_length=1)]


class SweepsParams(Section):
    """Appendix K: one guided run for each row of the paper's table, in its order."""

    kind: Literal["sweeps"] = "sweeps"
    rows: Annotated[list[Annotated[refs.DiffusionScores | refs.NoSource, refs.OrNone]], Field(min_length=1)]


class ComputeParams(Section):
    """Table 10: runs with the compute of their training.

    `images_per_v100_second` gives the measured throughput of models; for other models the theoretical one is used.
    """

    kind: Literal["compute"] = "compute"
    rows: Annotated[list[Annotated[refs.ScoresAndCost | refs.NoSource, refs.OrNone]], Field(min_length=1)]
    images_per_v100_second: dict[refs.Model, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)


class ThroughputTableParams(Section):
    """Table 7: one measured throughput for each model of the paper's table, in its order."""

    kind: Literal["throughput"] = "throughput"
    models: Annotated[list[Annotated[refs.Throughput | refs.NoSource, refs.OrNone]], Field(min_length=1)]


class HyperparametersParams(Section):
    """Tables 11-13: one model for each column of the paper's table, in its order."""

    kind: Literal["hyperparameters"] = "hyperparameters"
    columns: Annotated[list[Annotated[refs.Size | refs.NoSource, refs.OrNone]], Field(min_length=1)]


class GradientScalesParams(Section):
    """Table 14: runs with the chosen gradient scales, one for each column of the paper's table."""

    kind: Literal["scales"] = "scales"
    ddpm: Annotated[list[Annotated[refs.Guidance | refs.NoSource, refs.OrNone]], Field(min_length=1)]
    ddim: Annotated[list[Annotated[refs.Guidance | refs.NoSource, refs.OrNone]], Field(min_length=1)]


def _labelled(rows: Any) -> Any:
    """Return rows by their labels; a run without a label gets its key as label."""
    if not isinstance(rows, list):
        return rows
    for run in rows:
        if not isinstance(run, str):
            raise ValueError(f"{run!r} is no key of a run; write a list of runs, or a mapping of labels to runs")
        if rows.count(run) > 1:
            raise ValueError(f"{run!r} stands twice; each run stands once, or give labels")
    return {run: run for run in rows}


class OwnTableParams(Section):
    """The user's own table: any runs, one row for each by its label, and any metrics, one column for each.

    With `intervals`, metrics that have no standard error are printed with their 95 % intervals.
    `judges` are extractors that score the runs beside that of their reference; each adds a column for each metric that
    pooled features give. `published` names one of them whose published values, in `adm/paper/judged.csv` under the
    labels of rows, stand beside its own.
    With `losses`, likelihoods of held-out images of rows through one training, its caption says when to stop.
    With `evaluations`, a column says how often an image's sampling evaluates the denoiser.
    """

    kind: Literal["own"] = "own"
    rows: Annotated[dict[str, refs.Scores], BeforeValidator(_labelled, list[Key] | dict[str, Key]), Field(min_length=1)]
    metrics: Annotated[list[MetricName], Field(min_length=1)]
    intervals: bool = False
    evaluations: bool = False
    caption: refs.Words
    losses: list[refs.Likelihood] = []
    judges: list[refs.Graph] = []
    published: Key | None = None


class LotteryTableParams(Section):
    """What retraining does: how much of a metric's variance is of weights, data, noise, and of the draw of samples.

    `runs` are groups, a draw of samples each, of a model whose `seeds` are three lists: a run with a sweep of `seed`.
    """

    kind: Literal["lottery"]
    runs: Annotated[list[refs.Scores], Field(min_length=1)]
    metric: ClaimMetric = "fid"
    caption: refs.Words


KINDS = {
    **dict.fromkeys(("table_6", "table_8", "table_9", "table_15", "table_16"), "runs"),
    "table_7": "throughput",
    "table_10": "compute",
    **dict.fromkeys(("table_11", "table_12", "table_13"), "hyperparameters"),
    "table_14": "scales",
    "appendix_k": "sweeps",
}
"""The kind of each table of the paper; other keys are of the user's own tables, or of a lottery."""

AnyTableParams = (
    RowsParams
    | SweepsParams
    | ComputeParams
    | ThroughputTableParams
    | HyperparametersParams
    | GradientScalesParams
    | OwnTableParams
    | LotteryTableParams
)

TableParams = Annotated[AnyTableParams, Field(discriminator="kind")]


def kind_of_table(key: str) -> str:
    """Tell the kind of a table that gives none, by its key."""
    return KINDS.get(key, "own")
