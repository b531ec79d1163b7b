"""`table`: a table of the appendix, the paper's values beside ours."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from adm.artifacts.manifest import require_params
from adm.artifacts.seal import read_sealed_json
from adm.params.errors import UserError
from adm.params.schema import Params
from adm.params.report import (
    PAPER_TABLES,
    ComputeParams,
    FurtherParams,
    HyperparametersParams,
    RowsParams,
    ScalesParams,
    ThroughputTableParams,
)
from adm.params.section import Section
from adm.report.beside import compute_table, named, run_table, sweep_table
from adm.report.further import further_table
from adm.report.hyperparameters import model_table, scale_table, throughput_table
from adm.report.paper import caption, read_paper_table
from adm.report.tables import write_table

NAMES = {"appendix_k": "Appendix K", "further": "Further metrics"}
"""What tables without a number are called."""


@dataclass(frozen=True)
class Sources:
    """Where a table's numbers are: the paper's values, and the artifacts that this table needs."""

    paper: Path
    metrics: Path | None = None
    sizes: Path | None = None
    throughput: Path | None = None

    def at(self, kind: str) -> Path:
        """The folder or file of a kind of artifacts."""
        path: Path | None = getattr(self, kind)
        if path is None:
            raise UserError(f"--{kind}: is missing; this table needs it")
        return path

    def of_models(self, params: Params, name: str) -> dict[str, int]:
        """`parameters` or `forward_flops` of every model that has a network."""
        path = self.at("sizes")
        content = read_sealed_json(path)
        networks: dict[str, Section] = {key: m for key, m in params.models.items() if m.kind != "uniform"}
        try:
            found = {key: content["models"][key][name] for key in networks}
        except (KeyError, TypeError) as error:
            raise UserError(f"{path}: does not hold the {name} of every model ({error!r})") from error
        require_params(path, content.get("made_by"), networks)
        return found


def run(params: Params, table: str, sources: Sources, out: Path) -> None:
    """Write a table as `<out>.csv`, `.md` and `.tex`.

    Raises:
        UserError: What the table needs is missing, or its section does not fit the paper's table.
    """
    paper = read_paper_table(sources.paper / f"{table}.csv") if table in PAPER_TABLES else pd.DataFrame()
    try:
        made = _build(paper, params, table, sources)
    except ValueError as error:
        raise UserError(f"tables.{table}.{error}") from error
    name = NAMES.get(table, table.replace("_", " ").capitalize())
    write_table(out, named(made, table), name, caption(sources.paper / "captions.yaml", table))


def _build(paper: pd.DataFrame, params: Params, table: str, sources: Sources) -> pd.DataFrame:
    shown = getattr(params.tables, table)
    match shown:
        case FurtherParams():
            return further_table(params, shown.rows, sources.at("metrics"))
        case ComputeParams():
            flops = sources.of_models(params, "forward_flops")
            return compute_table(paper, params, shown.rows, sources.at("metrics"), flops)
        case RowsParams():
            build = sweep_table if table == "appendix_k" else run_table
            return build(paper, params, shown.rows, sources.at("metrics"))
        case ThroughputTableParams():
            return throughput_table(paper, params, shown.models, sources.at("throughput"))
        case HyperparametersParams():
            return model_table(paper, params, shown.columns, sources.of_models(params, "parameters"))
        case ScalesParams():
            return scale_table(paper, params, shown.ddpm, shown.ddim)
    raise AssertionError(table)
