"""Balls around points, each of which reaches to its centre's k-th neighbour: which points of another set they hold.

Improved precision and recall ask which points lie in the union of the other set's balls, its manifold. Density and
coverage ask how many of the reference's balls hold a sample, and how many balls hold any sample.

Precision asks whether any ball of the reference holds a sample, so one outlier with a huge ball accepts many samples;
density counts the balls instead. Recall asks which reference points lie in the samples' balls; coverage uses the
reference's balls, which are the same for every model.

They take all pairwise distances; `adm.metrics.distances` describes how these are exact.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adm.metrics.distances import (
    Cloud,
    Distances,
    ball_radii,
    clouds,
    inside_balls,
    k_nearest,
    shown_slices,
    slices,
    squared_distances,
)
from adm.metrics.features import FloatArray
from adm.metrics.jackknife import Values, means_without, num_parts, sets_left_out

BoolArray = npt.NDArray[np.bool_]

NEIGHBOURS = 3
"""K of precision and recall (Appendix J)."""


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """Which points lie in the other set's manifold.

    Attributes:
        inside_reference: (M,) bool, the samples inside the reference's manifold.
        inside_samples: (N,) bool, the reference points inside the samples' manifold.
    """

    inside_reference: BoolArray
    inside_samples: BoolArray

    @property
    def precision(self) -> float:
        """The share of samples inside the reference's manifold, in [0, 1] (fidelity)."""
        return float(self.inside_reference.mean())

    @property
    def recall(self) -> float:
        """The share of reference points inside the samples' manifold, in [0, 1] (diversity)."""
        return float(self.inside_samples.mean())


def precision_recall(real: FloatArray, fake: FloatArray) -> PrecisionRecall:
    """Compute improved precision and recall with squared Euclidean distances, for k = NEIGHBOURS.

    A ball reaches to its centre's k-th neighbour and includes its boundary. The centre itself is excluded; a copy of
    it is not. Memory grows with N + M, never with N M.

    Args:
        real: (N, D), finite, N > k: features of the reference's images.
        fake: (M, D), finite, M > k: features of generated images.

    Returns:
        Precision and recall, equal to what float64 differences between all pairs give.

    Raises:
        ValueError: there are too few features.

    Source: Appendix J (K = 3); Kynkäänniemi et al. 2019, Eqs. 1-2 and Algorithm 1.
    """
    for name, rows in (("reference", real), ("samples", fake)):
        if len(rows) <= NEIGHBOURS:
            raise ValueError(f"{name} hold {len(rows)} points, expected more than {NEIGHBOURS} (neighbours)")
    real_cloud, fake_cloud = clouds(real, fake)
    return PrecisionRecall(
        inside_reference=_covered(fake_cloud, real_cloud, ball_radii(real_cloud, NEIGHBOURS)),
        inside_samples=_covered(real_cloud, fake_cloud, ball_radii(fake_cloud, NEIGHBOURS)),
    )


def _covered(points: Cloud, centres: Cloud, radii: Distances) -> BoolArray:
    """Return whether any of the balls around `centres` holds each point, (points,)."""
    # The largest balls come first: most points lie in one of them and are then finished.
    order = np.argsort(-radii, kind="stable")
    inside = np.zeros(len(points.features), dtype=np.bool_)
    for chunk in shown_slices(len(order), "manifold"):
        outside = np.flatnonzero(~inside)
        balls = order[chunk]
        for some in slices(len(outside)):
            rows = outside[some]
            inside[rows] = inside_balls(points, rows, centres, balls, radii[balls]).any(axis=1)
    return inside


def recall_of_halves(
    reference: FloatArray, samples: FloatArray, halves: BoolArray, halves_of_reference: BoolArray
) -> Values:
    """Compute recall of several halves of the samples and of the reference, with the balls that these samples span.

    Let D_x be the difference in whether two halves of the samples cover the reference point x. Of n samples the
    variance of recall is that of the mean of D_x / 2 where many points share a ball, because such covariances fall as
    1 / n. Where every point has balls of its own, it is twice as much: whether a ball covers it is as uncertain with n
    samples as with n / 2. The mean over a random half of the points has both: it keeps half of the squares, and a
    quarter of the products.

    Args:
        reference: (N, D), as for `precision_recall`.
        samples: (M, D), likewise.
        halves: (H, M) bool, which samples belong to each half, more than NEIGHBOURS.
        halves_of_reference: (H, N) bool, which points of the reference are asked for.

    Returns:
        Recall of each half, (H,), as `precision_recall` of its samples gives it for its points.
    """
    real, fake = clouds(reference, samples)
    radii = _radii_of_halves(fake, halves)
    covered = np.zeros((len(halves), len(real.features)), dtype=np.bool_)
    # A ball's least radius leaves few points to be measured: those that it does not cover in every half.
    for radius, is_least in ((np.where(halves, radii, np.inf).min(axis=0), True), (radii.max(axis=0), False)):
        for some in shown_slices(len(real.features), "manifold"):
            for columns in slices(len(fake.features)):
                rows = np.arange(some.start, some.stop)[~covered[:, some].all(axis=0)]
                if not len(rows):
                    break
                inside = inside_balls(real, rows, fake, columns, radius[columns])
                if is_least:
                    covered[:, rows] |= (halves[:, columns] @ inside.T.astype(np.float32)) > 0
                    continue
                point, ball = np.nonzero(inside)
                point, ball = rows[point], ball + columns.start
                distances = squared_distances(real.features, point, fake.features, ball)
                half, pair = np.nonzero(halves[:, ball] & (distances <= radii[:, ball]))
                covered[half, point[pair]] = True
    shares: Values = (covered & halves_of_reference).sum(axis=1) / halves_of_reference.sum(axis=1)
    return shares


