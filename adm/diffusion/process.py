"""The diffusion process: its betas, q(x_t | x_0), its posterior, and p(x_{t-1} | x_t) from a network's output."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adm.config.models import ProcessParams, TargetName, VarianceKind
from adm.config.schedules import SCHEDULES, respaced_timesteps, sigmas_of

Index = Tensor | int
"""Indices into a process, (B,) int64, or one index for all images."""

Clipping = Literal["static", "none"]

ClippingOrder = Literal["before", "after"]
"""Whether x_0 is clipped before guidance shifts it or after."""

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""A network of (x_t: (B, C, H, W) float32, original timesteps: (B,) int64); returns (B, C or 2C, H, W)."""


def clipped(x_0: Tensor, clipping: Clipping) -> Tensor:
    """Clip a predicted x_0 to [-1, 1], or leave it as it is."""
    return x_0.clamp(-1, 1) if clipping == "static" else x_0


@dataclass(frozen=True)
class Gaussian:
    """A diagonal Gaussian; every field has the shape of x_t."""

    mean: Tensor
    variance: Tensor
    log_variance: Tensor


@dataclass(frozen=True)
class Prediction(Gaussian):
    """p(x_{t-1} | x_t), and the x_0 and eps that it was computed from."""

    x_0: Tensor
    eps: Tensor


