"""`table`: a table of the paper from its runs' metrics."""

from pathlib import Path

from adm.params.file import Params
from adm.report.metrics import read_metrics
from adm.report.tables import HEADINGS, iterations, write_table


def run(params: Params, table: str, source: Path, out: Path) -> None:
    """Write a table as `<out>.csv`, `.md` and `.tex`; `source` is the folder of its sweep's metrics."""
    TABLES[table](params, source, out)


def _table_8(params: Params, metrics: Path, out: Path) -> None:
    table = params.tables.table_8
    runs = [params.runs[key] for key in table.rows]
    rows = read_metrics(metrics, table.rows)[["fid", "sfid", "precision", "recall"]].rename(columns=HEADINGS)
    rows.insert(0, "Iterations", [iterations(params.iteration_of(run.checkpoint)) for run in runs])
    scales = ", ".join(str(scale) for scale in dict.fromkeys(run.gradient_scale for run in runs))
    write_table(out, rows, "Table 8", f"The model evaluated throughout training (classifier scale {scales}).")


TABLES = {"table_8": _table_8}
