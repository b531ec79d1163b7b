"""Sections of the tables: each table of the paper has a fixed kind; any other key is the user's own table."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from adm.params.judges import judged
from adm.params.metrics import ClaimMetric, MetricName
from adm.params.section import Key, Section
from adm.params.sources import Needs, Source, Words, keys_in

Sources = Annotated[list[Source], Field(min_length=1)]


class _Rows(Section):
    """`further` metrics, of any name, follow the paper's columns."""

    rows: Sources
    further: list[MetricName] = []

    def needs(self) -> Needs:
        """The artifacts that it is made from."""
        return Needs(metrics=keys_in(self.rows))


class RowsParams(_Rows):
    """Tables 6, 8, 9, 15, 16: one run for each row of the paper's table, in its order."""

    kind: Literal["runs"] = "runs"


class SweepsParams(_Rows):
    """Appendix K: one guided run for each row of the paper's table, in its order."""

    kind: Literal["sweeps"] = "sweeps"


class ComputeParams(_Rows):
    """Table 10: runs with the compute of their training.

    `images_per_v100_second` gives the measured throughput of models; for other models the theoretical one is used.
    """

    kind: Literal["compute"] = "compute"
    images_per_v100_second: dict[Key, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)

    def needs(self) -> Needs:
        """The artifacts that it is made from."""
        return Needs(metrics=keys_in(self.rows), sizes=True)


class ThroughputTableParams(Section):
    """Table 7: one measured throughput for each model of the paper's table, in its order."""

    kind: Literal["throughput"] = "throughput"
    models: Sources

    def needs(self) -> Needs:
        """The artifacts that it is made from."""
        return Needs(throughput=keys_in(self.models))


class HyperparametersParams(Section):
    """Tables 11-13: one model for each column of the paper's table, in its order."""

    kind: Literal["hyperparameters"] = "hyperparameters"
    columns: Sources

    def needs(self) -> Needs:
        """The artifacts that it is made from."""
        return Needs(sizes=True)


class ScalesParams(Section):
    """Table 14: runs with the chosen gradient scales, one for each column of the paper's table."""

    kind: Literal["scales"] = "scales"
    ddpm: Sources
    ddim: Sources

    def runs(self) -> list[str]:
        """Keys of the runs whose scales it prints."""
        return keys_in([*self.ddpm, *self.ddim])

    def needs(self) -> Needs:
        """The artifacts that it is made from: none, only the params file."""
        return Needs()


def _labelled(rows: Any) -> Any:
    """Rows by their labels; a run without a label gets its key as label."""
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
    With `evaluations`, a column says how often an image's sampling evaluates the denoiser.
    """

    kind: Literal["own"] = "own"
    rows: Annotated[dict[str, Key], BeforeValidator(_labelled, list[Key] | dict[str, Key]), Field(min_length=1)]
    metrics: Annotated[list[MetricName], Field(min_length=1)]
    intervals: bool = False
    evaluations: bool = False
    caption: Words
    judges: list[Key] = []
    published: Key | None = None

    def needs(self) -> Needs:
        """The artifacts that it is made from."""
        runs = keys_in(self.rows.values())
        return Needs(metrics=runs, judged=keys_in(judged(run, judge) for judge in self.judges for run in runs))


class LotteryTableParams(Section):
    """What retraining does: how much of a metric's variance is of weights, data, noise, and of the draw of samples.

    `runs` are groups, a draw of samples each, of a model whose `seeds` are three lists: a run with a sweep of `seed`.
    """

    kind: Literal["lottery"]
    runs: Annotated[list[Key], Field(min_length=1)]
    metric: ClaimMetric = "fid"
    caption: Words

    def needs(self) -> Needs:
        """The artifacts that it is made from."""
        return Needs(metrics=self.runs)


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
    | ScalesParams
    | OwnTableParams
    | LotteryTableParams
)

TableParams = Annotated[AnyTableParams, Field(discriminator="kind")]


def kind_of_table(key: str) -> str:
    """The kind of a table that gives none, by its key."""
    return KINDS.get(key, "own")


def _with_kinds(tables: Any) -> Any:
    """Tables with the kinds that belong to their keys; a file need not give them."""
    if not isinstance(tables, dict):
        return tables
    return {
        key: {"kind": kind_of_table(key), **table} if isinstance(table, dict) and isinstance(key, str) else table
        for key, table in tables.items()
    }


Tables = Annotated[dict[Key, TableParams], BeforeValidator(_with_kinds)]
"""The tables by their keys. A table of the paper that a file leaves out is not made."""
