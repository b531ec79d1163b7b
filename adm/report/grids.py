"""Figures of images: samples by class or at random, with neighbours, side by side, and interpolations.

A grid is one mosaic in the png's own pixels; labels are those of its axes.
"""

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from adm.artifacts.writing import new_file
from adm.report.figures import DPI, STYLE
from adm.sampling.batch import Images

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

CHARACTER = 0.6 * LABEL_SIZE / 72 * DPI
"""Approximate width of a character in pixels."""

LINE = 1.2 * LABEL_SIZE / 72 * DPI
"""Approximate height of a line of it."""

WHITE = 255
"""The background of a mosaic."""

Span = tuple[int, int, str]
"""The first and the last row (or column) of a label, which is centred between them, and the label."""

GAP = 3
"""Pixels between images of a group."""

WIDE_GAP = 16
"""Pixels between a sample and its neighbours, between real and decoded images, and between panels."""


def class_grid(
    images: Images,
    labels: NDArray[np.int64],
    classes: Sequence[int],
    columns: int,
    names: Sequence[str] | None = None,
) -> Figure:
    """Show the first samples of each class, one row for each class.

    Args:
        images: (N, H, W, 3) uint8.
        labels: (N,) int64.
        classes: The classes of the rows.
        columns: Samples in a row; a class with fewer samples leaves cells empty.
        names: The names of `classes`, written beside their numbers.

    Source: Figures 13-17 and 20-22.
    """
    titles = [f"class {number}" for number in classes]
    if names is not None:
        titles = [f"{number}: {name}" for number, name in zip(classes, names, strict=True)]
    rows = [images[np.flatnonzero(labels == number)[:columns]] for number in classes]
    return _mosaic(_cells(rows, columns), rows=_each(titles))


def random_grid(images: Images, rows: int, columns: int) -> Figure:
    """Show the first samples, in order, row by row; with too few samples there are fewer rows.

    Args:
        images: (N, H, W, 3) uint8, N > 0.
        rows: The largest number of rows.
        columns: Samples in a row.

    Source: Figures 18, 19 and 23-27.
    """
    first = images[: rows * columns]
    columns = min(columns, len(first))
    return _mosaic(_cells(_split(first, columns), columns))


def neighbour_grid(blocks: Mapping[str, tuple[Images, Images]]) -> Figure:
    """Show samples, each above its nearest neighbours in the dataset.

    Args:
        blocks: By title, samples (M, H, W, 3) uint8 and their neighbours (M, k, H, W, 3) uint8, nearest first.

    Source: Figure 7.
    """
    columns = max((len(samples) for samples, _ in blocks.values()), default=0)
    rows: list[Images] = []
    gaps: list[int] = []
    names: list[str] = []
    titles: dict[int, str] = {}
    for title, (samples, neighbours) in blocks.items():
        count = neighbours.shape[1]
        titles[len(rows)] = title
        rows += [samples, *neighbours.swapaxes(0, 1)]
        gaps += [TITLE_GAP if gaps else 0, *([WIDE_GAP] + [GAP] * (count - 1))[:count]]
        names += ["sample", *({1: "1st", 2: "2nd", 3: "3rd"}.get(rank, f"{rank}th") for rank in range(1, count + 1))]
    return _mosaic(_cells(rows, columns), gaps, rows=_each(names), titles=titles)


def comparison(rows: Mapping[str, Mapping[str, Images]], columns_per_panel: int) -> Figure:
    """Show bands of panels of samples side by side.

    Args:
        rows: Panels by the name of their band; the name may be empty. A band's panels are images (n, H, W, 3) uint8 by
            title; a panel that a band does not have stays empty.
        columns_per_panel: Images in a row of a panel.

    Source: Figures 8, 9 and 12.
    """
    everything = [images for panels in rows.values() for images in panels.values()]
    titles = list(dict.fromkeys(title for panels in rows.values() for title in panels))
    chunks: list[Images] = []
    gaps: list[int] = []
    spans: list[Span] = []
    for name, panels in rows.items():
        lines = max(math.ceil(len(images) / columns_per_panel) for images in panels.values())
        for start in range(0, lines * columns_per_panel, columns_per_panel):
            chunks += [panels.get(title, everything[0][:0])[start : start + columns_per_panel] for title in titles]
        spans.append((len(gaps), len(gaps) + lines - 1, name))
        gaps += [WIDE_GAP if gaps else 0, *[GAP] * (lines - 1)]
    cells = _cells(chunks, columns_per_panel)
    last = columns_per_panel - 1
    starts = range(0, len(titles) * columns_per_panel, columns_per_panel)
    return _mosaic(
        cells.reshape(len(gaps), len(titles) * columns_per_panel, *cells.shape[2:]),
        gaps,
        [gap for start in starts for gap in (WIDE_GAP if start else 0, *[GAP] * last)],
        rows=spans,
        columns=[(start, start + last, title) for start, title in zip(starts, titles, strict=True)],
    )


def interpolation_grid(originals: Images, images: Images) -> Figure:
    """Show decoded interpolations between pairs of real images, which are at the left and the right.

    Args:
        originals: (P, 2, H, W, 3) uint8, the real images of each pair.
        images: (P, K, H, W, 3) uint8, decoded at theta from 0 to pi / 2.

    Source: Figure 10.
    """
    last = images.shape[1]
    # Non-breaking spaces keep a label in one line.
    labels = {0: "real", 1: "θ\u00a0=\u00a00", last: "θ\u00a0=\u00a0π/2", last + 1: "real"}
    return _mosaic(
        np.concatenate([originals[:, :1], images, originals[:, 1:]], axis=1),
        column_gaps=[0, WIDE_GAP, *[GAP] * (last - 1), WIDE_GAP],
        columns=[(column, column, label) for column, label in labels.items()],
    )


