"""A part of a diffusion process; here, so that the params file is checked by it and planning counts by it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """The timesteps t of a process of T with low <= t / T <= high.

    Attributes:
        low: In [0, 1].
        high: In [0, 1].
        num_timesteps: T.
    """

    low: float
    high: float
    num_timesteps: int

    def __contains__(self, t: float) -> bool:
        return self.low <= t / self.num_timesteps <= self.high
