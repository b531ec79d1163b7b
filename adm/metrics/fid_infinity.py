"""FID of infinitely many samples: a line through FID at several numbers of samples N, extrapolated to 1/N = 0."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adm.metrics.features import require_features
from adm.metrics.frechet import distances_without, frechet_distance
from adm.metrics.jackknife import parts_of, sets_left_out
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
        sizes: (P,) int64, numbers of samples N, ascending.
        distances: (P,) float64, the distance at each.
    """

    value: float
    slope: float
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

    The bias from the reference's own number of images remains.

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
    sizes = np.linspace(first, num_rows, num_sizes).astype(np.int64)
    shown = progress(_subsets(sizes, num_rows, seed), num_sizes, "size", name="FID-infinity")
    distances = [frechet_distance(reference, feature_statistics(rows[chosen])) for chosen in shown]
    return extrapolate(sizes, np.array(distances))


def _subsets(sizes: npt.NDArray[np.int64], num_rows: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the rows of each size's subset, sorted: those of the last are then summed in FID's order, to its bits."""
    rng = np.random.default_rng(seed)
    return (np.sort(rng.permutation(num_rows)[:size]) for size in sizes)


def fid_infinity_without(
    reference: FeatureStatistics, factor: Values, samples: npt.ArrayLike, seed: int, num_sizes: int = SIZES
) -> Values:
    """Compute `fid_infinity` without each part of the samples.

    Every subset loses its samples of that part, and the line goes through the distances of what remains.

    Args:
        reference: Statistics of the real images' features, D dimensions.
        factor: `factor_of` its covariance.
        samples: (N, D), as for `fid_infinity`.
        seed: As of `fid_infinity`.
        num_sizes: Likewise.

    Returns:
        The value without each part, (G,).
    """
    rows = require_features(samples, "sample features")
    parts, sets = parts_of(len(rows)), sets_left_out(len(rows), pairs=False)[1:]
    sizes = np.linspace(_first_size(*rows.shape), len(rows), num_sizes).astype(np.int64)
    left, distances = np.zeros((2, num_sizes, len(sets)))
    for number, chosen in enumerate(_subsets(sizes, len(rows), seed)):
        counts = np.bincount(parts[chosen], minlength=len(sets))
        left[number] = len(chosen) - counts
        distances[number] = distances_without(rows[chosen], parts[chosen], sets, reference, factor)
    return np.array([_line(*points)[0] for points in zip(left.T, distances.T, strict=True)])


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
        The line.

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
    value, slope = _line(sizes, distances)
    return Extrapolation(value, slope, sizes, distances)


def _line(sizes: npt.NDArray[np.number], distances: Values) -> tuple[float, float]:
    """Return the value at 1/N = 0 and the slope over 1/N of the line of least squares."""
    inverse = 1.0 / sizes
    centred = inverse - inverse.mean()
    slope = float(centred @ distances / (centred @ centred))
    return float(distances.mean()) - slope * float(inverse.mean()), slope
