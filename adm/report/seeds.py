"""Intervals over seeds of training: of one mean, and of anything computed from several means.

Each seed of training has a run of its own, whose samples are drawn apart. So the variance between the runs of a group
holds both what another training and what another draw of images would change, and intervals from it cover both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats
from scipy.stats import qmc

from adm.report.intervals import TAIL, Draws

POINTS = 1 << 15
"""Replicates of means over seeds: a power of two, which Sobol's points need. They give widths of intervals to 2 %."""


@dataclass(frozen=True)
class OverSeeds:
    """A metric over seeds of training.

    Attributes:
        mean: The mean over seeds.
        spread: The standard deviation between seeds, with n - 1 in its denominator.
        half_width: Half the width of the mean's 95 % interval.
        seeds: n, the number of seeds.
        digits: Significant digits in print; None prints as many decimals as for other numbers.
    """

    mean: float
    spread: float
    half_width: float
    seeds: int
    digits: int | None = None


def over_seeds(values: NDArray[np.float64]) -> OverSeeds:
    """The mean of a metric over seeds, with its interval: mean ± t(n-1; 0.975) s / sqrt(n).

    Args:
        values: (n,), one for each seed, n >= 2.

    Raises:
        ValueError: There is only one value.

    Source: Student (1908).
    """
    n = len(values)
    _require_spread(n)
    # The mean of equal numbers may differ from them in its last bit.
    spread = float(values.std(ddof=1)) if np.ptp(values) else 0.0
    return OverSeeds(float(values.mean()), spread, float(stats.t.ppf(1 - TAIL, n - 1)) * spread / n**0.5, n)


def draws_over_seeds(blocks: Sequence[NDArray[np.float64]]) -> list[Draws]:
    """Draws of means over seeds; percentile intervals of linear functions of them are t-intervals.

    Rows of a block are paired: the same trained model, or models of one seed that go together. A replicate is

        mean_b + sum_i z_bi (x_bi - mean_b) / sqrt(n_b (n_b - 1)) * sqrt(df / chi2)

    with normal z and one chi2 with df degrees of freedom for all blocks: a multivariate t-distribution whose covariance
    is that of the means. A single block has df = n - 1, so a difference within it has the paired t-interval. For
    several blocks df is Welch's, with a block's mean variance of its means; a difference between two blocks of one
    column each has Welch's interval.

    Args:
        blocks: Of each block the values (n, k): n >= 2 seeds, k quantities.

    Returns:
        Of each block draws (1 + POINTS, k).

    Raises:
        ValueError: A block has only one seed.

    Source: Welch (1947); Kotz & Nadarajah (2004), Multivariate t Distributions.
    """
    for values in blocks:
        _require_spread(len(values))
    variances = np.array([values.var(axis=0, ddof=1).mean() / len(values) for values in blocks])
    freedom = np.array([len(values) - 1 for values in blocks])
    df = variances.sum() ** 2 / (variances**2 / freedom).sum() if variances.any() else freedom.min()
    normals, uniform = _points(sum(map(len, blocks)), POINTS)
    radius = np.sqrt(df / (2 * special.gammaincinv(df / 2, uniform)))[:, None]
    draws, start = [], 0
    for values in blocks:
        n, mean = len(values), values.mean(axis=0)
        z = normals[:, start : start + n]
        draws.append(np.concatenate([mean[None], mean + radius * (z @ (values - mean)) / np.sqrt(n * (n - 1))]))
        start += n
    return draws


def _require_spread(seeds: int) -> None:
    if seeds < 2:
        raise ValueError(f"{seeds} seed of training has no spread; an interval over seeds needs at least 2")


@lru_cache(maxsize=8)
def _points(dimensions: int, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points that fill space evenly, the same in each call: normal (count, dimensions) and uniform (count,).

    They give the ends of intervals more exactly than as many random numbers would.

    Source: Sobol (1967), scrambled as by Owen (1998).
    """
    # Half a step of the points' grid keeps them off 0, where the normal quantile is infinite.
    uniform = qmc.Sobol(dimensions + 1, rng=0).random(count) * (1 - 2.0**-30) + 2.0**-31
    return special.ndtri(uniform[:, 1:]), uniform[:, 0]
