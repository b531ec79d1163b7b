"""FID of infinitely many samples: a line through FID at several numbers of samples N, extrapolated to 1/N = 0."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adm.metrics.features import require_features
from adm.metrics.frechet import frechet_distance
from adm.metrics.statistics import FeatureStatistics, feature_statistics
from adm.progress import progress

SIZES = 15
"""Number of sizes, as in the source; they are evenly spaced."""

LEAST_SIZES = 3
"""Any two points lie on a line; a third one shows how well it fits."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """A line fitted to distances, and the points that it was fitted to.

    Attributes:
        value: the line's value at 1/N = 0; a small one may be below zero.
        slope: the line's slope over 1/N.
        standard_error: standard error of `value`, from the residuals of the fit, >= 0.
        sizes: (P,) int64, numbers of samples N, ascending.
        distances: (P,) float64, the distance at each.
    """

    value: float
    slope: float
    standard_error: float
    sizes: npt.NDArray[np.int64]
    distances: Values


def fid_infinity(
    reference: FeatureStatistics, samples: npt.ArrayLike, seed: int, num_sizes: int = SIZES, smallest: int | None = None
) -> Extrapolation:
    """Estimate the FID that infinitely many samples would have.

    FID is biased upwards by about c/N. The constant c depends on the model, so at one N the better of two models may
    score worse. Each size takes its own random subset, without replacement. The largest takes all samples, so the
    last distance is FID itself. Near D samples the line bends upwards: a fit that begins there and ends within a few D
    gives too low a value, though one nearer to the truth than FID.

    The standard error says how well the line fits. The subsets overlap, so their errors are similar; other samples
    would change the value by more. The bias from the reference's own number of images remains.

    Args:
        reference: statistics of the real images' features, D dimensions.
        samples: (N, D), real, finite, N >= smallest + num_sizes - 1: features of generated images.
        seed: >= 0; it decides the subsets.
        num_sizes: P, >= LEAST_SIZES, evenly spaced from `smallest` to N.
        smallest: number of samples of the first size, >= 2. The default is a tenth of N, but at least D + 1: with
            fewer samples the covariance is singular and FID no longer follows the line.

    Returns:
        The extrapolation to 1/N = 0.

    Raises:
        ValueError: features are unusable or too few, their dimension disagrees, or a number is out of its range.

    Source: Chong & Forsyth 2020, FID-infinity (15 points, from 5000 of 50000 samples).
    """
    rows = require_features(samples, "sample features")
    num_rows, num_dimensions = rows.shape
    if num_dimensions != reference.mu.size:
        raise ValueError(f"features of {num_dimensions} dimensions, expected {reference.mu.size} as of the statistics")
    if num_sizes < LEAST_SIZES:
        raise ValueError(f"num_sizes is {num_sizes}, expected at least {LEAST_SIZES}")
    first = _first_size(num_rows, num_dimensions) if smallest is None else smallest
    if first < 2:
        raise ValueError(f"smallest is {first}, expected at least 2")
    if num_rows < first + num_sizes - 1:
        raise ValueError(
            f"samples hold {num_rows} points, expected at least {first + num_sizes - 1} "
            f"for {num_sizes} sizes from {first}"
        )
    rng = np.random.default_rng(seed)
    sizes = np.linspace(first, num_rows, num_sizes).astype(np.int64)
    # Sorted, the rows of the last subset are summed in the same order as in FID, which gives the same bits.
    subsets = (np.sort(rng.permutation(num_rows)[:size]) for size in sizes)
    shown = progress(subsets, num_sizes, "size", name="FID-infinity")
    distances = [frechet_distance(reference, feature_statistics(rows[chosen])) for chosen in shown]
    return extrapolate(sizes, np.array(distances))


def fewest_samples(num_rows: int, num_dimensions: int) -> int:
    """The smallest number of samples that `fid_infinity` needs by default, for N samples of D dimensions."""
    return _first_size(num_rows, num_dimensions) + SIZES - 1


def _first_size(num_rows: int, num_dimensions: int) -> int:
    return max(num_dimensions + 1, num_rows // 10)


def extrapolate(sizes: npt.NDArray[np.int64], distances: Values) -> Extrapolation:
    """Fit distances by least squares as a line in 1/size, and extrapolate it to zero.

    Args:
        sizes: (P,) int64, >= 1, distinct, P >= LEAST_SIZES.
        distances: (P,) float64, finite.

    Returns:
        The line. Its standard error assumes independent residuals of equal variance.

    Raises:
        ValueError: the shapes disagree, there are too few sizes, or some sizes are equal or not positive.
    """
    if sizes.shape != distances.shape or sizes.ndim != 1 or len(sizes) < LEAST_SIZES:
        raise ValueError(
            f"sizes of shape {sizes.shape} with distances of shape {distances.shape}, "
            f"expected (P,) with (P,), P at least {LEAST_SIZES}"
        )
    if sizes.min() < 1 or len(np.unique(sizes)) < len(sizes):
        raise ValueError(f"sizes are {sizes.tolist()}, expected distinct and positive ones")
    inverse = 1.0 / sizes
    centred = inverse - inverse.mean()
    spread = centred @ centred
    slope = float(centred @ distances / spread)
    residuals = distances - distances.mean() - slope * centred
    variance = residuals @ residuals / (len(sizes) - 2)
    return Extrapolation(
        value=float(distances.mean()) - slope * float(inverse.mean()),
        slope=slope,
        standard_error=float(np.sqrt(variance * (1.0 / len(sizes) + inverse.mean() ** 2 / spread))),
        sizes=sizes,
        distances=distances,
    )
