"""Improved precision and recall: which points lie in the manifold that another set of points spans.

A set's manifold is the union of balls, one around each point, that reach to its third neighbour. Finding it
takes all pairwise distances, so they come from a float32 matrix product, |x|^2 + |y|^2 - 2 x.y. That form
rounds, and an answer that hangs on `<=` must not: a copied image has distance exactly zero. Every product is
therefore read as an interval sure to hold the true distance, and the few pairs whose interval leaves the
answer open are measured again, in float64, from the differences.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from adm.metrics.features import FloatArray, require_features

UNIT_ROUNDOFF = 2.0**-24
"""Of float32."""

FLOOR = 1.0e-30
"""Added to every interval: what float32 may lose to underflow, once the largest norm is scaled to one."""

SPARE_CANDIDATES = 4
"""Neighbours kept beyond the one that is asked for, so that rounding seldom hides the right one."""

LARGEST = 1.0e150
"""Feature whose squares, summed over all dimensions, are still finite in float64."""

PAIR_ELEMENTS = 2**21
"""Numbers held at a time while pairs are measured in float64."""

BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PrecisionRecall:
    """Two fractions in [0, 1].

    Attributes:
        precision: the part of the samples inside the reference's manifold (fidelity).
        recall: the part of the reference inside the samples' manifold (diversity).
    """

    precision: float
    recall: float


@dataclass(frozen=True, eq=False)
class _Cloud:
    """A set of points, as given and as the matrix product takes them.

    Attributes:
        features: (N, D) as given.
        points: (N, D) float32, centred and scaled.
        low: (N,) float32, such that low_x + low_y - 2 x.y never exceeds the squared distance.
        high: (N,) float32, such that high_x + high_y - 2 x.y never falls short of it.
        scale: squared scale that takes a distance of `features` to one of `points`; a power of two.
    """

    features: FloatArray
    points: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    scale: float


def precision_recall(
    reference: npt.ArrayLike, samples: npt.ArrayLike, neighbours: int = 3, block: int = 2048
) -> PrecisionRecall:
    """Compute improved precision and recall with squared Euclidean distances.

    A ball reaches to its centre's k-th neighbour, the centre itself excluded (a copy of it is not excluded),
    and holds its boundary. Memory grows with N + M and with `block` squared, never with N M; the result does
    not depend on `block`.

    Args:
        reference: (N, D), real, finite, N > neighbours: features of real images.
        samples: (M, D), real, finite, M > neighbours: features of generated images.
        neighbours: k, >= 1.
        block: rows and columns of the largest matrix of distances held, >= 1.

    Returns:
        Precision and recall, equal to what float64 differences between all pairs give.

    Raises:
        ValueError: features are unusable or too few, or their dimensions disagree.

    Source: Appendix J (K = 3); Kynkäänniemi et al. 2019, Eqs. 1-2 and Algorithm 1.
    """
    if neighbours < 1 or block < 1:
        raise ValueError(f"neighbours is {neighbours} and block is {block}, expected at least 1")
    real = require_features(reference, "reference features")
    fake = require_features(samples, "sample features")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"features of {real.shape[1]} and {fake.shape[1]} dimensions, expected the same")
    for name, rows in (("reference", real), ("samples", fake)):
        if len(rows) <= neighbours:
            raise ValueError(f"{name} hold {len(rows)} points, expected more than {neighbours} (neighbours)")
        if max(float(rows.max()), -float(rows.min())) > LARGEST:
            raise ValueError(f"{name} hold values beyond {LARGEST:g}, expected squares that fit float64")
    real_cloud, fake_cloud = _clouds(real, fake)
    real_radii = _radii(real_cloud, neighbours, block)
    fake_radii = _radii(fake_cloud, neighbours, block)
    return PrecisionRecall(
        precision=float(_covered(fake_cloud, real_cloud, real_radii, block).mean()),
        recall=float(_covered(real_cloud, fake_cloud, fake_radii, block).mean()),
    )


def _clouds(reference: FloatArray, samples: FloatArray) -> tuple[_Cloud, _Cloud]:
    """Centre and scale two sets of points alike.

    The intervals are as wide as the squared norms, while distances do not depend on the origin. Pooled
    features are positive and far from zero, so the reference's mean is a much better origin: fewer pairs to
    measure again. A power of two scales without rounding and keeps float32 from overflowing.
    """
    centre = reference.mean(axis=0, dtype=np.float64)
    peak = max(
        np.sqrt(np.square(rows[i] - centre).sum(axis=1).max())
        for rows in (reference, samples)
        for i in _slices(len(rows), 2048)
    )
    scale = 2.0 ** -np.ceil(np.log2(peak)) if peak > 0 else 1.0
    return _cloud(reference, centre, scale), _cloud(samples, centre, scale)


def _cloud(features: FloatArray, centre: Distances, scale: float) -> _Cloud:
    points = np.empty(features.shape, dtype=np.float32)
    norms = np.empty(len(features), dtype=np.float64)
    for rows in _slices(len(features), 2048):
        points[rows] = (features[rows] - centre) * scale
        norms[rows] = np.square(points[rows], dtype=np.float64).sum(axis=1)
    # A dot product of D terms errs by at most D units of |x| |y| <= (|x|^2 + |y|^2) / 2, whatever the order of
    # its sums, and it is taken twice; rounding the points and adding the norms up costs less than 32 more.
    error = (features.shape[1] + 32) * UNIT_ROUNDOFF
    error /= 1.0 - error
    return _Cloud(
        features=features,
        points=torch.from_numpy(points),
        low=torch.from_numpy(((1.0 - error) * norms - FLOOR).astype(np.float32)),
        high=torch.from_numpy(((1.0 + error) * norms + FLOOR).astype(np.float32)),
        scale=float(scale) ** 2,
    )


def _slices(length: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def _squared_distances(a: FloatArray, i: IndexArray, b: FloatArray, j: IndexArray) -> Distances:
    """Measure the pairs (a[i], b[j]) in float64; equal pairs of rows get equal distances, to the bit."""
    distances = np.empty(len(i), dtype=np.float64)
    for chunk in _slices(len(i), max(PAIR_ELEMENTS // a.shape[1], 1)):
        difference = a[i[chunk]].astype(np.float64) - b[j[chunk]].astype(np.float64)
        distances[chunk] = np.square(difference, out=difference).sum(axis=1)
    return distances


def _radii(cloud: _Cloud, neighbours: int, block: int) -> Distances:
    """Return each point's squared distance to its k-th neighbour, (N,) float64, in the features' units."""
    num_points = len(cloud.features)
    num_kept = min(neighbours + SPARE_CANDIDATES, num_points - 1)
    bounds, candidates = _nearest(cloud, num_kept, block)
    rows = np.repeat(np.arange(num_points), num_kept)
    exact = _squared_distances(cloud.features, rows, cloud.features, candidates.numpy().ravel())
    radii = np.partition(exact.reshape(num_points, num_kept), neighbours - 1, axis=1)[:, neighbours - 1]
    if num_kept < num_points - 1:
        # A point that was not kept is no nearer than the largest bound kept, nor nearer than zero.
        excluded = np.maximum(bounds[:, -1].numpy(), 0.0)
        open_rows = np.flatnonzero(radii * cloud.scale > excluded)
        for chunk in _slices(len(open_rows), block):
            some = open_rows[chunk]
            radii[some] = _radii_of(cloud, some, radii[some], neighbours, block)
    return radii


def _nearest(cloud: _Cloud, num_kept: int, block: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the smallest lower bounds on each point's distances to the others, and whose they are.

    Distances are symmetric: each block above the diagonal is computed once and serves rows and columns.
    """
    num_points = len(cloud.features)
    bounds = torch.full((num_points, num_kept), torch.inf)
    indices = torch.zeros((num_points, num_kept), dtype=torch.int64)

    def merge(rows: slice, distances: torch.Tensor, offset: int) -> None:
        values, where = distances.topk(min(num_kept, distances.shape[1]), dim=1, largest=False)
        values = torch.cat([bounds[rows], values], dim=1)
        where = torch.cat([indices[rows], where + offset], dim=1)
        bounds[rows], order = values.topk(num_kept, dim=1, largest=False)
        indices[rows] = where.gather(1, order)

    for rows in _slices(num_points, block):
        for columns in _slices(num_points - rows.start, block):
            others = slice(rows.start + columns.start, rows.start + columns.stop)
            distances = torch.addmm(cloud.low[others], cloud.points[rows], cloud.points[others].T, alpha=-2)
            distances += cloud.low[rows, None]
            if others.start == rows.start:
                distances.fill_diagonal_(torch.inf)
            else:
                merge(others, distances.T.contiguous(), rows.start)
            merge(rows, distances, others.start)
    return bounds, indices


