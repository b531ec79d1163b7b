"""A grid of images as one mosaic at the pixels of the png, with its labels as tick labels."""

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
"""Pixels an inch, in the png and in the pdf."""

EXTENT = (int(11.0 * DPI), int(8.5 * DPI))
"""The most pixels of a mosaic, down and across: a page, less the room of its labels."""

CELL = int(0.42 * DPI)
"""The fewest pixels of an image that is enlarged."""

TITLE_GAP = int(0.3 * DPI)
"""Pixels above a block, its title's room included."""

MARGIN = int(0.05 * DPI)
"""Pixels around a figure."""

LABEL_SIZE = 8
"""Points of the text beside images."""

ROW_LABEL = 22
"""Characters after which the label of a row is wrapped."""

CHARACTER = 0.6 * LABEL_SIZE / 72 * DPI
"""About the pixels a character takes."""

WHITE = 255
"""The ground of a mosaic."""

Span = tuple[int, int, str]
"""The first and the last row (or column) that a label stands at the middle of, and the label."""


@dataclass(frozen=True)
class Sheet:
    """A grid of images of one size, and what is written around it.

    Attributes:
        cells: (R, C, H, W, 3) uint8; an empty cell is white.
        row_gaps: (R,) pixels above each row.
        column_gaps: (C,) pixels before each column.
        rows: Labels at the left.
        columns: Labels at the top.
        titles: Titles above rows, by the row.
        heading: What the labels at the top are.
    """

    cells: Images
    row_gaps: Sequence[int]
    column_gaps: Sequence[int]
    rows: Sequence[Span] = ()
    columns: Sequence[Span] = ()
    titles: Mapping[int, str] | None = None
    heading: str = ""


def draw(sheet: Sheet) -> Figure:
    """A figure of a sheet, whose pixels are whole pixels of the png.

    Raises:
        ValueError: It has no image.
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
    # Where an axes is as large as its mosaic, each pixel of it is one of the png.
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
    """Places and texts of labels, wrapped to the pixels of their span or to `room`, whichever is more."""
    places = [(starts[first] + starts[last] + size - 1) / 2 for first, last, _ in spans]
    texts = []
    for first, last, text in spans:
        characters = int(max(room, starts[last] + size - starts[first]) / CHARACTER)
        texts.append(fill(text, max(1, characters), break_long_words=False, break_on_hyphens=False))
    return places, texts


def _make_room(figure: Figure, axes: Axes) -> None:
    """Enlarge the figure by what its labels take around the axes, in whole pixels."""
    width, height = (round(inches * DPI) for inches in figure.get_size_inches())
    bounds = figure.get_tightbbox()
    left, below = (math.ceil(max(0.0, -inches) * DPI) + MARGIN for inches in (bounds.x0, bounds.y0))
    right = math.ceil(max(0.0, bounds.x1 * DPI - width)) + MARGIN
    above = math.ceil(max(0.0, bounds.y1 * DPI - height)) + MARGIN
    across, down = left + width + right, below + height + above
    figure.set_size_inches(across / DPI, down / DPI)
    axes.set_position((left / across, below / down, width / across, height / down))


def _sized(cells: Images, gaps_down: int, gaps_across: int) -> Images:
    """Images enlarged by a whole factor to CELL pixels, or reduced to what the page holds."""
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
