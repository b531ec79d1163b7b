"""Figures of images: samples by class or at random, with neighbours, along a scale, and interpolations."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from adm.report.mosaic import TITLE_GAP, WHITE, Images, Sheet, Span, draw

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
    """The first samples of each class, one row for each class.

    Args:
        images: (N, H, W, 3) uint8.
        labels: (N,) int64.
        classes: The classes of the rows.
        columns: Samples in a row; a class with fewer samples leaves cells empty.
        names: The names of `classes`, written beside their numbers.

    Source: Figures 13-17 and 20-22.
    """
    _check(images, 4)
    titles = [f"class {number}" for number in classes]
    if names is not None:
        titles = [f"{number}: {name}" for number, name in zip(classes, names, strict=True)]
    rows = [images[np.flatnonzero(labels == number)[:columns]] for number in classes]
    return draw(Sheet(_cells(rows, columns), _gaps(len(rows)), _gaps(columns), rows=_each(titles)))


def random_grid(images: Images, rows: int, columns: int) -> Figure:
    """The first samples, in order, row by row; with too few samples there are fewer rows.

    Args:
        images: (N, H, W, 3) uint8, N > 0.
        rows: The largest number of rows.
        columns: Samples in a row.

    Source: Figures 18, 19 and 23-27.
    """
    _check(images, 4)
    shown = images[: rows * columns]
    columns = min(columns, len(shown))
    split = [shown[start : start + columns] for start in range(0, len(shown), max(1, columns))]
    return draw(Sheet(_cells(split, columns), _gaps(len(split)), _gaps(columns)))


def neighbour_grid(blocks: Mapping[str, tuple[Images, Images]]) -> Figure:
    """Samples, each above its nearest neighbours in the dataset.

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
        _check(samples, 4)
        _check(neighbours, 5)
        count = neighbours.shape[1]
        titles[len(rows)] = title
        rows += [samples, *neighbours.swapaxes(0, 1)]
        gaps += [TITLE_GAP if gaps else 0, *([WIDE_GAP] + [GAP] * (count - 1))[:count]]
        names += ["sample", *(_ordinal(rank) for rank in range(1, count + 1))]
    return draw(Sheet(_cells(rows, columns), gaps, _gaps(columns), rows=_each(names), titles=titles))


def scale_grid(images: Images, scales: Sequence[float], labels: Sequence[str]) -> Figure:
    """Samples as the gradient scale grows, one row for each seed.

    Args:
        images: (rows, scales, H, W, 3) uint8.
        scales: The gradient scale of each column.
        labels: The label of each row: its class.

    Source: Figure 8.
    """
    _check(images, 5)
    if images.shape[:2] != (len(labels), len(scales)):
        found = f"{images.shape[0]} x {images.shape[1]} images"
        raise ValueError(f"images: found {found} for {len(labels)} labels and {len(scales)} scales")
    return draw(
        Sheet(
            images,
            _gaps(len(labels)),
            _gaps(len(scales)),
            rows=_each(labels),
            columns=_each([f"{scale:g}" for scale in scales]),
            heading="Gradient scale",
        )
    )


def comparison(rows: Mapping[str, Mapping[str, Images]], columns_per_panel: int) -> Figure:
    """Bands of panels of samples side by side.

    Args:
        rows: Panels by the name of their band; the name may be empty. A band's panels are images (n, H, W, 3) uint8 by
            title; a panel that a band does not have stays empty.
        columns_per_panel: Images in a row of a panel.

    Source: Figures 9 and 12.
    """
    shown = [images for panels in rows.values() for images in panels.values()]
    for images in shown:
        _check(images, 4)
    titles = list(dict.fromkeys(title for panels in rows.values() for title in panels))
    chunks: list[Images] = []
    gaps: list[int] = []
    spans: list[Span] = []
    for name, panels in rows.items():
        lines = max((math.ceil(len(images) / columns_per_panel) for images in panels.values()), default=0)
        for start in range(0, lines * columns_per_panel, columns_per_panel):
            chunks += [panels.get(title, shown[0][:0])[start : start + columns_per_panel] for title in titles]
        if lines:
            spans.append((len(gaps), len(gaps) + lines - 1, name))
            gaps += [WIDE_GAP if gaps else 0, *[GAP] * (lines - 1)]
    cells = _cells(chunks, columns_per_panel)
    last = columns_per_panel - 1
    starts = range(0, len(titles) * columns_per_panel, columns_per_panel)
    return draw(
        Sheet(
            cells.reshape(len(gaps), len(titles) * columns_per_panel, *cells.shape[2:]),
            gaps,
            [gap for start in starts for gap in (WIDE_GAP if start else 0, *[GAP] * last)],
            rows=spans,
            columns=[(start, start + last, title) for start, title in zip(starts, titles, strict=True)],
        )
    )


def interpolation_grid(originals: Images, images: Images) -> Figure:
    """Decoded interpolations between pairs of real images, which are at the left and the right.

    Args:
        originals: (P, 2, H, W, 3) uint8, the real images of each pair.
        images: (P, K, H, W, 3) uint8, decoded at theta from 0 to pi / 2.

    Source: Figure 10.
    """
    _check(originals, 5)
    _check(images, 5)
    last = images.shape[1]
    # Non-breaking spaces keep a label in one line.
    labels = {0: "real", 1: "θ\u00a0=\u00a00", last: "θ\u00a0=\u00a0π/2", last + 1: "real"}
    return draw(
        Sheet(
            np.concatenate([originals[:, :1], images, originals[:, 1:]], axis=1),
            _gaps(len(images)),
            [0, WIDE_GAP, *[GAP] * (last - 1), WIDE_GAP],
            columns=[(column, column, label) for column, label in labels.items()],
        )
    )


def _cells(rows: Sequence[Images], columns: int) -> Images:
    """Rows of images as (R, columns, H, W, 3), with white images at the end of shorter rows."""
    shape = rows[0].shape[1:] if rows else (0, 0, 3)
    if len(sizes := {images.shape[1:3] for images in rows}) > 1:
        found = " and ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise ValueError(f"images: found sizes {found}; a figure takes one")
    cells = np.full((len(rows), columns, *shape), WHITE, np.uint8)
    for row, images in zip(cells, rows, strict=True):
        row[: len(images)] = images
    return cells


def _gaps(count: int) -> list[int]:
    return [0, *[GAP] * (count - 1)]


def _each(labels: Sequence[str]) -> list[Span]:
    """One label for each row, or for each column."""
    return [(index, index, label) for index, label in enumerate(labels)]


def _ordinal(rank: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(rank, f"{rank}th")


def _check(images: Images, ndim: int) -> None:
    if images.dtype != np.uint8 or images.ndim != ndim or images.shape[-1] != 3:
        axes = ("N", "K")[: ndim - 3]
        accepted = f"({', '.join(axes)}, H, W, 3) uint8"
        raise ValueError(f"images: found {images.shape} {images.dtype}; accepted are {accepted}")