class Diffusion:
    """A Gaussian diffusion process over a subset of the timesteps of a training process.

    Every method takes `t`: (B,) int64 indices into *this* process, or one index for all images; networks see the
    original timesteps, `seen_at(t)`. Images are (B, C, H, W) float32, nominally in [-1, 1].

    Args:
        betas: (T,) float64 of the training process.
        timesteps: The timesteps to keep, increasing; None keeps all.
        variance: "learned_range" interpolates between beta~_t and beta_t with the second half of the network's
            channels; "beta" and "beta_tilde" are the two fixed choices.
        predicts: What the first C channels of the network's output are: a key of `TARGETS`.

    Source: equations 1-7 and 12-13; Nichol & Dhariwal (2021), equation 15.
    """

    def __init__(
        self,
        betas: NDArray[np.float64],
        timesteps: list[int] | None = None,
        variance: VarianceKind = "learned_range",
        predicts: TargetName = "eps",
    ) -> None:
        kept = list(range(len(betas))) if timesteps is None else timesteps
        # Betas from consecutive alpha_bar keep the training process's q(x_t | x_0). The full process is computed the
        # same way, because the published code does: results then agree to the last bit.
        kept_alpha_bar = np.cumprod(1.0 - betas)[kept]
        self.betas = 1.0 - kept_alpha_bar / np.append(1.0, kept_alpha_bar[:-1])
        self.variance, self.predicts = variance, predicts
        self.alpha_bar = np.cumprod(1.0 - self.betas)
        self.alpha_bar_previous = np.append(1.0, self.alpha_bar[:-1])
        self.alpha_bar_next = np.append(self.alpha_bar[1:], 0.0)
        self.beta_tilde = self.betas * (1.0 - self.alpha_bar_previous) / (1.0 - self.alpha_bar)
        self.timesteps = torch.tensor(kept)
        self.original = kept
        self.training_betas = betas
        derived = self._derived()
        self._tables = {name: torch.from_numpy(table) for name, table in derived.items()}
        self._numbers = {name: table.tolist() for name, table in derived.items()}

    @classmethod
    def from_schedule(
        cls,
        schedule: str,
        num_timesteps: int,
        steps: str | None = None,
        variance: VarianceKind = "learned_range",
        predicts: TargetName = "eps",
    ) -> Self:
        """Build a process from a schedule's name, respaced by `steps`, as for `respaced_timesteps`."""
        betas = SCHEDULES[schedule](num_timesteps)
        timesteps = None if steps is None else respaced_timesteps(num_timesteps, steps, sigmas_of(betas))
        return cls(np.array(betas), timesteps, variance, predicts)

    @classmethod
    def of(cls, process: ProcessParams, steps: str | None = None) -> Self:
        """Build the process of a model, respaced by `steps`, as for `respaced_timesteps`."""
        return cls.from_schedule(process.schedule, process.timesteps, steps, process.variance, process.predicts)

    @property
    def num_timesteps(self) -> int:
        """Number of steps of this process."""
        return len(self.betas)

    def to(self, device: torch.device | str) -> Self:
        """Move the tables to a device, in place."""
        self.timesteps = self.timesteps.to(device)
        self._tables = {name: table.to(device) for name, table in self._tables.items()}
        return self

    def _derived(self) -> dict[str, NDArray[np.float64]]:
        alpha_bar, previous, betas = self.alpha_bar, self.alpha_bar_previous, self.betas
        # beta~_0 is 0 and has no logarithm; the value at t = 1 stands in.
        log_beta_tilde = np.log(np.append(self.beta_tilde[1:2], self.beta_tilde[1:]) if len(betas) > 1 else betas)
        return {
            "sqrt_alpha_bar": np.sqrt(alpha_bar),
            "one_minus_alpha_bar": 1.0 - alpha_bar,
            "log_one_minus_alpha_bar": np.log(1.0 - alpha_bar),
            "sqrt_one_minus_alpha_bar": np.sqrt(1.0 - alpha_bar),
            "sqrt_recip_alpha_bar": np.sqrt(1.0 / alpha_bar),
            "sqrt_recip_alpha_bar_minus_one": np.sqrt(1.0 / alpha_bar - 1.0),
            "posterior_x_0": np.sqrt(previous) * betas / (1.0 - alpha_bar),
            "posterior_x_t": np.sqrt(1.0 - betas) * (1.0 - previous) / (1.0 - alpha_bar),
            "beta_tilde": self.beta_tilde,
            "log_beta_tilde": log_beta_tilde,
            "log_beta": np.log(betas),
            # With fixed beta_t, t = 0 takes beta~_1, because the last step's variance dominates the likelihood.
            "log_beta_fixed": np.append(log_beta_tilde[:1], np.log(betas[1:])),
            "alpha_bar": alpha_bar,
            "alpha_bar_previous": previous,
            "alpha_bar_next": self.alpha_bar_next,
        }

    def at(self, name: str, t: Index, like: Tensor) -> Tensor:
        """Look a table up at t: (B,), as (B, 1, 1, 1) of the dtype of `like`; at one index, as (1, 1, 1, 1)."""
        if isinstance(t, int):
            return like.new_full([1] * like.ndim, self._numbers[name][t])
        return self._tables[name][t].to(like.dtype).view(-1, *[1] * (like.ndim - 1))

    def seen_at(self, t: Index, x_t: Tensor) -> Tensor:
        """Look up the original timesteps at t, (B,) int64: what a network sees beside `x_t`."""
        if isinstance(t, int):
            return x_t.new_full((len(x_t),), self.original[t], dtype=torch.int64)
        return self.timesteps[t]

    def q_mean_variance(self, x_0: Tensor, t: Index) -> Gaussian:
        """Compute q(x_t | x_0). Source: equation 2."""
        return Gaussian(
            mean=self.at("sqrt_alpha_bar", t, x_0) * x_0,
            variance=self.at("one_minus_alpha_bar", t, x_0).expand_as(x_0),
            log_variance=self.at("log_one_minus_alpha_bar", t, x_0).expand_as(x_0),
        )

    def q_sample(self, x_0: Tensor, t: Index, eps: Tensor) -> Tensor:
        """Compute x_t from x_0 and standard normal eps. Source: equation 3."""
        return self.at("sqrt_alpha_bar", t, x_0) * x_0 + self.at("sqrt_one_minus_alpha_bar", t, x_0) * eps

    def q_posterior(self, x_0: Tensor, x_t: Tensor, t: Index) -> Gaussian:
        """Compute q(x_{t-1} | x_t, x_0). Source: equations 4-6."""
        return Gaussian(
            mean=self.at("posterior_x_0", t, x_t) * x_0 + self.at("posterior_x_t", t, x_t) * x_t,
            variance=self.at("beta_tilde", t, x_t).expand_as(x_t),
            log_variance=self.at("log_beta_tilde", t, x_t).expand_as(x_t),
        )

    def x_0_from_eps(self, x_t: Tensor, t: Index, eps: Tensor) -> Tensor:
        """Compute x_0 from x_t and eps. Source: equation 3, solved for x_0."""
        recip, recip_minus_one = "sqrt_recip_alpha_bar", "sqrt_recip_alpha_bar_minus_one"
        return self.at(recip, t, x_t) * x_t - self.at(recip_minus_one, t, x_t) * eps

    def eps_from_x_0(self, x_t: Tensor, t: Index, x_0: Tensor) -> Tensor:
        """Compute eps from x_t and x_0. Source: equation 3, solved for epsilon."""
        recip, recip_minus_one = "sqrt_recip_alpha_bar", "sqrt_recip_alpha_bar_minus_one"
        return (self.at(recip, t, x_t) * x_t - x_0) / self.at(recip_minus_one, t, x_t)

    def v_target(self, x_0: Tensor, t: Index, eps: Tensor) -> Tensor:
        """Compute v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0. Source: Salimans and Ho (2022), appendix D."""
        return self.at("sqrt_alpha_bar", t, x_0) * eps - self.at("sqrt_one_minus_alpha_bar", t, x_0) * x_0

    def eps_from_v(self, x_t: Tensor, t: Index, v: Tensor) -> Tensor:
        """Compute eps from x_t and v. Source: Salimans and Ho (2022), appendix D."""
        return self.at("sqrt_one_minus_alpha_bar", t, x_t) * x_t + self.at("sqrt_alpha_bar", t, x_t) * v

    def x_0_from_v(self, x_t: Tensor, t: Index, v: Tensor) -> Tensor:
        """Compute x_0 from x_t and v. Source: Salimans and Ho (2022), appendix D."""
        return self.at("sqrt_alpha_bar", t, x_t) * x_t - self.at("sqrt_one_minus_alpha_bar", t, x_t) * v

    def p_mean_variance(
        self, output: Tensor, x_t: Tensor, t: Index, clipping: Clipping = "static", epsilon_temperature: float = 1.0
    ) -> Prediction:
        """Compute p(x_{t-1} | x_t) from the network's output.

        Args:
            output: (B, 2C, H, W) with a learned variance: what is predicted, then the interpolation. Else (B, C, H, W).
            x_t: (B, C, H, W).
            t: (B,) indices into this process.
            clipping: Of the predicted x_0.
            epsilon_temperature: tau; eps is divided by it.

        Returns:
            The Gaussian, the x_0 that its mean was computed from, and the eps that belongs to this (clipped) x_0.

        Source: equations 7 and 13; Appendix I for the temperature.
        """
        channels, is_learned = x_t.shape[1], self.variance == "learned_range"
        target, predicted = TARGETS[self.predicts], output[:, :channels]
        if is_learned:
            v = (output[:, channels:] + 1) / 2
            log_variance = v * self.at("log_beta", t, x_t) + (1 - v) * self.at("log_beta_tilde", t, x_t)
        else:
            table = "log_beta_fixed" if self.variance == "beta" else "log_beta_tilde"
            log_variance = self.at(table, t, x_t).expand_as(x_t)
        if epsilon_temperature == 1:
            x_0 = target.x_0(self, x_t, t, predicted)
        else:
            x_0 = self.x_0_from_eps(x_t, t, target.eps(self, x_t, t, predicted) / epsilon_temperature)
        x_0 = clipped(x_0, clipping)
        return Prediction(
            mean=self.q_posterior(x_0, x_t, t).mean,
            # From its own table: the exponential of the logarithm would not give beta~_0 = 0.
            variance=self.at("beta_tilde", t, x_t).expand_as(x_t)
            if self.variance == "beta_tilde"
            else log_variance.exp(),
            log_variance=log_variance,
            x_0=x_0,
            eps=self.eps_from_x_0(x_t, t, x_0),
        )


