"""Noise schedules: beta_t for t = 0 .. T-1, float64."""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

MAX_BETA = 0.999
"""Cap of the cosine schedule's betas, which would reach 1 at the last step."""


def linear_betas(num_timesteps: int) -> NDArray[np.float64]:
    """Betas rising linearly from 1e-4 to 0.02 at T = 1000; other T keep the same total noise.

    Args:
        num_timesteps: T.

    Returns:
        (T,) float64 in (0, 1).

    Source: Ho et al. (2020), section 4; Table 11, "linear".
    """
    scale = 1000 / num_timesteps
    return np.linspace(scale * 1e-4, scale * 0.02, num_timesteps, dtype=np.float64)


def cosine_betas(num_timesteps: int) -> NDArray[np.float64]:
    """Betas whose alpha_bar follows a squared cosine.

    Args:
        num_timesteps: T.

    Returns:
        (T,) float64 in (0, MAX_BETA].

    Source: Nichol & Dhariwal (2021), equation 17; Table 11, "cosine".
    """

    def alpha_bar(u: float) -> float:
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    edges = [alpha_bar(t / num_timesteps) for t in range(num_timesteps + 1)]
    return np.array([min(1 - after / before, MAX_BETA) for before, after in itertools.pairwise(edges)])


SCHEDULES = {"linear": linear_betas, "cosine": cosine_betas}