def _radii_of_halves(cloud: Cloud, halves: BoolArray) -> Distances:
    """Return the squared distance of each point to its k-th neighbour within each half, (H, N); -1 outside the half."""
    num_points = len(cloud.features)
    # Few points have fewer than k of so many neighbours in any half.
    indices, distances = k_nearest(cloud, cloud, min(5 * NEIGHBOURS, num_points - 1))
    radii = np.full(halves.shape, -1.0)
    for half, members in enumerate(halves):
        rows = np.flatnonzero(members)
        place = np.cumsum(members[indices[rows]], axis=1) == NEIGHBOURS
        found = place.any(axis=1)
        radii[half, rows[found]] = distances[rows[found], place[found].argmax(axis=1)]
        for row in rows[~found]:
            others = rows[rows != row]
            measured = squared_distances(cloud.features, np.full(len(others), row), cloud.features, others)
            radii[half, row] = np.partition(measured, NEIGHBOURS - 1)[NEIGHBOURS - 1]
    return radii


@dataclass(frozen=True, eq=False)
class DensityCoverage:
    """Which of the reference's balls hold samples, and how many of them hold each sample.

    Attributes:
        balls: (M,) int64, how many of the reference's balls hold each sample, in [0, N].
        covered_by: (G, N) bool, the reference points whose ball holds a sample of each part of the samples.
        neighbours: k; a ball reaches to its centre's k-th neighbour.
    """

    balls: npt.NDArray[np.int64]
    covered_by: BoolArray
    neighbours: int

    @property
    def density(self) -> float:
        """The mean number of balls that hold a sample, divided by k: about 1 for perfect samples; it may exceed 1."""
        return float(self.balls.mean()) / self.neighbours

    @property
    def coverage(self) -> float:
        """The share of reference points whose ball holds a sample, in [0, 1]."""
        return float(self.covered_by.any(axis=0).mean())

    def density_without(self) -> Values:
        """Return the density without each part of the samples, (1 + G,); it is a mean, so its second order is zero."""
        return means_without(self.balls) / self.neighbours

    def coverage_without(self) -> Values:
        """Return the coverage without each set of `sets_left_out`, (S,)."""
        held = self.covered_by.sum(axis=0)
        sets = sets_left_out(len(self.balls))
        covered = [held > self.covered_by[list(left_out)].sum(axis=0) for left_out in sets]
        return np.array([each.mean() for each in covered])


def density_coverage(real: FloatArray, fake: FloatArray, neighbours: int = 5) -> DensityCoverage:
    """Compute density and coverage with squared Euclidean distances.

    Balls and memory are as those of `precision_recall`, but for the number of neighbours. The authors' own code
    excludes the boundary, which only matters for ties.

    Args:
        real: (N, D), finite, N > neighbours: features of the reference's images.
        fake: (M, D), finite, M >= 2: features of generated images.
        neighbours: k, >= 1.

    Returns:
        Density and coverage, equal to what float64 differences between all pairs give.

    Raises:
        ValueError: the reference has too few features.

    Source: Naeem et al. 2020, the definitions of density and coverage (k = 5).
    """
    if len(real) <= neighbours:
        raise ValueError(f"reference hold {len(real)} points, expected more than {neighbours} (neighbours)")
    centres, points = clouds(real, fake)
    radii, parts = ball_radii(centres, neighbours), num_parts(len(fake))
    balls, covered_by = np.zeros(len(fake), dtype=np.int64), np.zeros((parts, len(real)), dtype=np.bool_)
    for rows in shown_slices(len(fake), "density and coverage"):
        for columns in slices(len(real)):
            inside = inside_balls(points, rows, centres, columns, radii[columns])
            balls[rows] += np.count_nonzero(inside, axis=1)
            for first in range(min(parts, rows.stop - rows.start)):
                covered_by[(rows.start + first) % parts, columns] |= inside[first::parts].any(axis=0)
    return DensityCoverage(balls=balls, covered_by=covered_by, neighbours=neighbours)
