"""Figures as png and pdf, the same bytes for the same numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from adm.artifacts.writing import new_file
from adm.report.tables import HEADINGS

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}
PANELS = (("inception_score", "fid"), ("inception_score", "sfid"), ("recall", "precision"))
"""Abscissa and ordinate of the trade-off's panels."""

HALO = withStroke(linewidth=2.5, foreground="white")
"""Keeps a label readable where a curve passes behind it."""

CELL = 0.42
"""Inches a sample takes in a grid."""

BETTER = {"fid": "lower", "sfid": "lower", "inception_score": "higher", "precision": "higher", "recall": "higher"}


def trade_off(metrics: pd.DataFrame, scales: Sequence[float], label: str) -> Figure:
    """FID and sFID against Inception Score, and precision against recall, as the gradient scale grows.

    Args:
        metrics: A row a run, with the columns of `adm.report.metrics.METRICS`.
        scales: The gradient scale of each row; it stands beside its point.
        label: The curve's name.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.4), layout="constrained")
        for axes, (x, y) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
            axes.plot(metrics[x], metrics[y], marker="o", markersize=4, linewidth=1.2, label=label)
            for scale, at in zip(scales, zip(metrics[x], metrics[y], strict=True), strict=True):
                axes.annotate(
                    f"{scale:g}", at, textcoords="offset points", xytext=(5, 4), fontsize=7.5, path_effects=[HALO]
                )
            axes.set_xlabel(f"{HEADINGS[x]} ({BETTER[x]} is better)")
            axes.set_ylabel(f"{HEADINGS[y]} ({BETTER[y]} is better)")
            axes.margins(0.12)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", frameon=False)
    return figure


def class_grid(images: NDArray[np.uint8], labels: NDArray[np.int64], classes: Sequence[int], columns: int) -> Figure:
    """The first samples of each class, one row a class.

    Args:
        images: (N, H, W, 3) uint8.
        labels: (N,) int64.
        classes: The rows.
        columns: Samples a row; a class that has fewer leaves cells empty.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(CELL * columns + 0.4, CELL * len(classes) + 0.1), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)  # type: ignore[union-attr,call-arg]
        grid: NDArray[np.object_] = figure.subplots(len(classes), columns, squeeze=False)
        for row, number in zip(grid, classes, strict=True):
            chosen = images[labels == number][:columns]
            for column, axes in enumerate(row):
                _show(axes, chosen[column] if column < len(chosen) else None)
            row[0].set_ylabel(str(number), rotation=0, ha="right", va="center")
    return figure


def write_figure(stem: Path, figure: Figure) -> None:
    """Write a figure as `<stem>.png` and `<stem>.pdf`, without a date."""
    with mpl.rc_context(STYLE):
        for ending, metadata in [(".png", {}), (".pdf", {"CreationDate": None})]:
            with new_file(stem.with_suffix(ending)) as path:
                figure.savefig(path, format=ending[1:], metadata=metadata)


def _show(axes: Axes, image: NDArray[np.uint8] | None) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if image is not None:
        axes.imshow(image, interpolation="nearest")