def _as_it_is(process: Diffusion, x_t: Tensor, t: Index, prediction: Tensor) -> Tensor:
    return prediction


class Target(NamedTuple):
    """A quantity that a network predicts; at a given x_t, each of them gives the others.

    Attributes:
        made: What it should predict, of (process, x_0, t, eps).
        x_0: The x_0 that a prediction stands for, of (process, x_t, t, prediction).
        eps: The eps that it stands for.
        per_x_0: How many times its squared error is that of x_0, of SNR = alpha_bar / (1 - alpha_bar).
    """

    made: Callable[[Diffusion, Tensor, Index, Tensor], Tensor]
    x_0: Callable[[Diffusion, Tensor, Index, Tensor], Tensor]
    eps: Callable[[Diffusion, Tensor, Index, Tensor], Tensor]
    per_x_0: Callable[[Tensor], Tensor]


TARGETS: dict[TargetName, Target] = {
    "eps": Target(lambda process, x_0, t, eps: eps, Diffusion.x_0_from_eps, _as_it_is, lambda snr: snr),
    "v": Target(Diffusion.v_target, Diffusion.x_0_from_v, Diffusion.eps_from_v, lambda snr: snr + 1),
    "x_0": Target(lambda process, x_0, t, eps: x_0, _as_it_is, Diffusion.eps_from_x_0, torch.ones_like),
}
"""Every target, by its name in a model's `noise`. Source: Salimans and Ho (2022), section 4."""
