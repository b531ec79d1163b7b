"""Mean and covariance of features, on which alone FID and sFID depend; those that were published."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from adm.artifacts.reading import open_array
from adm.artifacts.streaming import stretches
from adm.errors import UserError, about
from adm.metrics.features import FloatArray

CHUNK = 4096
"""Number of rows summed at once; a constant, because the order of summation affects the last bits."""

STATISTICS = ("mu", "sigma", "mu_s", "sigma_s")
"""Arrays with the statistics of a whole training set: mean and covariance of pooled and of spatial features."""


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """The Gaussian fitted to a set of features.

    Attributes:
        mu: (D,) float64, mean.
        sigma: (D, D) float64, symmetric, covariance.

    Raises:
        ValueError: the shapes disagree, or an entry is NaN or infinite.
    """

    mu: npt.NDArray[np.float64]
    sigma: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.mu.ndim != 1 or self.mu.size == 0 or self.sigma.shape != (self.mu.size, self.mu.size):
            raise ValueError(
                f"mean of shape {self.mu.shape} with covariance of shape {self.sigma.shape}, expected (D,) with (D, D)"
            )
        if not (np.isfinite(self.mu).all() and np.isfinite(self.sigma).all()):
            raise ValueError("mean or covariance hold NaN or infinity, expected finite numbers")


def feature_statistics(rows: FloatArray) -> FeatureStatistics:
    """Fit a Gaussian to features: mean, and covariance with N - 1 in the denominator.

    Two float64 passes over chunks of rows: of a mapped array, one chunk at a time is in memory. The mean is subtracted
    before squaring, which avoids cancellation.

    Args:
        rows: (N, D), finite, N >= 2: features.

    Returns:
        The statistics, equal to `numpy.mean` and `numpy.cov(ddof=1)` up to rounding.

    Source: Appendix J; Heusel et al. 2017, Eq. 6.
    """
    num_rows, num_dimensions = rows.shape
    total = np.zeros(num_dimensions)
    for chunk in stretches(rows, CHUNK):
        total += chunk.sum(axis=0, dtype=np.float64)
    mu = total / num_rows
    scatter = np.zeros((num_dimensions, num_dimensions))
    for chunk in stretches(rows, CHUNK):
        centred = np.subtract(chunk, mu, dtype=np.float64)
        # numpy notices that one factor is the other's transpose and calls the symmetric product: half the work, and
        # the result is symmetric to the bit.
        scatter += centred.T @ centred
        del centred  # before the next one is made
    return FeatureStatistics(mu=mu, sigma=scatter / (num_rows - 1))


def read_published_statistics(path: Path) -> tuple[FeatureStatistics, FeatureStatistics]:
    """Read the statistics of pooled and of spatial features of a reference batch in the released npz format.

    Raises:
        UserError: The file is no reference batch, an array is missing, or the arrays do not fit each other.
    """
    fitted = []
    for mu, sigma in (STATISTICS[:2], STATISTICS[2:]):
        arrays = [open_array(path, name).read() for name in (mu, sigma)]
        for name, array in zip((mu, sigma), arrays, strict=True):
            if array.dtype.kind != "f":  # the released files differ in theirs
                raise UserError(f"{path}: {name}: has dtype {array.dtype}, not floats")
        with about(f"{path}: {mu} and {sigma}"):
            fitted.append(FeatureStatistics(*(array.astype(np.float64) for array in arrays)))
        covariance = fitted[-1].sigma
        variances, asymmetry = covariance.diagonal(), np.abs(covariance - covariance.T).max()
        if (variances < 0).any() or asymmetry > 1.0e-5 * variances.max():  # some were stored as float32
            raise UserError(f"{path}: {sigma}: is no covariance; it must be symmetric, with no negative variance")
    return fitted[0], fitted[1]
