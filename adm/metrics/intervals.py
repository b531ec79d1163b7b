"""95 % intervals of one number, and of the least or greatest of several, from draws.

An array of type `Draws` is (1 + B, ...): the point estimate, then B draws around it. Arithmetic on it applies to both.
A claim whose parts must all be true needs `interval_of_least`; a claim that one true part makes true needs
`interval_of_greatest`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Draws = NDArray[np.float64]

REPLICATES = 4000
"""Number of bootstrap replicates of means and medians."""

BATCH = 50
"""Resamples that are in memory at once."""

TAIL = 0.025
"""Probability outside a 95 % interval on each side."""

FEWEST_FOR_MEDIAN = 6
"""With fewer values, all of them lie on one side of the true median with a probability above 5 %."""


class Interval(NamedTuple):
    """A point estimate and the ends of its interval."""

    estimate: float
    low: float
    high: float


def mean_draws(values: NDArray[np.float64], rng: np.random.Generator) -> Draws:
    """Draws of the mean of any number of values; columns are resampled together.

    For few values the bootstrap's spread is too small, by sqrt((n - 1) / n) and by the ratio of Student's quantile to
    the normal one. The replicates are widened by both factors.

    Args:
        values: (N, ...), N >= 2.
        rng: Draws the resamples.
    """
    n = len(values)
    if n < 2:
        raise ValueError(f"{n} measured value has no spread; an interval needs at least 2")
    point = values.mean(axis=0)
    means = np.concatenate([values[rng.integers(n, size=(BATCH, n))].mean(axis=1) for _ in range(REPLICATES // BATCH)])
    widening = np.sqrt(n / (n - 1)) * stats.t.ppf(1 - TAIL, n - 1) / stats.norm.ppf(1 - TAIL)
    return np.concatenate([point[None], point + widening * (means - point)])


def median_draws(values: NDArray[np.float64], rng: np.random.Generator) -> Draws:
    """Draws of the median.

    The median of n values drawn with replacement is the value at the median of n uniform numbers, which has a beta
    distribution. Drawing from this takes one number for each replicate, whatever the number of values.

    Args:
        values: (N,), N >= FEWEST_FOR_MEDIAN.
        rng: Draws the resamples.
    """
    n = len(values)
    if n < FEWEST_FOR_MEDIAN:
        raise ValueError(f"{n} distances bound no median; at least {FEWEST_FOR_MEDIAN} are needed")
    middle = (n + 1) // 2
    lower = rng.beta(middle, n + 1 - middle, REPLICATES)
    upper = lower if n % 2 else lower + (1 - lower) * rng.beta(1, n - middle, REPLICATES)
    ordered = np.sort(values)
    medians = [ordered[np.minimum((at * n).astype(int), n - 1)] for at in (lower, upper)]
    return np.concatenate([[np.median(values)], np.mean(medians, axis=0)])


def interval(draws: Draws) -> Interval:
    """The percentile interval of one number, draws (1 + B,)."""
    return Interval(float(draws[0]), *map(float, np.quantile(draws[1:], [TAIL, 1 - TAIL])))


def band(draws: Draws) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Simultaneous lower bounds and simultaneous upper bounds of several numbers; each set holds with 97.5 %.

    With a separate interval for each of many numbers, some would probably lie outside theirs by chance.

    Args:
        draws: (1 + B, n).

    Returns:
        Lower bounds (n,) and upper bounds (n,).
    """
    spread = draws[1:].std(axis=0)
    moved = np.divide(draws[1:] - draws[0], spread, out=np.zeros_like(draws[1:]), where=spread > 0)
    low, high = np.quantile(moved.min(axis=1), TAIL), np.quantile(moved.max(axis=1), 1 - TAIL)
    return draws[0] + spread * low, draws[0] + spread * high


def interval_of_least(draws: Draws) -> Interval:
    """The interval of the least of several numbers, draws (1 + B, n).

    Its low end is the least of the separate intervals' low ends, because one true number is the least. Its high end is
    the least of the band's upper bounds, because any of the estimates could be too low by chance.
    """
    low = np.quantile(draws[1:], TAIL, axis=0)
    return Interval(float(draws[0].min()), float(low.min()), float(band(draws)[1].min()))


def interval_of_greatest(draws: Draws) -> Interval:
    """The interval of the greatest of several numbers: `interval_of_least`, mirrored."""
    estimate, low, high = interval_of_least(-draws)
    return Interval(-estimate, -high, -low)
