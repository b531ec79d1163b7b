"""Averages of the weights under power functions, which training keeps beside its own.

The profile of exponent gamma after t updates is (gamma + 1) tau^gamma / t^(gamma + 1), for tau from 0 to t. Its average
weighs the weights after update tau by the integral of the profile from tau - 1 to tau. Its length, sigma_rel, is the
standard deviation of the profile as a share of t.

Source: Karras et al. (2024), "Analyzing and Improving the Training Dynamics of Diffusion Models", section 3.1.
"""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from adm.nets.checkpoints import named_averages


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


class PowerAverages:
    """Averages of a network's weights, one a length.

    Attributes:
        tensors: The averages, by the names of `named_averages`; before the first update, the initial weights.
    """

    def __init__(self, lengths: Sequence[float], weights: Mapping[str, Tensor]) -> None:
        self.exponents = [exponent_of(length) for length in lengths]
        self.tensors = {name: w.detach().clone() for name, w in named_averages(lengths, weights).items()}

    def update(self, weights: Sequence[Tensor], step: int) -> None:
        """Take in the weights after update number `step`, counted from 1, in the order of the network's tensors."""
        tensors = iter(self.tensors.values())
        for exponent in self.exponents:
            average = list(islice(tensors, len(weights)))
            torch._foreach_lerp_(average, list(weights), 1 - rate_of(exponent, step))
