"""Spread of a metric between sets of samples: a jackknife that leaves out parts of the samples, or halves of them.

Sample i belongs to part i mod PARTS. A metric is computed anew without each part, and where that is cheap also without
each two. Runs whose sample i has the same seed are paired: what their parts have in common cancels in a difference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import hadamard

PARTS = 16
"""Number of parts, half as many of fewer samples: powers of two, which halves need. With more, intervals get narrower
by less than 5 %, and two at a time cost four times as much."""

LARGEST_SHARE = 0.5
"""The largest part of a variance that the second order can have: the jackknife counts the second order twice."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Jackknife:
    """How a metric depends on the parts of the samples.

    Attributes:
        values: (G,) float64. Their mean is the metric, and the variance of their mean that of the metric, but for the
            second order, which it counts twice.
        pairs: (G (G - 1) / 2,) float64, the second order: the sum of their squares is to be subtracted from that
            variance. It is empty for a metric whose second order is zero or is not known.
    """

    values: Values
    pairs: Values

    @property
    def variance(self) -> float:
        """The variance of the metric between sets of samples, >= 0."""
        first = float(self.values.var(ddof=1)) / len(self.values) if np.ptp(self.values) else 0.0
        return first - min(float(self.pairs @ self.pairs), LARGEST_SHARE * first)

    def folded(self) -> "Jackknife":
        """Take the same variance from values alone, for a metric of which the share of the second order is known."""
        whole, mean = Jackknife(self.values, np.zeros(0)).variance, self.values.mean()
        ratio = math.sqrt(self.variance / whole) if whole > 0 else 1.0
        return Jackknife(mean + ratio * (self.values - mean), np.zeros(0))


def num_parts(num_samples: int) -> int:
    """Return the number of parts G of N samples."""
    return PARTS if num_samples >= PARTS else PARTS // 2


def parts_of(num_samples: int) -> npt.NDArray[np.int64]:
    """Return the part of each sample, (N,) in [0, G)."""
    return np.arange(num_samples) % num_parts(num_samples)


def sets_left_out(num_samples: int, pairs: bool = True) -> list[tuple[int, ...]]:
    """Return the sets of parts that are left out: none, each one and, with `pairs`, each two."""
    parts = range(num_parts(num_samples))
    return [(), *((part,) for part in parts), *(combinations(parts, 2) if pairs else ())]


def means_without(numbers: npt.NDArray[Any]) -> Values:
    """Return the mean of numbers (N,) over all samples, then without each part, (1 + G,)."""
    sums, counts = sums_by_part(numbers), sums_by_part(np.ones(len(numbers)))
    means: Values = (sums.sum() - np.append(0.0, sums)) / (counts.sum() - np.append(0.0, counts))
    return means


def sums_by_part(numbers: npt.ArrayLike) -> Values:
    """Return the sum of numbers (N, ...) over the samples of each part, (G, ...)."""
    each = np.asarray(numbers, np.float64)
    parts = num_parts(len(each))
    return np.stack([each[part::parts].sum(axis=0) for part in range(parts)])


def jackknife(metric: float, without_parts: Values, num_samples: int) -> Jackknife:
    """Return the jackknife of a metric.

    Let t be the metric of all samples, and t_g and t_gh those without the parts g, or g and h. Then

        values_g = metric + (G - 1) (mean_h t_h - t_g),
        pairs_gh = a_gh less what is best fitted by b_g + b_h, times sqrt((G - 1) / (G - 3)),
        a_gh = t - ((G - 1) / G)^2 (t_g + t_h) + ((G - 2) / G)^2 t_gh.

    For a metric that is quadratic in means over samples, a_gh is exactly what parts g and h contribute together. The
    jackknife's variance holds the squares of these contributions twice, where they are once in the true one. For the
    squared length of a mean around zero, as for FID of a perfect model, it is twice the true variance, of 16 parts 2.35
    times as much. 1.41 times as much are left.

    Args:
        metric: The metric of all samples.
        without_parts: One for each of `sets_left_out`, with or without two parts.
        num_samples: N, as many as there are parts or more.

    Source: Tukey (1958); Efron & Stein (1981), Section 4, for the correction of second order.
    """
    parts = num_parts(num_samples)
    whole, one, two = without_parts[0], without_parts[1 : parts + 1], without_parts[parts + 1 :]
    values = metric + (parts - 1) * (one.mean() - one)
    if not len(two):
        return Jackknife(values, two)
    first, second = np.triu_indices(parts, 1)
    together = whole - ((parts - 1) / parts) ** 2 * (one[first] + one[second]) + ((parts - 2) / parts) ** 2 * two
    of_part = np.bincount(first, together, parts) + np.bincount(second, together, parts)
    fitted = (of_part - together.sum() / (parts - 1)) / (parts - 2)
    return Jackknife(values, math.sqrt((parts - 1) / (parts - 3)) * (together - fitted[first] - fitted[second]))


def halves_of(num_samples: int) -> npt.NDArray[np.bool_]:
    """Halve the samples, (2 (G - 1), N): each half takes half of the parts, and the next one after G - 1 the others.

    They are balanced: any two that do not complement each other share half of their parts.
    """
    signs = hadamard(num_parts(num_samples))[1:]
    parts = parts_of(num_samples)
    return np.concatenate([signs[:, parts] > 0, signs[:, parts] < 0])


def of_halves(metric: float, halves: Values, num_samples: int) -> Jackknife:
    """Return the same from a metric of halves, for metrics that a jackknife overstates: those of nearest neighbours.

    Two halves that complement each other are independent, and half their difference has the variance of the metric, if
    variances fall as 1 / N, however rough a function of the samples the metric is.

    Args:
        metric: The metric of all samples.
        halves: The metric of each of `halves_of`.
        num_samples: N.

    Source: McCarthy (1969), balanced half-samples.
    """
    signs = hadamard(num_parts(num_samples))[1:]
    first, second = np.split(halves, 2)
    return Jackknife(metric + 0.5 * (first - second) @ signs, np.zeros(0))


def rounded(numbers: Sequence[float] | Values) -> list[float]:
    """Round to six digits, which are enough for intervals and keep files readable."""
    return [float(f"{number:.6g}") for number in numbers]
