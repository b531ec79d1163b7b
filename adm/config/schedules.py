"""Schedules of noise: the betas of a process, in plain numbers, since params files are read without numpy."""

import itertools
import math
from collections.abc import Callable, Sequence

MAX_BETA = 0.999
"""Cap of the cosine schedule's betas, which would reach 1 at the last step."""


def linear_betas(num_timesteps: int) -> list[float]:
    """Build T betas in (0, 1) that rise linearly from 1e-4 to 0.02 at T = 1000; other T keep the same total noise.

    Source: Ho et al. (2020), section 4; Table 11, "linear".
    """
    scale = 1000 / num_timesteps
    first, last = scale * 1e-4, scale * 0.02
    step = (last - first) / max(num_timesteps - 1, 1)
    return [t * step + first for t in range(num_timesteps - 1)] + [last if num_timesteps > 1 else first]


def cosine_betas(num_timesteps: int) -> list[float]:
    """Build T betas in (0, MAX_BETA] whose alpha_bar follows a squared cosine.

    Source: Nichol & Dhariwal (2021), equation 17; Table 11, "cosine".
    """

    def alpha_bar(u: float) -> float:
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    edges = [alpha_bar(t / num_timesteps) for t in range(num_timesteps + 1)]
    return [min(1 - after / before, MAX_BETA) for before, after in itertools.pairwise(edges)]


SCHEDULES: dict[str, Callable[[int], list[float]]] = {"linear": linear_betas, "cosine": cosine_betas}


def sigmas_of(betas: Sequence[float]) -> list[float]:
    """Compute sigma = sqrt(1 - alpha_bar) / sqrt(alpha_bar) of each timestep, which increases."""
    alpha_bar = itertools.accumulate((1.0 - beta for beta in betas), lambda product, factor: product * factor)
    return [math.sqrt(1.0 / each - 1.0) for each in alpha_bar]
