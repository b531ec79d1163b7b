"""Sections of the tables: the paper's, each of the kind that belongs to it, and one's own under any other key."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from adm.params.metrics import MetricName
from adm.params.section import Key, Section
from adm.params.sources import Needs, Source, Words, keys_in

Sources = Annotated[list[Source], Field(min_length=1)]


class _Rows(Section):
    rows: Sources

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(metrics=keys_in(self.rows))


class RowsParams(_Rows):
    """Tables 6, 8, 9, 15, 16: one run a row of the paper's table, in its order."""

    kind: Literal["runs"] = "runs"


class SweepsParams(_Rows):
    """Appendix K: one guided run a row of the paper's table, in its order."""

    kind: Literal["sweeps"] = "sweeps"


class ComputeParams(_Rows):
    """Table 10: runs with the compute that trained them.

    `images_per_v100_second` holds the measured throughput of models; the others' is the theoretical one.
    """

    kind: Literal["compute"] = "compute"
    images_per_v100_second: dict[Key, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(metrics=keys_in(self.rows), sizes=True)


class ThroughputTableParams(Section):
    """Table 7: one measured throughput a model of the paper's table, in its order."""

    kind: Literal["throughput"] = "throughput"
    models: Sources

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(throughput=keys_in(self.models))


class HyperparametersParams(Section):
    """Tables 11-13: one model a column of the paper's table, in its order."""

    kind: Literal["hyperparameters"] = "hyperparameters"
    columns: Sources

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(sizes=True)


class ScalesParams(Section):
    """Table 14: the runs whose gradient scale was chosen, one a column of the paper's table."""

    kind: Literal["scales"] = "scales"
    ddpm: Sources
    ddim: Sources

    def needs(self) -> Needs:
        """What it is made from: the params file alone."""
        return Needs()


def _labelled(rows: Any) -> Any:
    """Rows by their labels; a run that has none is labelled by its key."""
    if not isinstance(rows, list):
        return rows
    for run in rows:
        if not isinstance(run, str):
            raise ValueError(f"{run!r} is no key of a run; write a list of runs, or a mapping of labels to runs")
        if rows.count(run) > 1:
            raise ValueError(f"{run!r} stands twice; each run stands once, or give labels")
    return {run: run for run in rows}


class OwnTableParams(Section):
    """A table of one's own: any runs, a run a row, by their labels, and any metrics, a metric a column."""

    kind: Literal["own"] = "own"
    rows: Annotated[dict[str, Key], BeforeValidator(_labelled, list[Key] | dict[str, Key]), Field(min_length=1)]
    metrics: Annotated[list[MetricName], Field(min_length=1)]
    caption: Words

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(metrics=keys_in(self.rows.values()))


KINDS = {
    **dict.fromkeys(("table_6", "table_8", "table_9", "table_15", "table_16"), "runs"),
    "table_7": "throughput",
    "table_10": "compute",
    **dict.fromkeys(("table_11", "table_12", "table_13"), "hyperparameters"),
    "table_14": "scales",
    "appendix_k": "sweeps",
}
"""The kind of each of the paper's tables; every other is one's own."""

AnyTableParams = (
    RowsParams
    | SweepsParams
    | ComputeParams
    | ThroughputTableParams
    | HyperparametersParams
    | ScalesParams
    | OwnTableParams
)

TableParams = Annotated[AnyTableParams, Field(discriminator="kind")]


def kind_of_table(key: str) -> str:
    """The kind of the table of a key."""
    return KINDS.get(key, "own")


def _with_kinds(tables: Any) -> Any:
    """Each table with the kind that belongs to its key, which no file needs to say."""
    if not isinstance(tables, dict):
        return tables
    return {
        key: {"kind": kind_of_table(key), **table} if isinstance(table, dict) and isinstance(key, str) else table
        for key, table in tables.items()
    }


Tables = Annotated[dict[Key, TableParams], BeforeValidator(_with_kinds)]
"""The tables by their keys. One of the paper's that a file leaves out is not made."""
