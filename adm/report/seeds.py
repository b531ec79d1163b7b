"""Intervals of a metric's mean over seeds of training.

Each seed of training has a run of its own, whose samples are drawn apart. So the variance between the runs of a group
holds both what another training and what another draw of images would change, and intervals from it cover both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adm.metrics.blocks import Block, t_interval


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
    block = Block(values[:, None])
    found = t_interval(block)
    # The mean of equal numbers may differ from them in its last bit.
    spread = float(values.std(ddof=1)) if np.ptp(values) else 0.0
    return OverSeeds(found.estimate, spread, found.high - found.estimate, len(values))