def save_sheet(path: Path, images: Images, names: Sequence[str] | None = None) -> None:
    """Write images in a grid: a class in rows of its own, or where none has more than two, a square in their order.

    Args:
        path: The png to write; it has no date.
        images: (N, H, W, 3) uint8, N > 0.
        names: The name of each image's class; None for images without classes.
    """
    square = math.ceil(math.sqrt(len(images)))
    labels = np.array(names or [""] * len(images), object)
    groups = {name: images[labels == name] for name in dict.fromkeys(labels)}
    largest = max(map(len, groups.values()))
    rows, spans = list[Images](), list[Span]()
    if len(groups) > 1 and largest <= 2:
        columns, rows = square, _split(images, square)
        spans = _each([", ".join(dict.fromkeys(each)) for each in _split(labels, square)])
    else:
        columns = square if len(groups) == 1 else min(largest, 10)
        for name, members in groups.items():
            split = _split(members, columns)
            if name:
                spans.append((len(rows), len(rows) + len(split) - 1, name))
            rows += split
    drawn = BytesIO()
    _mosaic(_cells(rows, columns), rows=spans).savefig(drawn, format="png", metadata={"Software": None})
    with new_file(path) as partial:
        partial.write_bytes(drawn.getvalue())


def _mosaic(
    cells: Images,
    row_gaps: Sequence[int] | None = None,
    column_gaps: Sequence[int] | None = None,
    rows: Sequence[Span] = (),
    columns: Sequence[Span] = (),
    titles: Mapping[int, str] | None = None,
) -> Figure:
    """Draw images of one size as one mosaic; each of its pixels is a whole pixel of the png.

    Args:
        cells: (R, C, H, W, 3) uint8; an empty cell is white.
        row_gaps: (R,) pixels above each row; GAP between rows if not given.
        column_gaps: (C,) pixels before each column; likewise.
        rows: Labels at the left.
        columns: Labels at the top.
        titles: Titles above rows, by the row's number.
    """
    row_gaps, column_gaps = row_gaps or _gaps(cells.shape[0]), column_gaps or _gaps(cells.shape[1])
    cells = _sized(cells, sum(row_gaps), sum(column_gaps))
    height, width = cells.shape[2:4]
    tops = np.cumsum(row_gaps) + height * np.arange(len(cells))
    lefts = np.cumsum(column_gaps) + width * np.arange(cells.shape[1])
    mosaic = np.full((tops[-1] + height, lefts[-1] + width, 3), WHITE, np.uint8)
    for line, top in zip(cells, tops, strict=True):
        for cell, left in zip(line, lefts, strict=True):
            mosaic[top : top + height, left : left + width] = cell
    # Axes of the mosaic's size: each pixel of the mosaic is then one pixel of the png.
    with mpl.rc_context({**STYLE, "axes.grid": False, "font.size": LABEL_SIZE}):
        figure = Figure(figsize=(mosaic.shape[1] / DPI, mosaic.shape[0] / DPI), dpi=DPI)
        axes = figure.add_axes((0, 0, 1, 1), frameon=False)
        axes.imshow(mosaic, interpolation="nearest", aspect="auto")
        axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
        axes.set_yticks(*_ticks(rows, tops, height, 22 * CHARACTER))
        axes.set_xticks(*_ticks(columns, lefts, width, 0))
        for row, title in (titles or {}).items():
            axes.text(0, tops[row] - TITLE_GAP / 5, title, va="bottom", fontsize=LABEL_SIZE + 1)
        _make_room(figure, axes)
    return figure


def _ticks(spans: Sequence[Span], starts: NDArray[np.int64], size: int, room: float) -> tuple[list[float], list[str]]:
    """Find positions and texts of labels, wrapped to the larger of their span and `room`, in pixels.

    Labels with room, those of rows, are wider where they would be higher than their span; in labels of columns words
    are broken that would reach the next one.
    """
    places, texts = list[float](), list[str]()
    for first, last, text in spans:
        span = int(starts[last] + size - starts[first])
        # Between two dollars matplotlib reads a formula.
        plain, width = text.replace("$", r"\$"), max(1, int(max(room, span) / CHARACTER))
        breaks = not room and max(map(len, plain.split(" "))) * CHARACTER > span + WIDE_GAP
        lines = wrap(plain, width, break_long_words=breaks, break_on_hyphens=breaks)
        while room and len(lines) > max(1, span // LINE) and width < len(plain):
            width += 1
            lines = wrap(plain, width, break_long_words=False, break_on_hyphens=False)
        places.append((starts[first] + starts[last] + size - 1) / 2)
        texts.append("\n".join(lines))
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
    """Enlarge images by a whole factor to at least CELL pixels, or reduce them to fit the page."""
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


def _cells(rows: Sequence[Images], columns: int) -> Images:
    """Lay rows of images out as (R, columns, H, W, 3), with white images at the end of shorter rows."""
    shape = rows[0].shape[1:] if rows else (0, 0, 3)
    if len(sizes := {images.shape[1:3] for images in rows}) > 1:
        listed = " and ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise ValueError(f"images: found sizes {listed}; a figure takes one")
    cells = np.full((len(rows), columns, *shape), WHITE, np.uint8)
    for row, images in zip(cells, rows, strict=True):
        row[: len(images)] = images
    return cells


def _split(images: NDArray[Any], columns: int) -> list[NDArray[Any]]:
    return [images[first : first + columns] for first in range(0, len(images), max(1, columns))]


def _gaps(count: int) -> list[int]:
    return [0, *[GAP] * (count - 1)]


def _each(labels: Sequence[str]) -> list[Span]:
    return [(index, index, label) for index, label in enumerate(labels)]
