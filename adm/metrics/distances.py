"""Euclidean distances between many points, as the differences of all pairs in float64 give them.

A matrix product gives all pairs: |x|^2 + |y|^2 - 2 x.y. Its rounding errors would change answers that depend on `<=`: a
copied image has distance exactly zero. The few pairs whose answer is open within these errors are therefore measured
again, from the differences.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adm.metrics.features import FloatArray
from adm.progress import progress

SPARE_CANDIDATES = 4
"""Extra neighbours kept beyond k, because rounding can hide the right ones."""

BLOCK = 2048
"""Rows and columns of the largest matrix that is held; no distance depends on it."""

IndexArray = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float64]
Rows = slice | IndexArray


@dataclass(frozen=True, eq=False)
class Cloud:
    """A set of points.

    Attributes:
        features: (N, D) as given.
        centre: (D,) float64, the origin from which the matrix product takes them.
        norms: (N,) float64, squared distances from the centre.
    """

    features: FloatArray
    centre: Distances
    norms: Distances


def clouds(first: FloatArray, second: FloatArray) -> tuple[Cloud, Cloud]:
    """Prepare two sets of points, (N, D) and (M, D), finite; the same object twice if both are the same array.

    Rounding errors grow with the squared norms, but distances do not depend on the origin. Pooled features are positive
    and far from zero, so with the first set's mean as origin fewer pairs must be measured again.
    """
    centre = first.mean(axis=0, dtype=np.float64)
    cloud = _cloud(first, centre)
    return cloud, cloud if second is first else _cloud(second, centre)


def _cloud(features: FloatArray, centre: Distances) -> Cloud:
    norms = [np.square(features[rows] - centre).sum(axis=1) for rows in slices(len(features))]
    return Cloud(features, centre, np.concatenate(norms))


def slices(length: int, step: int | None = None) -> Iterator[slice]:
    """Cut `range(length)` into slices of `step`, BLOCK by default, the last one shorter."""
    step = step or BLOCK
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def shown_slices(length: int, name: str) -> Iterable[slice]:
    """Yield what `slices` yields, with a progress bar of that name."""
    return progress(slices(length), -(-length // BLOCK), "block", name=name)


def squared_distances(a: FloatArray, i: IndexArray, b: FloatArray, j: IndexArray) -> Distances:
    """Measure the pairs (a[i], b[j]) in float64; equal pairs of rows get equal distances, to the bit."""
    distances = np.empty(len(i), dtype=np.float64)
    for chunk in slices(len(i), max(2**21 // a.shape[1], 1)):
        difference = a[i[chunk]].astype(np.float64) - b[j[chunk]].astype(np.float64)
        distances[chunk] = np.square(difference, out=difference).sum(axis=1)
    return distances


def products(a: Cloud, rows: Rows, b: Cloud, columns: Rows) -> tuple[Distances, Distances]:
    """Return squared distances (rows, columns) by a matrix product, and how far off the measured ones may lie."""
    norms = a.norms[rows, None] + b.norms[columns]
    squares: Distances = norms - 2.0 * (a.features[rows] - a.centre) @ (b.features[columns] - b.centre).T
    # A dot product of D terms has an error of at most D units of |x| |y| <= (|x|^2 + |y|^2) / 2, whatever the order of
    # its sums, and it counts twice. The sum of squared differences is as far off a square that is at most twice the
    # norms. Rounding the points and adding the norms is less than 32 units.
    norms *= 4 * (a.features.shape[1] + 32) * 2.0**-53  # the unit roundoff of float64
    return squares, norms


def nearest(queries: FloatArray, points: FloatArray, k: int) -> tuple[IndexArray, Distances]:
    """Find the k nearest points of every query by Euclidean distance.

    The order is that of float64 distances; equal distances are ordered by index. Memory grows with M k and N, never
    with M N. If both are the same array, query i does not find point i; it still finds copies of it.

    Args:
        queries: (M, D), finite.
        points: (N, D), finite.
        k: in [1, N], or in [1, N - 1] if both are the same array.

    Returns:
        Indices (M, k) int64 into the points and distances (M, k) float64, nearest first.
    """
    indices, squares = k_nearest(*clouds(queries, points), k)
    return indices, np.sqrt(squares)


def k_nearest(queries: Cloud, points: Cloud, k: int, by_index: bool = True) -> tuple[IndexArray, Distances]:
    """Find the same in clouds, with squared distances.

    Without `by_index`, any of the points at the k-th distance may be found, and large sets of copies cost less.
    """
    num_queries, num_points = len(queries.features), len(points.features)
    num_others = num_points - (queries is points)
    num_kept = min(k + SPARE_CANDIDATES, num_others)
    bounds, candidates = np.full((num_queries, num_kept), np.inf), np.zeros((num_queries, num_kept), np.int64)
    for rows in shown_slices(num_queries, "neighbours"):
        for columns in slices(num_points):
            squares, error = products(queries, rows, points, columns)
            squares -= error
            if queries is points and rows == columns:
                np.fill_diagonal(squares, np.inf)
            least = np.concatenate([bounds[rows], squares], axis=1)
            others = np.broadcast_to(np.arange(columns.start, columns.stop), squares.shape)
            which = np.concatenate([candidates[rows], others], axis=1)
            kept = np.argpartition(least, num_kept - 1, axis=1)[:, :num_kept]
            bounds[rows], candidates[rows] = (np.take_along_axis(each, kept, axis=1) for each in (least, which))
    rows_of = np.repeat(np.arange(num_queries), num_kept)
    exact = squared_distances(queries.features, rows_of, points.features, candidates.ravel())
    indices, distances = _first(candidates, exact.reshape(num_queries, num_kept), k)
    if num_kept < num_others:
        # The distance of a point that was not kept is at least the largest bound kept, and at least zero.
        excluded, furthest = np.maximum(bounds.max(axis=1), 0.0), distances[:, -1]
        for row in np.flatnonzero(furthest >= excluded if by_index else furthest > excluded):
            every = np.delete(np.arange(num_points), row) if queries is points else np.arange(num_points)
            exact = squared_distances(queries.features, np.full(len(every), row), points.features, every)
            indices[row], distances[row] = _first(every, exact, k)
    return indices, distances


def _first(indices: IndexArray, distances: Distances, k: int) -> tuple[IndexArray, Distances]:
    """Return the k smallest of each row's distances in ascending order, equal ones by their index."""
    order = np.lexsort((indices, distances))[..., :k]
    return np.take_along_axis(indices, order, axis=-1), np.take_along_axis(distances, order, axis=-1)


def ball_radii(cloud: Cloud, k: int) -> Distances:
    """Return each point's squared distance to its k-th neighbour, (N,) float64, in the features' units."""
    return k_nearest(cloud, cloud, k, by_index=False)[1][:, -1]


def inside_balls(points: Cloud, rows: Rows, centres: Cloud, balls: Rows, radii: Distances) -> npt.NDArray[np.bool_]:
    """Return whether each row lies inside each ball of a squared radius, (rows, balls)."""
    squares, error = products(points, rows, centres, balls)
    inside: npt.NDArray[np.bool_] = squares <= radii
    i, j = np.nonzero(np.abs(squares - radii) <= error)
    row, ball = np.arange(len(points.features))[rows][i], np.arange(len(centres.features))[balls][j]
    inside[i, j] = squared_distances(points.features, row, centres.features, ball) <= radii[j]
    return inside
