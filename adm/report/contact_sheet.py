"""A grid of images of any classes, each class beside its name."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from adm.report.grids import GAP
from adm.report.mosaic import WHITE, Images, Sheet, Span, draw

FEW = 2
"""Images of a class that get no row of their own, if no class has more."""

WIDEST = 10
"""Images in a row, at most, where classes have rows of their own."""


def contact_sheet(images: Images, names: Sequence[str] | None = None) -> Figure:
    """Draw images in a grid: a class in rows of its own, or where each has few images, a square in their own order.

    Args:
        images: (N, H, W, 3) uint8, N > 0.
        names: The name of each image's class; None for images without classes.
    """
    square = math.ceil(math.sqrt(len(images)))
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(names or [""] * len(images)):
        groups.setdefault(name, []).append(row)
    largest = max(map(len, groups.values()))
    if len(groups) > 1 and largest <= FEW:
        columns = square
        rows = [[*range(first, min(first + columns, len(images)))] for first in range(0, len(images), columns)]
        assert names is not None
        labels = [(row, row, ", ".join(dict.fromkeys(names[i] for i in members))) for row, members in enumerate(rows)]
        return _drawn(images, rows, columns, labels)
    columns = square if len(groups) == 1 else min(largest, WIDEST)
    rows, labels = [], []
    for name, members in groups.items():
        split = [members[first : first + columns] for first in range(0, len(members), columns)]
        if name:
            labels.append((len(rows), len(rows) + len(split) - 1, name))
        rows += split
    return _drawn(images, rows, columns, labels)


def _drawn(images: Images, rows: Sequence[Sequence[int]], columns: int, labels: Sequence[Span]) -> Figure:
    cells = np.full((len(rows), columns, *images.shape[1:]), WHITE, np.uint8)
    for row, members in enumerate(rows):
        cells[row, : len(members)] = images[list(members)]
    return draw(Sheet(cells, [0] + [GAP] * (len(rows) - 1), [0] + [GAP] * (columns - 1), rows=labels))
