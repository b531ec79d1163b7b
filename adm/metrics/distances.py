"""Euclidean distances between many points: in float32 if that is precise enough, else in float64.

A matrix product gives all pairs: |x|^2 + |y|^2 - 2 x.y. In float32 this form has rounding errors, and they would change
answers that depend on `<=`: a copied image has distance exactly zero. Each product is therefore taken as an interval
that certainly holds the true distance. The few pairs whose interval leaves the answer open are measured again in
float64, from the differences.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adm.metrics.features import FloatArray
from adm.progress import progress

FLOOR = 1.0e-30
"""Added to every interval: the most that float32 may lose to underflow when the largest norm is scaled to one."""

SPARE_CANDIDATES = 4
"""Extra neighbours kept beyond k, because rounding can hide the right ones."""

BLOCK = 2048
"""Rows and columns of the largest matrix that is held; no distance depends on it."""

IndexArray = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float64]
Bounds = npt.NDArray[np.float32]
Rows = slice | IndexArray


@dataclass(frozen=True, eq=False)
class Cloud:
    """A set of points, as given and as prepared for the matrix product.

    Attributes:
        features: (N, D) as given.
        points: (N, D) float32, centred and scaled.
        low: (N,) float32; low_x + low_y - 2 x.y is never greater than the squared distance.
        high: (N,) float32; high_x + high_y - 2 x.y is never less than the squared distance.
        scale: a squared distance of `points` divided by that of `features`; a power of two.
    """

    features: FloatArray
    points: npt.NDArray[np.float32]
    low: Bounds
    high: Bounds
    scale: float


def clouds(first: FloatArray, second: FloatArray) -> tuple[Cloud, Cloud]:
    """Centre and scale two sets of points in the same way.

    The intervals grow with the squared norms, but distances do not depend on the origin. Pooled features are positive
    and far from zero, so with the first set's mean as origin fewer pairs must be measured again. Scaling by a power of
    two does not round, and keeps float32 from overflow.

    Args:
        first: (N, D), finite.
        second: (M, D), likewise.

    Returns:
        Both clouds; the same object twice if both sets are the same array.
    """
    centre = first.mean(axis=0, dtype=np.float64)
    peak = max(
        np.sqrt(np.square(rows[i] - centre).sum(axis=1).max()) for rows in (first, second) for i in slices(len(rows))
    )
    scale = 2.0 ** -np.ceil(np.log2(peak)) if peak > 0 else 1.0
    cloud = _cloud(first, centre, scale)
    return cloud, cloud if second is first else _cloud(second, centre, scale)


def _cloud(features: FloatArray, centre: Distances, scale: float) -> Cloud:
    points = np.empty(features.shape, dtype=np.float32)
    norms = np.empty(len(features), dtype=np.float64)
    for rows in slices(len(features)):
        points[rows] = (features[rows] - centre) * scale
        norms[rows] = np.square(points[rows], dtype=np.float64).sum(axis=1)
    # A dot product of D terms has an error of at most D units of |x| |y| <= (|x|^2 + |y|^2) / 2, whatever the order of
    # its sums, and it counts twice. Rounding the points and adding the norms adds less than 32 units.
    error = (features.shape[1] + 32) * 2.0**-24  # the unit roundoff of float32
    error /= 1.0 - error
    return Cloud(
        features=features,
        points=points,
        low=((1.0 - error) * norms - FLOOR).astype(np.float32),
        high=((1.0 + error) * norms + FLOOR).astype(np.float32),
        scale=float(scale) ** 2,
    )


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


def _lower_bounds(a: Cloud, rows: Rows, b: Cloud, columns: Rows) -> Bounds:
    """Return lower bounds (rows, columns) float32 on the squared distances times the scale."""
    bounds: Bounds = np.multiply(a.points[rows], -2.0) @ b.points[columns].T
    bounds += b.low[columns]
    bounds += a.low[rows, None]
    return bounds


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
    """Find the k nearest points of every query; if both are the same cloud, no point is its own neighbour.

    Args:
        queries: M points.
        points: N points, made by the same call of `clouds`; N >= k, and N > k if they are the queries.
        k: >= 1.
        by_index: sort equal distances by index. Without it, any of the points at the k-th distance may be found, and
            large sets of copies cost less.

    Returns:
        Indices (M, k) int64 and squared distances (M, k) float64, in ascending order, as float64 differences
        between all pairs give them.
    """
    num_queries = len(queries.features)
    num_others = len(points.features) - (queries is points)
    num_kept = min(k + SPARE_CANDIDATES, num_others)
    bounds, candidates = _candidates(queries, points, num_kept)
    rows = np.repeat(np.arange(num_queries), num_kept)
    exact = squared_distances(queries.features, rows, points.features, candidates.ravel())
    indices, distances = _first(candidates, exact.reshape(num_queries, num_kept), k)
    if num_kept < num_others:
        # The distance of a point that was not kept is at least the largest bound kept, and at least zero.
        excluded = np.maximum(bounds[:, -1], 0.0)
        furthest = distances[:, -1] * queries.scale
        open_rows = np.flatnonzero(furthest >= excluded if by_index else furthest > excluded)
        for chunk in slices(len(open_rows)):
            some = open_rows[chunk]
            indices[some], distances[some] = _measured(queries, some, points, distances[some])
    return indices, distances


def ball_radii(cloud: Cloud, k: int) -> Distances:
    """Return each point's squared distance to its k-th neighbour, (N,) float64, in the features' units."""
    radii: Distances = k_nearest(cloud, cloud, k, by_index=False)[1][:, -1]
    return radii


def inside_balls(points: Cloud, rows: Rows, centres: Cloud, balls: Rows, radii: Distances) -> npt.NDArray[np.bool_]:
    """Return whether each row lies inside each ball, (rows, balls).

    Every ball counts, so every pair whose interval holds the radius is measured again. For pooled features that is
    one pair in ten thousand.
    """
    reach = (radii * centres.scale).astype(np.float32) - centres.high[balls]
    width = centres.high[balls] - centres.low[balls]
    # Certainly inside if reach - high_y + 2 x.y >= high_x: the radius exceeds the distance's upper bound.
    margins = (2.0 * points.points[rows]) @ centres.points[balls].T
    margins += reach
    inside: npt.NDArray[np.bool_] = margins >= points.high[rows, None]
    margins += width
    doubtful = margins >= points.low[rows, None]
    doubtful &= ~inside
    i, j = np.nonzero(doubtful)
    row, ball = np.arange(len(points.features))[rows][i], np.arange(len(centres.features))[balls][j]
    distances = squared_distances(points.features, row, centres.features, ball)
    inside[i, j] = distances <= radii[j]
    return inside


def _candidates(queries: Cloud, points: Cloud, num_kept: int) -> tuple[Bounds, IndexArray]:
    """Return the smallest lower bounds on each query's distances, in ascending order, and the points' indices.

    Distances within one cloud are symmetric: each block above the diagonal is computed once, for rows and columns.
    """
    num_queries, num_points = len(queries.features), len(points.features)
    bounds = np.full((num_queries, num_kept), np.inf, dtype=np.float32)
    indices = np.zeros((num_queries, num_kept), dtype=np.int64)
    for rows in shown_slices(num_queries, "neighbours"):
        start = rows.start if queries is points else 0
        for columns in slices(num_points - start):
            others = slice(start + columns.start, start + columns.stop)
            distances = _lower_bounds(queries, rows, points, others)
            if queries is points and others == rows:
                np.fill_diagonal(distances, np.inf)
            elif queries is points:
                _merge(bounds[others], indices[others], distances.T, rows.start)
            _merge(bounds[rows], indices[rows], distances, others.start)
    return bounds, indices


def _merge(bounds: Bounds, indices: IndexArray, distances: Bounds, offset: int) -> None:
    """Merge the distances (R, C) to points `offset`, `offset` + 1, ... into the smallest so far (R, K)."""
    num_kept = bounds.shape[1]
    both = np.concatenate([bounds, distances], axis=1)
    nearest = np.argpartition(both, num_kept - 1, axis=1)[:, :num_kept]
    values = np.take_along_axis(both, nearest, axis=1)
    order = np.argsort(values, axis=1)
    nearest = np.take_along_axis(nearest, order, axis=1)
    earlier = np.take_along_axis(indices, np.minimum(nearest, num_kept - 1), axis=1)
    indices[:] = np.where(nearest < num_kept, earlier, nearest - num_kept + offset)
    bounds[:] = np.take_along_axis(values, order, axis=1)


def _first(indices: IndexArray, distances: Distances, k: int) -> tuple[IndexArray, Distances]:
    """Return the k smallest of each row's distances in ascending order, equal ones by their index."""
    order = np.lexsort((indices, distances))[:, :k]
    return np.take_along_axis(indices, order, axis=1), np.take_along_axis(distances, order, axis=1)


def _measured(queries: Cloud, rows: IndexArray, points: Cloud, upper: Distances) -> tuple[IndexArray, Distances]:
    """Find the k nearest points of some queries by measuring every pair whose distance may be at most `upper`.

    These queries have more near ties than there are spare candidates. Points come in the order of their indices, so a
    query is finished once its k neighbours are all copies of it.
    """
    k = upper.shape[1]
    indices = np.zeros((len(rows), k), dtype=np.int64)
    distances = np.full((len(rows), k), np.inf)
    for columns in slices(len(points.features)):
        todo = np.flatnonzero(distances[:, -1] > 0.0)
        some, others = rows[todo], np.arange(columns.start, columns.stop)
        near = _lower_bounds(queries, some, points, columns) <= (upper[todo, -1:] * queries.scale)
        if queries is points:
            near &= some[:, None] != others
        i, j = np.nonzero(near)
        exact = np.full(near.shape, np.inf)
        exact[i, j] = squared_distances(queries.features, some[i], points.features, others[j])
        which = np.concatenate([indices[todo], np.broadcast_to(others, near.shape)], axis=1)
        indices[todo], distances[todo] = _first(which, np.concatenate([distances[todo], exact], axis=1), k)
    return indices, distances
