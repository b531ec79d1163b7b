"""Samplers of training timesteps: uniform, or by the second moment of the loss."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

HISTORY = 10
"""Losses remembered per timestep before importance sampling begins."""

UNIFORM_SHARE = 0.001
"""Share of the probability that stays uniform, so every timestep is still drawn."""


class TimestepSampler(Protocol):
    """Turns uniform numbers into timesteps, with weights that keep the expected loss unbiased, and may learn.

    Attributes:
        learns: Whether it needs the losses of every batch.
    """

    learns: bool

    def draw(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Timesteps (B,) int64 and importance weights (B,) float32, from u (B,) float64 in [0, 1), on its device."""
        ...

    def update(self, t: Tensor, losses: Tensor) -> None:
        """Record the unweighted losses (B,) at t (B,)."""
        ...

    def state(self) -> dict[str, Tensor]:
        """The tensors that `restore` needs."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        ...


class UniformTimesteps:
    """Every timestep with equal probability. Source: equation 12."""

    learns = False

    def __init__(self, num_timesteps: int) -> None:
        self.num_timesteps = num_timesteps

    def draw(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Uniform timesteps (B,) int64 and unit weights (B,) float32."""
        return (u * self.num_timesteps).long(), torch.ones_like(u, dtype=torch.float32)

    def update(self, t: Tensor, losses: Tensor) -> None:
        """Learn nothing."""

    def state(self) -> dict[str, Tensor]:
        """Nothing to save."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing to restore."""


class LossSecondMomentTimesteps:
    """p_t proportional to sqrt(E[L_t^2]) over the last HISTORY losses, uniform until every timestep has them.

    Source: Nichol & Dhariwal (2021), equation 18.
    """

    learns = True

    def __init__(self, num_timesteps: int) -> None:
        self.num_timesteps = num_timesteps
        self.losses = torch.zeros(num_timesteps, HISTORY, dtype=torch.float64)
        self.counts = torch.zeros(num_timesteps, dtype=torch.int64)

    def probabilities(self) -> Tensor:
        """(T,) float64, summing to 1."""
        if (self.counts < HISTORY).any():
            return torch.full((self.num_timesteps,), 1 / self.num_timesteps, dtype=torch.float64)
        second_moment = self.losses.square().mean(1).sqrt()
        return (1 - UNIFORM_SHARE) * second_moment / second_moment.sum() + UNIFORM_SHARE / self.num_timesteps

    def draw(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Timesteps (B,) int64 by `probabilities`, and weights 1 / (T p_t) (B,) float32."""
        p = self.probabilities()
        # Summed on the CPU, because no GPU has a deterministic kernel for it. The last sum may round to less than 1.
        t = torch.searchsorted(p.cumsum(0).to(u.device), u, right=True).clamp(max=self.num_timesteps - 1)
        return t, (1 / (self.num_timesteps * p.to(u.device)[t])).float()

    def update(self, t: Tensor, losses: Tensor) -> None:
        """Add each loss to its timestep's history; the oldest one drops out."""
        for step, loss in zip(t.tolist(), losses.tolist(), strict=True):
            if self.counts[step] < HISTORY:
                self.losses[step, self.counts[step]] = loss
                self.counts[step] += 1
            else:
                self.losses[step] = torch.cat([self.losses[step, 1:], self.losses.new_tensor([loss])])

    def state(self) -> dict[str, Tensor]:
        """The histories, and how many losses each holds."""
        return {"losses": self.losses.clone(), "counts": self.counts.clone()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        self.losses, self.counts = state["losses"].clone(), state["counts"].clone()


TIMESTEP_SAMPLERS: dict[str, Callable[[int], TimestepSampler]] = {
    "uniform": UniformTimesteps,
    "loss_second_moment": LossSecondMomentTimesteps,
}
