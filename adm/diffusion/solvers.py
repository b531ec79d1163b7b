"""Solvers of higher order of the diffusion ODE and SDE: DPM-Solver++(2M), UniPC and Heun's method.

Symbols: alpha_t = sqrt(alpha_bar_t) and sigma_t = sqrt(1 - alpha_bar_t), so x_t = alpha_t x_0 + sigma_t eps;
lambda_t = log(alpha_t / sigma_t), half the log-SNR; h = lambda_{t-1} - lambda_t of the step from x_t to x_{t-1}. The
image itself, x_{-1}, has alpha 1, sigma 0 and lambda infinity.

A solver that needs what it predicted before keeps it in `past`, by step. It empties it where a step does not follow on
the last one: at the first step of a trajectory, wherever that begins, and after a jump back to more noise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from torch import Tensor

from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import Noise, Shifted


@dataclass(frozen=True)
class Solver(Shifted):
    """The common part of solvers, which use the predicted x_0 alone, not the variance."""

    def level(self, step: int) -> tuple[float, float, float]:
        """Return alpha, sigma and lambda of x_t, or of the image at step -1."""
        if step < 0:
            return 1.0, 0.0, math.inf
        alpha_bar = float(self.diffusion.alpha_bar[step])
        alpha, sigma = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
        return alpha, sigma, math.log(alpha / sigma)

    def advanced(self, x_t: Tensor, x_0: Tensor, step: int, eta: float = 0.0) -> Tensor:
        """Compute the mean of x_{t-1} if the predicted x_0 stayed what it is; exact, and with eta = 0 a step of DDIM.

        Source: Lu et al. (2022b), proposition 4.1, and its counterpart for the SDE.
        """
        (alpha, sigma, _), (next_alpha, next_sigma, _) = self.level(step), self.level(step - 1)
        decay = alpha * next_sigma / (sigma * next_alpha)  # e^-h
        kept, grown = next_sigma / sigma * decay**eta, next_alpha * (1 - decay ** (1 + eta))
        mean: Tensor = kept * x_t + grown * x_0
        return mean


@dataclass(frozen=True)
class DPMSolverPP(Solver):
    """DPM-Solver++(2M): x_0 goes on along the line through its last two predictions.

    D = x_0 + h / (2 h') (x_0 - x_0'), where x_0' and h' are of the step before; the first and the last step take x_0.

    Args:
        eta: 0 solves the ODE, 1 the SDE of ancestral sampling, SDE-DPM-Solver++(2M). What lies between solves the SDE
            whose noise has a variance of eta times as much.

    Source: Lu et al. (2022b), algorithm 2 and SDE-DPM-Solver++(2M).
    """

    eta: float = 0.0
    past: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, x_t: Tensor, step: int, noise: Noise) -> Tensor:
        """Step from x_t to x_{t-1}."""
        straight = predicted = self.predicted(self.diffusion, x_t, step).x_0
        if step + 1 in self.past and step:
            before, now, then = (self.level(index)[2] for index in (step + 1, step, step - 1))
            straight = predicted + (then - now) / (2 * (now - before)) * (predicted - self.past[step + 1])
        self.past.clear()
        self.past[step] = predicted
        mean = self.advanced(x_t, straight, step, self.eta)
        if step == 0 or self.eta == 0:
            return mean
        _, std, then = self.level(step - 1)
        std *= math.sqrt(-math.expm1(-2 * self.eta * (then - self.level(step)[2])))
        return mean + self.noise_temperature * std * noise()


@dataclass(frozen=True)
class UniPC(Solver):
    """UniPC: a step that predicts x_{t-1} and, once x_0 is known there, is taken anew through it.

    Both solve with D = x_0 + sum_k a_k (x_0^k - x_0) / r_k, where x_0^k is the prediction k steps before, or to correct
    one step after, and r_k is its lambda, measured from x_t in units of h. No step evaluates the network twice: x_t is
    corrected by the prediction at the uncorrected one. The first steps have fewer predictions to use, and the last
    ones use fewer, down to one.

    Args:
        order: p, the number of predictions that a step uses.

    Source: Zhao et al. (2023), the multistep UniP-p and UniC-p for predictions of x_0, with B(h) = e^h - 1.
    """

    order: int = 2
    past: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, x_t: Tensor, step: int, noise: Noise) -> Tensor:
        """Step from x_t to x_{t-1}; draws no noise."""
        predicted = self.predicted(self.diffusion, x_t, step).x_0
        if min(self.past, default=None) == step + 1:
            x_t = self._through(step + 1, predicted)
        else:
            self.past.clear()
        self.past[step] = (x_t, predicted)
        self.past.pop(step + self.order, None)
        return self._through(step)

    def _through(self, step: int, after: Tensor | None = None) -> Tensor:
        """Step from the last x_t to x_{t-1}, with the prediction there if it is known."""
        (x_t, x_0), *before = list(reversed(self.past.values()))[: step + 1]
        now = self.level(step)[2]
        h = self.level(step - 1)[2] - now
        ratios = [(self.level(step + k)[2] - now) / h for k, _ in enumerate(before, 1)]
        predictions = [prediction for _, prediction in before]
        if after is not None:
            ratios, predictions = [*ratios, 1.0], [*predictions, after]
        combined = x_0
        for a, r, prediction in zip(weights(ratios, h), ratios, predictions, strict=True):
            combined = combined + a / r * (prediction - x_0)
        return self.advanced(x_t, combined, step)


def weights(ratios: Sequence[float], h: float) -> list[float]:
    """Solve for the a_k of UniPC: R(h) a B(h) = psi(h), for predictions of x_0 and B(h) = e^h - 1.

    A single one is 1/2, as for orders up to two any B(h) allows.

    Args:
        ratios: (q,) r_k, all different.
        h: The step in lambda.

    Source: Zhao et al. (2023), theorem 3.1 and its counterpart for predictions of x_0.
    """
    if len(ratios) < 2:
        return [0.5] * len(ratios)
    share, psi = math.expm1(-h), []
    term = share
    for k in range(1, len(ratios) + 1):
        term = -term / h - 1 / math.factorial(k)
        psi.append(math.factorial(k) * term / share)
    coefficients: list[float] = np.linalg.solve(np.vander(ratios, increasing=True).T, psi).tolist()
    return coefficients


@dataclass(frozen=True)
class Heun(Solver):
    """Heun's method on dx/dsigma = (x - x_0) / sigma, where x = x_t / alpha_t and sigma is sqrt(1/alpha_bar - 1).

    A step of Euler's method, DDIM, is taken anew with the mean of the slopes at its two ends. It evaluates the network
    twice, but for the last step, to sigma = 0, which is Euler's.

    Source: Karras et al. (2022), algorithm 1.
    """

    whole: Diffusion = field(init=False, repr=False)
    """The training process, with all of its timesteps; made at once, for a step copies nothing to a GPU."""

    def __post_init__(self) -> None:
        process = self.diffusion
        whole = Diffusion(process.training_betas, None, process.variance, process.predicts).to(process.timesteps.device)
        object.__setattr__(self, "whole", whole)

    def __call__(self, x_t: Tensor, step: int, noise: Noise) -> Tensor:
        """Step from x_t to x_{t-1}; draws no noise."""
        t = self.diffusion.original[step]
        x, sigma = x_t / self._alpha(t), self._sigmas[t]
        x_0 = self._x_0(x, t)
        if step == 0:
            return x_0
        end = self.diffusion.original[step - 1]
        slope, h = (x - x_0) / sigma, self._sigmas[end] - sigma
        euler = x + h * slope
        slope_there = (euler - self._x_0(euler, end)) / self._sigmas[end]
        return self._alpha(end) * (x + h * (slope + slope_there) / 2)

    def _x_0(self, x: Tensor, t: int) -> Tensor:
        return self.predicted(self.whole, self._alpha(t) * x, t).x_0

    def _alpha(self, t: int) -> float:
        return math.sqrt(float(self.whole.alpha_bar[t]))

    @cached_property
    def _sigmas(self) -> list[float]:
        return [math.sqrt(1 / alpha_bar - 1) for alpha_bar in self.whole.alpha_bar.tolist()]
