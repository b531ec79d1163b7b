"""Density and coverage: how many of the reference's balls hold a sample, and how many balls hold any sample.

Precision asks whether any ball of the reference holds a sample, so one outlier with a huge ball accepts many samples;
density counts the balls instead. Recall asks which reference points lie in the samples' balls; coverage uses the
reference's balls, which are the same for every model.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adm.metrics.distances import Cloud, Distances, clouds, k_nearest, shown_slices, slices, squared_distances
from adm.metrics.features import require_features

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DensityCoverage:
    """Which of the reference's balls hold samples, and how many of them hold each sample.

    Attributes:
        balls: (M,) int64, how many of the reference's balls hold each sample, in [0, N].
        covered: (N,) bool, the reference points whose ball holds a sample.
        neighbours: k; a ball reaches to its centre's k-th neighbour.
    """

    balls: npt.NDArray[np.int64]
    covered: BoolArray
    neighbours: int

    @property
    def density(self) -> float:
        """The mean number of balls that hold a sample, divided by k: about 1 for perfect samples; it may exceed 1."""
        return float(self.balls.mean()) / self.neighbours

    @property
    def density_error(self) -> float:
        """The standard error of density over the draw of the samples."""
        return float(self.balls.std(ddof=1)) / (self.neighbours * math.sqrt(len(self.balls)))

    @property
    def coverage(self) -> float:
        """The share of reference points whose ball holds a sample, in [0, 1]."""
        return float(self.covered.mean())

    @property
    def coverage_error(self) -> float:
        """The standard error of coverage over the draw of the reference's points.

        Copies among resampled samples would cover less, so they are held fixed, as for recall's interval.
        """
        return float(self.covered.std(ddof=1)) / math.sqrt(len(self.covered))


def density_coverage(
    reference: npt.ArrayLike, samples: npt.ArrayLike, neighbours: int = 5, block: int = 2048
) -> DensityCoverage:
    """Compute density and coverage with squared Euclidean distances.

    A ball reaches to its centre's k-th neighbour and includes its boundary, as for precision and recall. The centre
    itself is excluded; a copy of it is not. The authors' own code excludes the boundary, which only matters for ties.
    Memory grows with N + M and with `block` squared, never with N M. The result does not depend on `block`.

    Args:
        reference: (N, D), real, finite, N > neighbours: features of real images.
        samples: (M, D), real, finite, M >= 2: features of generated images.
        neighbours: k, >= 1.
        block: rows and columns of the largest matrix of distances held, >= 1.

    Returns:
        Density and coverage, equal to what float64 differences between all pairs give.

    Raises:
        ValueError: features are unusable or too few, or their dimensions disagree.

    Source: Naeem et al. 2020, the definitions of density and coverage (k = 5).
    """
    if neighbours < 1 or block < 1:
        raise ValueError(f"neighbours is {neighbours} and block is {block}, expected at least 1")
    real = require_features(reference, "reference features")
    fake = require_features(samples, "sample features")
    if len(real) <= neighbours:
        raise ValueError(f"reference hold {len(real)} points, expected more than {neighbours} (neighbours)")
    centres, points = clouds(real, fake)
    radii: Distances = k_nearest(centres, centres, neighbours, block, by_index=False)[1][:, -1]
    balls, covered = np.zeros(len(fake), dtype=np.int64), np.zeros(len(real), dtype=np.bool_)
    for rows in shown_slices(len(fake), block, "density and coverage"):
        for columns in slices(len(real), block):
            inside = _inside(points, rows, centres, columns, radii[columns])
            balls[rows] += np.count_nonzero(inside, axis=1)
            covered[columns] |= inside.any(axis=0)
    return DensityCoverage(balls=balls, covered=covered, neighbours=neighbours)


def _inside(points: Cloud, rows: slice, centres: Cloud, balls: slice, radii: Distances) -> BoolArray:
    """Return whether each row lies inside each ball, (rows, balls).

    Every ball counts, so every pair whose interval holds the radius is measured again. For pooled features that is
    one pair in ten thousand.
    """
    reach = (radii * centres.scale).astype(np.float32) - centres.high[balls]
    width = centres.high[balls] - centres.low[balls]
    # Certainly inside if reach - high_y + 2 x.y >= high_x: the radius exceeds the distance's upper bound.
    margins = (2.0 * points.points[rows]) @ centres.points[balls].T
    margins += reach
    inside: BoolArray = margins >= points.high[rows, None]
    margins += width
    doubtful = margins >= points.low[rows, None]
    doubtful &= ~inside
    i, j = np.nonzero(doubtful)
    distances = squared_distances(points.features, i + rows.start, centres.features, j + balls.start)
    inside[i, j] = distances <= radii[j]
    return inside
