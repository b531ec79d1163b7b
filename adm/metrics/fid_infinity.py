"""FID of infinitely many samples: a line through FID at several numbers of samples N, extrapolated to 1/N = 0."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from adm.metrics.features import FloatArray
from adm.metrics.frechet import distances_without, frechet_distance
from adm.metrics.jackknife import Values, parts_of, sets_left_out
from adm.metrics.statistics import FeatureStatistics, feature_statistics
from adm.progress import progress

SIZES = 15
"""Number of sizes, as in the source; they are evenly spaced."""


def fid_infinity(reference: FeatureStatistics, rows: FloatArray, seed: int) -> float | None:
    """Estimate the FID that infinitely many samples would have; a small one may be below zero.

    FID is biased upwards by about c/N. The constant c depends on the model, so at one N the better of two models may
    score worse. Near D samples the line bends upwards: a fit that begins there and ends within a few D gives too low a
    value, though one nearer to the truth than FID. The bias from the reference's own number of images remains.

    Args:
        reference: statistics of the real images' features, D dimensions.
        rows: (N, D), finite: features of generated images.
        seed: >= 0; it decides the subsets.

    Returns:
        The estimate; None of fewer samples than `fewest_samples`.

    Source: Chong & Forsyth 2020, FID-infinity (15 points, from 5000 of 50000 samples).
    """
    if len(rows) < fewest_samples(*rows.shape):
        return None
    return extrapolate(*distances_by_size(reference, rows, seed))


def distances_by_size(
    reference: FeatureStatistics, rows: FloatArray, seed: int
) -> tuple[npt.NDArray[np.int64], Values]:
    """Return numbers of samples (SIZES,), ascending, and FID of each.

    Each takes its own random subset, without replacement. The first has a tenth of the samples, but at least D + 1:
    with fewer the covariance is singular and FID no longer follows the line. The last takes all samples, so its
    distance is FID itself. For the arguments see `fid_infinity`.
    """
    subsets = progress(_subsets(len(rows), rows.shape[1], seed), SIZES, "size", name="FID-infinity")
    distances = [frechet_distance(reference, feature_statistics(rows[chosen])) for chosen in subsets]
    return _sizes(*rows.shape), np.array(distances)


def fid_infinity_without(reference: FeatureStatistics, factor: Values, rows: FloatArray, seed: int) -> Values:
    """Compute `fid_infinity` without each part of the samples, (G,).

    Every subset loses its samples of that part, and the line goes through the distances of what remains.

    Args:
        reference: Statistics of the real images' features, D dimensions.
        factor: `factor_of` its covariance.
        rows: (N, D), the samples, as for `fid_infinity`.
        seed: As of `fid_infinity`.
    """
    parts, sets = parts_of(len(rows)), sets_left_out(len(rows), pairs=False)[1:]
    left, distances = np.zeros((2, SIZES, len(sets)))
    for number, chosen in enumerate(_subsets(len(rows), rows.shape[1], seed)):
        left[number] = len(chosen) - np.bincount(parts[chosen], minlength=len(sets))
        distances[number] = distances_without(rows[chosen], parts[chosen], sets, reference, factor)
    return np.array([extrapolate(*points) for points in zip(left.T, distances.T, strict=True)])


def fewest_samples(num_rows: int, num_dimensions: int) -> int:
    """Return the smallest number of samples that `fid_infinity` needs, for N samples of D dimensions."""
    return max(num_dimensions + 1, num_rows // 10) + SIZES - 1


def _sizes(num_rows: int, num_dimensions: int) -> npt.NDArray[np.int64]:
    smallest = fewest_samples(num_rows, num_dimensions) - SIZES + 1
    return np.linspace(smallest, num_rows, SIZES).astype(np.int64)


def _subsets(num_rows: int, num_dimensions: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the rows of each size's subset, sorted: those of the last are then summed in FID's order, to its bits."""
    rng = np.random.default_rng(seed)
    return (np.sort(rng.permutation(num_rows)[:size]) for size in _sizes(num_rows, num_dimensions))


def extrapolate(sizes: npt.NDArray[np.number], distances: Values) -> float:
    """Return the value at 1/N = 0 of the line in 1/N that fits distances (P,) at sizes (P,) by least squares."""
    inverse = 1.0 / sizes
    centred = inverse - inverse.mean()
    slope = float(centred @ distances / (centred @ centred))
    return float(distances.mean()) - slope * float(inverse.mean())
