"""The common parts of figures: style, labels of axes, captions and files."""

import math
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from adm.artifacts.manifest import MadeBy
from adm.config.metrics import METRICS
from adm.report.shown import write_shown

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255", "#999933")
"""Colours of curves that colour-blind readers can tell apart: Okabe and Ito's without yellow, and two of Tol's."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""Markers of curves; they keep a copy in black and white readable."""

LINES = ("-", (0, (5, 2)))
"""Lines of curves, of which every second one is dashed."""

DPI = 200
"""Pixels of a figure in an inch, in the png and in the pdf."""

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib ships it, so every machine draws the same
    "font.size": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "pdf.fonttype": 42,
    "savefig.dpi": DPI,
    "svg.hashsalt": "adm",  # else names within a file are drawn anew each time
}
"""Settings of matplotlib for drawing and writing figures."""

CAPTION_MARGIN = 0.08
"""Margin around a caption, in inches."""


def axis_label(metric: str) -> str:
    """Label a metric's axis, such as "FID (lower is better)"."""
    row = METRICS[metric]
    return f"{row.label} ({row.better} is {'better' if row.better in ('lower', 'higher') else 'ideal'})"


def captioned(figure: Figure, caption: str) -> Figure:
    """Add a caption below a figure; the figure grows, and its drawing keeps its size.

    Args:
        figure: Changed in place.
        caption: Sentences, which are wrapped to the figure's width.
    """
    with mpl.rc_context(STYLE):
        # The layout is fixed first; otherwise it would fill the caption's room, too.
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
        _thin_out(figure)
        figure.set_layout_engine("none")
        width, height = figure.get_size_inches()
        wider = max(width, 4.0)
        # About as many characters as fit in an inch; a few more would cross the figure's edge.
        text = fill(caption, width=int((wider - 2 * CAPTION_MARGIN) * 16.5))
        room = _room(text)
        left = math.floor((wider - width) / 2 * DPI) / DPI
        taller = height + room
        for axes in figure.axes:
            box = axes.get_position()
            corner = ((box.x0 * width + left) / wider, (box.y0 * height + room) / taller)
            axes.set_position((*corner, box.width * width / wider, box.height * height / taller))
        for drawn in figure.texts:
            x, y = drawn.get_position()
            drawn.set_position(((x * width + left) / wider, (y * height + room) / taller))
        figure.set_size_inches(wider, taller)
        figure.text(CAPTION_MARGIN / wider, CAPTION_MARGIN / taller, text, fontsize=8, va="bottom")
    return figure


def _thin_out(figure: Figure) -> None:
    """Take labels of ticks away that would overprint the one before, as those of a logarithmic axis of many decades."""
    for axes in figure.axes:
        for side, axis in enumerate((axes.xaxis, axes.yaxis)):
            low, high = sorted(axis.get_view_interval())
            labels = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            boxes = [(label.get_window_extent(), label) for label in labels if label.get_visible()]
            reached = -math.inf
            for box, label in sorted(boxes, key=lambda one: float(one[0].min[side])):
                label.set_visible(box.min[side] >= reached)
                reached = box.max[side] if label.get_visible() else reached


def write_figure(stem: Path, figure: Figure, caption: str, made_by: MadeBy) -> None:
    """Write a figure as `<stem>.png`, `<stem>.pdf` and `<stem>.svg`, without a date, and its record.

    Args:
        stem: The path without its ending.
        figure: The figure, to which `captioned` has added the caption.
        caption: The caption. The svg holds it as its description, and its drawing is without it: pages show it as text.
        made_by: What the record tells.
    """
    with mpl.rc_context(STYLE):
        formats: dict[str, dict[str, str | None]] = {
            ".png": {},
            ".pdf": {"CreationDate": None},
            ".svg": {"Date": None, "Creator": None, "Description": caption},
        }
        contents = dict[str, bytes]()
        for ending, metadata in formats.items():
            box = None
            if ending == ".svg":  # without the caption, which `captioned` added last, and its room
                width, height = figure.get_size_inches()
                box = Bbox.from_extents(0, _room(figure.texts[-1].get_text()), width, height)
                figure.texts[-1].set_visible(False)
            # Drawn in memory: if the library itself cannot write a file, its errors vary.
            figure.savefig(drawn := BytesIO(), format=ending[1:], metadata=metadata, bbox_inches=box)
            contents[ending] = drawn.getvalue()
    write_shown(stem, contents, made_by)


def _room(caption: str) -> float:
    """Return the height of a wrapped caption with its margins, in inches."""
    # A line is 0.135 inches high. Whole pixels, because the pixels of an image must stay whole.
    return math.ceil(((caption.count("\n") + 1) * 0.135 + 2 * CAPTION_MARGIN) * DPI) / DPI
