"""Density and coverage: how many of the reference's balls hold a sample, and how many balls hold any sample.

Precision asks whether any ball of the reference holds a sample, so one outlier with a huge ball accepts many samples;
density counts the balls instead. Recall asks which reference points lie in the samples' balls; coverage uses the
reference's balls, which are the same for every model.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adm.metrics.distances import ball_radii, clouds, inside_balls, shown_slices, slices
from adm.metrics.features import require_features
from adm.metrics.jackknife import Values, means_without, num_parts, sets_left_out

BoolArray = npt.NDArray[np.bool_]


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
    def covered(self) -> BoolArray:
        """The reference points whose ball holds a sample, (N,)."""
        return np.asarray(self.covered_by.any(axis=0))

    @property
    def density(self) -> float:
        """The mean number of balls that hold a sample, divided by k: about 1 for perfect samples; it may exceed 1."""
        return float(self.balls.mean()) / self.neighbours

    @property
    def coverage(self) -> float:
        """The share of reference points whose ball holds a sample, in [0, 1]."""
        return float(self.covered.mean())

    def density_without(self) -> Values:
        """Density without each part of the samples, (1 + G,); it is a mean, so its second order is zero."""
        return means_without(self.balls) / self.neighbours

    def coverage_without(self) -> Values:
        """Coverage without each set of `sets_left_out`, (S,)."""
        held = self.covered_by.sum(axis=0)
        sets = sets_left_out(len(self.balls))
        covered = [held > self.covered_by[list(left_out)].sum(axis=0) for left_out in sets]
        return np.array([each.mean() for each in covered])


def density_coverage(reference: npt.ArrayLike, samples: npt.ArrayLike, neighbours: int = 5) -> DensityCoverage:
    """Compute density and coverage with squared Euclidean distances.

    A ball reaches to its centre's k-th neighbour and includes its boundary, as for precision and recall. The centre
    itself is excluded; a copy of it is not. The authors' own code excludes the boundary, which only matters for ties.
    Memory grows with N + M, never with N M.

    Args:
        reference: (N, D), real, finite, N > neighbours: features of real images.
        samples: (M, D), real, finite, M >= 2: features of generated images.
        neighbours: k, >= 1.

    Returns:
        Density and coverage, equal to what float64 differences between all pairs give.

    Raises:
        ValueError: features are unusable or too few, or their dimensions disagree.

    Source: Naeem et al. 2020, the definitions of density and coverage (k = 5).
    """
    real = require_features(reference, "reference features")
    fake = require_features(samples, "sample features")
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
