"""Figures that show images: samples by class, at random, beside their neighbours, along a scale, between two images."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from adm.report.mosaic import TITLE_GAP, WHITE, Images, Sheet, Span, draw

GAP = 3
"""Pixels between images that belong together."""

WIDE_GAP = 16
"""Pixels between a sample and its neighbours, a real image and what is decoded, or two panels."""


def class_grid(
    images: Images,
    labels: NDArray[np.int64],
    classes: Sequence[int],
    columns: int,
    names: Sequence[str] | None = None,
) -> Figure:
    """The first samples of each class, one row a class.

    Args:
        images: (N, H, W, 3) uint8.
        labels: (N,) int64.
        classes: The rows.
        columns: Samples a row; a class that has fewer leaves cells empty.
        names: The name of each of `classes`, which stands beside its number.

    Source: Figures 13-17 and 20-22.
    """
    _check(images, 4)
    titles = [str(number) for number in classes]
    if names is not None:
        titles = [f"{number}: {name}" for number, name in zip(classes, names, strict=True)]
    rows = [images[labels == number][:columns] for number in classes]
    return draw(Sheet(_cells(rows, columns), _gaps(len(rows)), _gaps(columns), rows=_each(titles)))


def random_grid(images: Images, rows: int, columns: int) -> Figure:
    """The first samples, in order, row by row; where there are fewer than asked for, rows are left out.

    Args:
        images: (N, H, W, 3) uint8, N > 0.
        rows: Rows at the most.
        columns: Samples a row.

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
        blocks: By title, the samples (M, H, W, 3) uint8 and their neighbours (M, k, H, W, 3) uint8, nearest first.

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
    """Samples as the gradient scale grows, one row a noise seed.

    Args:
        images: (rows, scales, H, W, 3) uint8.
        scales: The gradient scale of each column.
        labels: What stands beside each row: its class.

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
    """Panels of samples side by side, in one band a row.

    Args:
        rows: By the name of a band, which may be empty, images (n, H, W, 3) uint8 by the title of their panel; a panel
            that a band lacks is left empty.
        columns_per_panel: Images a row of a panel.

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
    """Decoded interpolations between pairs of real images, which stand at the left and the right.

    Args:
        originals: (P, 2, H, W, 3) uint8, the real images of each pair.
        images: (P, K, H, W, 3) uint8, decoded at theta from 0 to pi / 2.

    Source: Figure 10.
    """
    _check(originals, 5)
    _check(images, 5)
    last = images.shape[1]
    # Spaces that do not break keep a label in one line.
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
    """Rows of images as (R, columns, H, W, 3), white where a row has fewer."""
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
    """One label a row, or a column."""
    return [(index, index, label) for index, label in enumerate(labels)]


def _ordinal(rank: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(rank, f"{rank}th")


def _check(images: Images, ndim: int) -> None:
    if images.dtype != np.uint8 or images.ndim != ndim or images.shape[-1] != 3:
        axes = ("N", "K")[: ndim - 3]
        accepted = f"({', '.join(axes)}, H, W, 3) uint8"
        raise ValueError(f"images: found {images.shape} {images.dtype}; accepted are {accepted}")