def _radii_of(cloud: _Cloud, rows: IndexArray, upper: Distances, neighbours: int, block: int) -> Distances:
    """Return the radii of some points, measuring every pair that may be nearer than `upper`.

    These are the points with more near ties than there are spare candidates.
    """
    nearest = np.full((len(rows), neighbours), np.inf)
    for columns in _slices(len(cloud.features), block):
        low = torch.addmm(cloud.low[columns], cloud.points[rows], cloud.points[columns].T, alpha=-2)
        low += cloud.low[rows, None]
        others = np.arange(columns.start, columns.stop)
        near = (low.numpy() <= (upper * cloud.scale)[:, None]) & (rows[:, None] != others)
        i, j = np.nonzero(near)
        distances = np.full(near.shape, np.inf)
        distances[i, j] = _squared_distances(cloud.features, rows[i], cloud.features, others[j])
        nearest = np.partition(np.concatenate([nearest, distances], axis=1), neighbours - 1, axis=1)
        nearest = nearest[:, :neighbours]
    radii: Distances = nearest[:, neighbours - 1]
    return radii


def _covered(points: _Cloud, centres: _Cloud, radii: Distances, block: int) -> BoolArray:
    """Tell for each point whether any of the balls around `centres` holds it."""
    # The largest balls come first: most points fall in one of them, and are not looked at again.
    order = np.argsort(-radii, kind="stable")
    inside = np.zeros(len(points.features), dtype=np.bool_)
    for chunk in _slices(len(order), block):
        outside = np.flatnonzero(~inside)
        balls = order[chunk]
        for some in _slices(len(outside), block):
            rows = outside[some]
            inside[rows] = _inside(points, rows, centres, balls, radii[balls])
    return inside


def _inside(points: _Cloud, rows: IndexArray, centres: _Cloud, balls: IndexArray, radii: Distances) -> BoolArray:
    """Tell for the given rows of `points` whether any of the given balls holds them."""
    reach = torch.from_numpy((radii * centres.scale).astype(np.float32)) - centres.high[balls]
    width = centres.high[balls] - centres.low[balls]
    # Inside for sure where reach - high_y + 2 x.y >= high_x: the radius exceeds the distance's upper bound.
    margins = torch.addmm(reach, points.points[rows], centres.points[balls].T, alpha=2)
    best = margins.amax(dim=1)
    inside: BoolArray = (best >= points.high[rows]).numpy()
    doubtful = np.flatnonzero(~inside & (best + width.max() >= points.low[rows]).numpy())
    if len(doubtful) > 0:
        near = margins[doubtful] + width >= points.low[rows[doubtful], None]
        i, j = (index.numpy() for index in near.nonzero(as_tuple=True))
        distances = _squared_distances(points.features, rows[doubtful[i]], centres.features, balls[j])
        inside[doubtful[i[distances <= radii[j]]]] = True
    return inside
