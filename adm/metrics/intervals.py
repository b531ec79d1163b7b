"""95 % intervals of one number, and of the least or greatest of several, from draws.

An array of type `Draws` is (1 + B, ...): the point estimate, then B draws around it. Arithmetic on it applies to both.
A claim of which all parts must be true needs `interval_of_least`; one of which any, `interval_of_greatest`.

A block of paired values holds what goes together: the parts of the samples of runs with the same seeds, or the seeds of
training of groups of the same models. Blocks are independent of each other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats
from scipy.stats import qmc

from adm.metrics.jackknife import LARGEST_SHARE, Jackknife, Values

Draws = NDArray[np.float64]

REPLICATES = 4000
"""Number of draws of a median."""

TAIL = 0.025
"""Probability outside a 95 % interval on each side."""

POINTS = 1 << 15
"""Draws of means of blocks: a power of two, which Sobol's points need. They give widths of intervals to 2 %."""

FEWEST_FOR_MEDIAN = 6
"""With fewer values, all of them lie on one side of the true median with a probability above 5 %."""


SHARES = frozenset({"precision", "recall", "density", "coverage"})
"""Metrics that are shares of samples or of the reference's images, or means of such."""


class Interval(NamedTuple):
    """A point estimate and the ends of its interval."""

    estimate: float
    low: float
    high: float


