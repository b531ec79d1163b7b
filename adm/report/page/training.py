"""The training of models, as their logs tell it: curves and a table."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from adm.artifacts.seal import check_seal
from adm.errors import UserError, brief
from adm.report.figures import COLORS, STYLE

POINTS = 400
"""The most points of a curve."""

PANELS = {"loss": "Loss", "gradient_norm": "Gradient norm"}
"""The columns of a log that are drawn, with the labels of their axes."""


def read_log(path: Path) -> pd.DataFrame:
    """Read the log of a segment, each row the means since the row before.

    Raises:
        UserError: It is not what was written, or lacks a column or a row.
    """
    check_seal(path)
    try:
        log = pd.read_csv(path, comment="#")
        log[["step", "seconds", "images_per_second", "loss"]].iloc[-1].astype(float)
    except (ValueError, KeyError, IndexError) as error:
        raise UserError(f"{path}: is no training log as this version writes it ({brief(error)})") from error
    return log


def training_curves(log: pd.DataFrame) -> bytes:
    """The curves of a training as an svg, a panel a column; points beyond POINTS are joined into means."""
    group = log.index // -(-len(log) // POINTS)
    rows = log.groupby(group).mean(numeric_only=True)
    panels = {name: label for name, label in PANELS.items() if name in rows}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.1 * len(panels), 2.1), layout="constrained")
        for axes, (name, label) in zip(
            figure.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True
        ):
            axes.plot(rows["step"], rows[name], color=COLORS[0], marker="o" if len(rows) < 2 else "")
            axes.set(xlabel="Iteration", ylabel=label)
            axes.locator_params(nbins=5)
        written = BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()


def training_row(model: str, kind: str, logs: Sequence[pd.DataFrame]) -> dict[str, str]:
    """A model's row in the table of trainings; every log is of a segment."""
    last = logs[-1].iloc[-1]
    rows = pd.concat(logs)
    return {
        "Model": model,
        "Kind": kind,
        "Iterations": f"{last['step']:.0f}",
        "Minutes": f"{sum(log['seconds'].iloc[-1] for log in logs) / 60:.1f}",
        "Images per second": f"{rows['images_per_second'].median():.0f}",
        "Last loss": f"{last['loss']:.4g}",
    }
