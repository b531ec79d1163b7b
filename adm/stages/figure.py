"""`figure`: a figure of the paper from its runs' metrics or samples."""

from pathlib import Path

from adm.params.file import Params
from adm.report.figures import class_grid, trade_off, write_figure
from adm.report.metrics import read_metrics
from adm.sampling.batch import read_batch


def run(params: Params, figure: str, source: Path, out: Path) -> None:
    """Write a figure as `<out>.png` and `.pdf`; `source` is the folder of its sweep's metrics, or its samples."""
    FIGURES[figure](params, source, out)


def _figure_6(params: Params, metrics: Path, out: Path) -> None:
    rows = params.figures.figure_6.rows
    scales = [params.runs[key].gradient_scale for key in rows]
    write_figure(out, trade_off(read_metrics(metrics, rows), scales, "ADM-G, varying the gradient scale"))


def _figure_21(params: Params, samples: Path, out: Path) -> None:
    grid = params.figures.figure_21
    images, labels = read_batch(samples)
    write_figure(out, class_grid(images, labels, grid.classes, grid.columns))


FIGURES = {"figure_6": _figure_6, "figure_21": _figure_21}