def median_draws(values: Values, rng: np.random.Generator) -> Draws:
    """Return draws of the median.

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
    """Return the percentile interval of one number, draws (1 + B,)."""
    return Interval(float(draws[0]), *map(float, np.quantile(draws[1:], [TAIL, 1 - TAIL])))


def band(draws: Draws) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return simultaneous lower bounds and simultaneous upper bounds of several numbers; each set holds with 97.5 %.

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
    """Return the interval of the least of several numbers, draws (1 + B, n).

    Its low end is the least of the separate intervals' low ends, because one true number is the least. Its high end is
    the least of the band's upper bounds, because any of the estimates could be too low by chance.
    """
    low = np.quantile(draws[1:], TAIL, axis=0)
    return Interval(float(draws[0].min()), float(low.min()), float(band(draws)[1].min()))


def interval_of_greatest(draws: Draws) -> Interval:
    """Return the interval of the greatest of several numbers: `interval_of_least`, mirrored."""
    estimate, low, high = interval_of_least(-draws)
    return Interval(-estimate, -high, -low)


@dataclass(frozen=True, eq=False)
class Block:
    """Values whose rows are paired.

    Attributes:
        values: (n, k): n >= 2 parts or seeds, k quantities.
        pairs: (P, k), the second order of each quantity, or empty; see `adm.metrics.jackknife`.
    """

    values: Values
    pairs: Values = field(default_factory=lambda: np.zeros(0))

    @property
    def mean(self) -> Values:
        """The means, (k,)."""
        return np.asarray(self.values.mean(axis=0))

    @cached_property
    def spread(self) -> Values:
        """Rows (n, k) whose products, summed over rows, are the covariances of the means.

        The second order is subtracted from the covariances of the values, and no variance of a linear function of the
        means gets smaller than LARGEST_SHARE of what it was.
        """
        n = len(self.values)
        # The mean of equal numbers may differ from them in its last bit.
        deviations = np.where(np.ptp(self.values, axis=0) > 0, self.values - self.mean, 0.0)
        rows: Values = deviations / np.sqrt(n * (n - 1))
        if not self.pairs.any():
            return rows
        across, lengths, along = np.linalg.svd(rows, full_matrices=False)
        kept = lengths > n * np.finfo(np.float64).eps * lengths.max(initial=0.0)
        along = lengths[kept, None] * along[kept]
        white = self.pairs @ np.linalg.pinv(along)
        shares, axes = np.linalg.eigh(white.T @ white)
        left = axes * np.sqrt(1.0 - np.clip(shares, 0.0, LARGEST_SHARE)) @ axes.T
        spread: Values = across[:, kept] @ left @ along
        return spread

    def variance(self, weights: Values) -> float:
        """Return the variance of a sum of the means with weights (k,)."""
        return float(np.square(self.spread @ weights).sum())

    def freedom(self, weights: Values) -> float:
        """Return the degrees of freedom of an interval of a sum of the means with weights (k,).

        It is n - 1, or less where a second order was subtracted: what is left of the variance is smaller, and is as
        uncertain as the whole of it was.

        Source: Satterthwaite (1946).
        """
        n = len(self.values)
        whole = float((self.values @ weights).var(ddof=1)) / n
        left = max(min(self.variance(weights) / whole, 1.0), LARGEST_SHARE) if whole > 0 else 1.0
        return (n - 1) * left**2


def block_of(spreads: Sequence[Jackknife]) -> Block:
    """Return the block of one metric of several runs whose samples are paired, or of several metrics of a run."""
    most = max(len(spread.pairs) for spread in spreads)
    pairs = [spread.pairs if len(spread.pairs) else np.zeros(most) for spread in spreads]
    return Block(np.stack([spread.values for spread in spreads], axis=1), np.stack(pairs, axis=1))


def with_least_spread(block: Block, least: float) -> Block:
    """Give the columns of a block whose values are all equal a standard error, each apart from the others.

    A share of few samples may be 1 in each part; that it is 1 of all samples does not follow.

    Args:
        block: Of shares.
        least: The standard error that they get: of a share, that of one sample in all.
    """
    flat = np.flatnonzero(np.ptp(block.values, axis=0) == 0)
    if not len(flat):
        return block
    n, values = len(block.values), block.values.copy()
    for place, column in enumerate(flat):
        # Waves of other lengths sum to zero and are orthogonal: what they tell of two columns is independent.
        wave = np.cos(np.pi * (np.arange(n) + 0.5) * (place % (n - 1) + 1) / n)
        values[:, column] += least * math.sqrt(2 * (n - 1)) * wave
    return Block(values, block.pairs)


def t_interval(block: Block) -> Interval:
    """Return the 95 % interval of the mean of a block of one column.

    Source: Student (1908).
    """
    alone = np.ones(1)
    mean = float(block.mean[0])
    half = float(stats.t.ppf(1 - TAIL, block.freedom(alone))) * math.sqrt(block.variance(alone))
    return Interval(mean, mean - half, mean + half)


def metric_interval(name: str, spread: Jackknife, count: int) -> Interval:
    """Return the 95 % interval of a metric of `count` samples; one of a share of samples or images ends at 0 and 1."""
    block = block_of([spread])
    found = t_interval(with_least_spread(block, 1 / count) if name in SHARES else block)
    if name not in SHARES - {"density"}:
        return found
    return found._replace(low=max(found.low, 0.0), high=min(found.high, 1.0))


def welch(variances: Sequence[float], freedoms: Sequence[float]) -> float:
    """Return the degrees of freedom of a sum of independent estimates of variances.

    Source: Welch (1947).
    """
    total = sum(variances) ** 2
    parts = sum(each**2 / freedom for each, freedom in zip(variances, freedoms, strict=True))
    return total / parts if parts > 0 else min(freedoms)


def freedom_of(blocks: Sequence[Block]) -> float:
    """Return the least degrees of freedom that a difference of two quantities has: paired within a block, else Welch's.

    Of a single quantity it is its own.
    """
    quantities = [(block, own) for block in blocks for own in np.eye(block.values.shape[1])]
    if len(quantities) == 1:
        return blocks[0].freedom(np.ones(1))
    return min(
        a.freedom(own - other)
        if a is b
        else welch((a.variance(own), b.variance(other)), (a.freedom(own), b.freedom(other)))
        for (a, own), (b, other) in combinations(quantities, 2)
    )


def draws_of(blocks: Sequence[Block]) -> list[Draws]:
    """Return draws of the means of blocks; percentile intervals of linear functions of them are t-intervals.

    A draw is

        mean_b + sum_i z_bi spread_bi * sqrt(df / chi2)

    with normal z and one chi2 with df = `freedom_of` degrees of freedom for all blocks: a multivariate t-distribution
    whose covariance is that of the means. A difference within a block has the paired t-interval, one between two blocks
    of one column each has Welch's.

    Returns:
        Of each block draws (1 + POINTS, k).

    Raises:
        ValueError: A block has a single row.

    Source: Welch (1947); Kotz & Nadarajah (2004), Multivariate t Distributions.
    """
    if min(len(block.values) for block in blocks) < 2:
        raise ValueError("one measured value has no spread; an interval needs at least 2")
    df = freedom_of(blocks)
    normals, uniform = _points(sum(len(block.values) for block in blocks), POINTS)
    radius = np.sqrt(df / (2 * special.gammaincinv(df / 2, uniform)))[:, None]
    draws, start = [], 0
    for block in blocks:
        z = normals[:, start : start + len(block.values)]
        draws.append(np.concatenate([block.mean[None], block.mean + radius * (z @ block.spread)]))
        start += len(block.values)
    return draws


@lru_cache(maxsize=8)
def _points(dimensions: int, count: int) -> tuple[Values, Values]:
    """Return points that fill space evenly, the same in each call: normal (count, dimensions) and uniform (count,).

    They give the ends of intervals more exactly than as many random numbers would.

    Source: Sobol (1967), scrambled as by Owen (1998).
    """
    # Half a step of the points' grid keeps them off 0, where the normal quantile is infinite.
    uniform = qmc.Sobol(dimensions + 1, rng=0).random(count) * (1 - 2.0**-30) + 2.0**-31
    return special.ndtri(uniform[:, 1:]), uniform[:, 0]
