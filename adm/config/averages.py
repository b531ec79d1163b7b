"""Averages of weights under power functions: their updates, and any other one as a combination of those that were kept.

The profile of exponent gamma after t updates is (gamma + 1) tau^gamma / t^(gamma + 1), for tau from 0 to t. Its average
weighs the weights after update tau by the integral of the profile from tau - 1 to tau. Its length, sigma_rel, is the
standard deviation of the profile as a share of t.

Source: Karras et al. (2024), "Analyzing and Improving the Training Dynamics of Diffusion Models", section 3 and
appendix C.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

LARGEST_ERROR = 0.1
"""The largest accepted error of a combined profile: the size of the difference as a share of the wanted profile's."""


def exponent_of(length: float) -> float:
    """Compute the exponent gamma of an average's length, sigma_rel = (gamma + 1)^0.5 (gamma + 2)^-1 (gamma + 3)^-0.5.

    Args:
        length: In (0, 12^-0.5), so that gamma is positive.

    Returns:
        The positive root of gamma^3 + 7 gamma^2 + (16 - length^-2) gamma + 12 - length^-2.
    """
    return float(np.roots([1.0, 7.0, 16.0 - length**-2, 12.0 - length**-2]).real.max())


def rate_of(exponent: float, step: int) -> float:
    """Compute the share beta that an average keeps of itself at an update.

    Args:
        exponent: gamma.
        step: The number of the update, from 1 on.

    Returns:
        (1 - 1 / step)^(gamma + 1): 0 at the first update, so that the initial weights do not count.
    """
    return float((1 - 1 / step) ** (exponent + 1))


def snapshot_steps(every: int, step: int) -> list[int]:
    """List the iterations whose snapshots a checkpoint at `step` holds: each multiple of `every`, and its own."""
    return [*range(every, step, every), step]


def combination(steps: Sequence[int], lengths: Sequence[float], length: float) -> tuple[NDArray[np.float64], float]:
    """Express the average of any length as the combination of snapshots whose profile is nearest to its own.

    Coefficients sum to 1, so that weights that did not change are their own average. The paper leaves the sum free;
    with few snapshots it then falls short of 1, and all weights shrink.

    Args:
        steps: The iterations of the snapshots, increasing.
        lengths: The lengths of the averages in each snapshot.
        length: The length of the wanted average, which is that at the last of `steps`.

    Returns:
        The coefficients (steps, lengths), and the error: the L2 norm of the difference between both profiles, as a
        share of the wanted profile's norm.
    """
    t = np.repeat(np.asarray(steps, np.float64), len(lengths))
    gamma = np.tile([exponent_of(kept) for kept in lengths], len(steps))
    wanted = t[-1], exponent_of(length)
    # Profiles of unit norm, since those of early snapshots are far larger than those of late ones.
    norms = np.sqrt(_product(t, gamma, t, gamma))
    norm = np.sqrt(_product(*wanted, *wanted))
    products = _product(t[:, None], gamma[:, None], t, gamma) / np.outer(norms, norms)
    onto = _product(t, gamma, *wanted) / (norms * norm)
    share = norm / norms
    system = np.block([[products, share[:, None]], [share[None, :], np.zeros((1, 1))]])
    coefficients = np.linalg.lstsq(system, np.append(onto, 1.0))[0][:-1]
    error = np.sqrt(max(0.0, 1 - 2 * coefficients @ onto + coefficients @ products @ coefficients))
    return (coefficients * share).reshape(len(steps), len(lengths)), float(error)


def _product(t_a: ArrayLike, gamma_a: ArrayLike, t_b: ArrayLike, gamma_b: ArrayLike) -> NDArray[np.float64]:
    """Integrate the product of two profiles, of which each is zero after its own t."""
    t_a, gamma_a, t_b, gamma_b = (np.asarray(values, np.float64) for values in (t_a, gamma_a, t_b, gamma_b))
    # Powers of a ratio below 1 do not overflow, as those of t would.
    overlap = np.where(t_a < t_b, (np.minimum(t_a, t_b) / t_b) ** gamma_b, (np.minimum(t_a, t_b) / t_a) ** gamma_a)
    return (gamma_a + 1) * (gamma_b + 1) * overlap / ((gamma_a + gamma_b + 1) * np.maximum(t_a, t_b))
