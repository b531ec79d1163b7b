"""Schedules: of noise, the betas of a process, and of the timesteps that a sampler visits.

Both are in plain numbers, since params files are read without numpy.
"""

import itertools
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial

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


STEPS_PATTERN = r"^((ddim|logsnr|rho)[1-9][0-9]*|[0-9]+(,[0-9]+)*)$"
"""Pattern of a schedule of sampling steps."""

RHO = 7
"""Exponent of the spacing "rhoN". Source: Karras et al. (2022), table 1."""

LARGEST_SIGMA = 80.0
"""The most noise, sigma = sqrt(1 - alpha_bar) / sqrt(alpha_bar), where "logsnrN" and "rhoN" begin.

Images are lost in it, and the last timesteps of a cosine schedule have up to 20,000.

Source: Karras et al. (2022), table 1, sigma_max.
"""


WARPS: dict[str, Callable[[float], float]] = {"logsnr": math.log, "rho": partial(pow, exp=1 / RHO)}
"""The function of sigma that is spaced evenly, by the name of the spacing; lambda = log SNR / 2 is -log sigma."""


def respaced_timesteps(num_timesteps: int, steps: str, sigmas: Sequence[float] = ()) -> list[int]:
    """Choose which of the T timesteps a sampler visits.

    `"N"` and `"a,b,c,d,e"` cut T into equal sections and stride each so that its first and last timestep are kept;
    `"ddimN"` takes the first integer stride that gives exactly N steps. `"logsnrN"` and `"rhoN"` take the timesteps
    nearest to N even steps of lambda = log SNR / 2 and of sigma^(1/7), from LARGEST_SIGMA to timestep 0; where two of
    them coincide, the next free one stands in.

    Args:
        num_timesteps: T of the training process.
        steps: The schedule, as in Tables 14 and 15.
        sigmas: (T,) sigma of each timestep, increasing; only "logsnrN" and "rhoN" need it.

    Returns:
        Strictly increasing timesteps in [0, T).

    Raises:
        ValueError: The schedule is none, asks for more steps than a section has, or no stride gives N steps.

    Source: Appendix K (both uniform strides), Table 15 (sections); Lu et al. (2022a), section 3.3, "logsnrN"; Karras et
        al. (2022), equation 5, "rhoN".
    """
    count = number_of_steps(num_timesteps, steps)
    if warp := WARPS.get(_form(steps)):
        assert len(sigmas) == num_timesteps, len(sigmas)
        return _evenly(sigmas, count, warp)
    return _strided(num_timesteps, steps)


def number_of_steps(num_timesteps: int, steps: str) -> int:
    """Count the timesteps that a schedule visits, whatever the noise of each.

    Raises:
        ValueError: As in `respaced_timesteps`.
    """
    if not re.fullmatch(STEPS_PATTERN, steps):
        raise ValueError(f"steps: {steps!r} is no schedule; write 'N', 'a,b,c,...', 'ddimN', 'logsnrN' or 'rhoN'")
    if _form(steps) not in WARPS:
        return len(_strided(num_timesteps, steps))
    if (count := int(steps.removeprefix(_form(steps)))) > num_timesteps:
        raise ValueError(f"steps: {steps!r} asks for {count} steps of a process that has {num_timesteps}")
    return count


def _form(steps: str) -> str:
    return steps.rstrip("0123456789,")


def _strided(num_timesteps: int, steps: str) -> list[int]:
    if steps.startswith("ddim"):
        return _integer_stride(num_timesteps, steps)
    counts = [int(count) for count in steps.split(",")]
    size, remainder = divmod(num_timesteps, len(counts))
    chosen: list[int] = []
    start = 0
    for section, count in enumerate(counts):
        length = size + (section < remainder)
        if count > length:
            raise ValueError(f"steps: {steps!r} asks for {count} steps of a section that has {length}")
        stride = (length - 1) / (count - 1) if count > 1 else 1.0
        # The position is accumulated, not multiplied out: at halves the two round to different timesteps.
        position = 0.0
        for _ in range(count):
            chosen.append(start + round(position))
            position += stride
        start += length
    if not chosen:
        raise ValueError(f"steps: {steps!r} visits no timestep")
    return chosen


def _integer_stride(num_timesteps: int, steps: str) -> list[int]:
    count = int(steps.removeprefix("ddim"))
    for stride in range(1, num_timesteps + 1):
        if len(range(0, num_timesteps, stride)) == count:
            return list(range(0, num_timesteps, stride))
    raise ValueError(f"steps: {steps!r} has no integer stride that gives {count} of {num_timesteps} timesteps")


def _evenly(sigmas: Sequence[float], count: int, warp: Callable[[float], float]) -> list[int]:
    levels = [warp(sigma) for sigma in sigmas]
    highest = levels[max(bisect_right(sigmas, LARGEST_SIGMA) - 1, 0)]
    even = [highest - (highest - levels[0]) * i / max(count - 1, 1) for i in reversed(range(count))]
    chosen = [min(range(len(levels)), key=lambda t: abs(levels[t] - level)) for level in even]
    for i in range(1, count):
        chosen[i] = max(chosen[i], chosen[i - 1] + 1)
    for i in range(count):
        chosen[i] = min(chosen[i], len(levels) - count + i)
    return chosen
