"""A grid of images as one mosaic in the png's own pixels, with tick labels as its labels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from adm.report.figures import STYLE

Images = NDArray[np.uint8]
"""Images, channels last."""

DPI: int = STYLE["savefig.dpi"]
"""Pixels per inch, in the png and in the pdf."""

EXTENT = (int(11.0 * DPI), int(8.5 * DPI))
"""Largest height and width of a mosaic in pixels: a page without the room for labels."""

CELL = int(0.42 * DPI)
"""Smaller images are enlarged to at least this many pixels."""

TITLE_GAP = int(0.3 * DPI)
"""Pixels above a block, including the room for its title."""

MARGIN = int(0.05 * DPI)
"""Pixels around a figure."""

LABEL_SIZE = 8
"""Font size of the text beside images, in points."""

ROW_LABEL = 22
"""Characters after which a row's label is wrapped."""

CHARACTER = 0.6 * LABEL_SIZE / 72 * DPI
"""Approximate width of a character in pixels."""

WHITE = 255
"""The background of a mosaic."""

Span = tuple[int, int, str]
"""The first and the last row (or column) of a label, which is centred between them, and the label."""


@dataclass(frozen=True)
class Sheet:
    """A grid of images of one size, and the texts around it.

    Attributes:
        cells: (R, C, H, W, 3) uint8; an empty cell is white.
        row_gaps: (R,) pixels above each row.
        column_gaps: (C,) pixels before each column.
        rows: Labels at the left.
        columns: Labels at the top.
        titles: Titles above rows, by the row's number.
        heading: The name of the labels at the top.
    """

    cells: Images
    row_gaps: Sequence[int]
    column_gaps: Sequence[int]
    rows: Sequence[Span] = ()
    columns: Sequence[Span] = ()
    titles: Mapping[int, str] | None = None
    heading: str = ""


def draw(sheet: Sheet) -> Figure:
    """A figure of a sheet; each pixel of the mosaic is a whole pixel of the png.

    Raises:
        ValueError: The sheet has no image.
    """
    if sheet.cells.size == 0:
        raise ValueError("images: none given; at least one is needed")
    cells = _sized(sheet.cells, sum(sheet.row_gaps), sum(sheet.column_gaps))
    height, width = cells.shape[2:4]
    tops = np.cumsum(sheet.row_gaps) + height * np.arange(len(cells))
    lefts = np.cumsum(sheet.column_gaps) + width * np.arange(cells.shape[1])
    mosaic = np.full((tops[-1] + height, lefts[-1] + width, 3), WHITE, np.uint8)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            mosaic[top : top + height, left : left + width] = cells[row, column]
    # Axes of the mosaic's size: each pixel of the mosaic is then one pixel of the png.
    with mpl.rc_context({**STYLE, "axes.grid": False, "font.size": LABEL_SIZE}):
        figure = Figure(figsize=(mosaic.shape[1] / DPI, mosaic.shape[0] / DPI), dpi=DPI)
        axes = figure.add_axes((0, 0, 1, 1), frameon=False)
        axes.imshow(mosaic, interpolation="nearest", aspect="auto")
        axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
        axes.set_yticks(*_ticks(sheet.rows, tops, height, ROW_LABEL * CHARACTER))
        axes.set_xticks(*_ticks(sheet.columns, lefts, width, 0))
        axes.xaxis.set_label_position("top")
        axes.set_xlabel(sheet.heading)
        for row, title in (sheet.titles or {}).items():
            axes.text(0, tops[row] - TITLE_GAP / 5, title, va="bottom", fontsize=LABEL_SIZE + 1)
        _make_room(figure, axes)
    return figure


def _ticks(spans: Sequence[Span], starts: NDArray[np.int64], size: int, room: float) -> tuple[list[float], list[str]]:
    """Positions and texts of labels, wrapped to the larger of their span and `room`, in pixels."""
    places = [(starts[first] + starts[last] + size - 1) / 2 for first, last, _ in spans]
    texts = []
    for first, last, text in spans:
        characters = int(max(room, starts[last] + size - starts[first]) / CHARACTER)
        texts.append(fill(text, max(1, characters), break_long_words=False, break_on_hyphens=False))
    return places, texts


def _make_room(figure: Figure, axes: Axes) -> None:
    """Enlarge the figure by the room of the labels around the axes, in whole pixels."""
    width, height = (round(inches * DPI) for inches in figure.get_size_inches())
    bounds = figure.get_tightbbox()
    left, below = (math.ceil(max(0.0, -inches) * DPI) + MARGIN for inches in (bounds.x0, bounds.y0))
    right = math.ceil(max(0.0, bounds.x1 * DPI - width)) + MARGIN
    above = math.ceil(max(0.0, bounds.y1 * DPI - height)) + MARGIN
    across, down = left + width + right, below + height + above
    figure.set_size_inches(across / DPI, down / DPI)
    axes.set_position((left / across, below / down, width / across, height / down))


def _sized(cells: Images, gaps_down: int, gaps_across: int) -> Images:
    """Images enlarged by a whole factor to at least CELL pixels, or reduced to fit the page."""
    rows, columns, height, width = cells.shape[:4]
    room = min((EXTENT[0] - gaps_down) / (rows * height), (EXTENT[1] - gaps_across) / (columns * width))
    if room >= 1:
        factor = min(int(room), math.ceil(CELL / max(height, width)))
        return cells.repeat(factor, axis=2).repeat(factor, axis=3)
    size = (max(1, int(width * room)), max(1, int(height * room)))
    reduced = [
        np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
        for image in cells.reshape(-1, height, width, 3)
    ]
    return np.stack(reduced).reshape(rows, columns, size[1], size[0], 3)
