"""Statistics of published reference batches in the released npz format."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.reading import names_in_npz, open_array
from adm.errors import UserError
from adm.metrics.statistics import FeatureStatistics

STATISTICS = ("mu", "sigma", "mu_s", "sigma_s")
"""Arrays with the statistics of a whole training set: mean and covariance of pooled and of spatial features."""

ROUNDING = 1.0e-5
"""Accepted asymmetry of a covariance, relative to its largest entry: some were stored as float32."""


def read_published_statistics(path: Path) -> tuple[FeatureStatistics, FeatureStatistics]:
    """Read the statistics of pooled and of spatial features of a reference batch, but not its images.

    Raises:
        UserError: The file is no reference batch, an array is missing, or the arrays do not fit each other.
    """
    arrays = _read_arrays(path, *STATISTICS)
    return _statistics(path, arrays, "mu", "sigma"), _statistics(path, arrays, "mu_s", "sigma_s")


def _read_arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """The named arrays, as far as an npz holds them, of any dtype: the released files differ in theirs."""
    stored = names_in_npz(path)
    return {name: open_array(path, name).read() for name in names if name in stored}


def _required(path: Path, arrays: dict[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name not in arrays:
        raise UserError(f"{path}: holds no array {name!r}")
    return arrays[name]


def _statistics(path: Path, arrays: dict[str, NDArray[Any]], mu: str, sigma: str) -> FeatureStatistics:
    found = {}
    for name in (mu, sigma):
        array = _required(path, arrays, name)
        if array.dtype.kind != "f":
            raise UserError(f"{path}: {name}: has dtype {array.dtype}, not floats")
        found[name] = array.astype(np.float64)
    try:
        statistics = FeatureStatistics(found[mu], found[sigma])
    except ValueError as error:
        raise UserError(f"{path}: {mu} and {sigma}: {error}") from error
    variances = statistics.sigma.diagonal()
    if (variances < 0).any() or np.abs(statistics.sigma - statistics.sigma.T).max() > ROUNDING * variances.max():
        raise UserError(f"{path}: {sigma}: is no covariance; it must be symmetric, with no negative variance")
    return statistics
