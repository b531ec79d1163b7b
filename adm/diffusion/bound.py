"""The variational bound of every schedule, from terms of pairs of timesteps, and the schedules that minimise it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adm.diffusion.losses import prior_bits, vlb_term
from adm.diffusion.process import Denoiser, Diffusion, VarianceKind
from adm.progress import progress

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PairTerms:
    """Terms of the bound in bits per dimension; a process that visits some of G timesteps adds up some of them.

    Below, s and t are places among the G timesteps, s < t, and every other entry of a table of pairs is infinite. The
    decoder's term is -log p(x_0 | x_s). Its variance is bounded by that of the step above, so it depends on t, too.

    Attributes:
        between: (G, G) float64, at [s, t] the divergence of p(x_s | x_t) from q(x_s | x_t, x_0).
        decoder: (G, G) float64, at [s, t] the decoder's term at s, the first timestep, where t is the second.
        alone: (G,) float64, the decoder's term where no other timestep is visited.
        prior: (G,) float64, L_T where it is the last timestep.

    Source: Watson et al. (2021); equations 8-11.
    """

    between: Table
    decoder: Table
    alone: Table
    prior: Table

    def __add__(self, other: Self) -> Self:
        """Add two tables of terms."""
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in vars(self)))

    def __truediv__(self, count: int) -> Self:
        """Divide a sum over `count` images."""
        return type(self)(*(table / count for table in vars(self).values()))

    def lost(self) -> list[int]:
        """Find the places at which a term is NaN or infinite."""
        pairs = np.triu_indices(len(self.prior), 1)
        between, decoder = np.zeros((2, *self.between.shape))
        between[pairs], decoder[pairs] = self.between[pairs], self.decoder[pairs]
        # A term is of the forward pass at t, which is s for the decoder's.
        sums = between.sum(axis=0) + decoder.sum(axis=1) + self.alone + self.prior
        return np.flatnonzero(~np.isfinite(sums)).tolist()

    def bound(self, chosen: Sequence[int]) -> float:
        """Add up the bound of a process that visits the places `chosen`, increasing, at least one."""
        last = self.prior[chosen[-1]]
        if len(chosen) == 1:
            return float(self.alone[chosen[0]] + last)
        return float(self.decoder[chosen[0], chosen[1]] + self.between[chosen[:-1], chosen[1:]].sum() + last)

    def optima(self) -> NDArray[np.bool_]:
        """Find the schedules with the least bound, one of each number of steps.

        The least cost of k steps that end at t is the least, over s < t, of that of k - 1 steps that end at s and of
        the term between them.

        Returns:
            (G, G) bool; row K - 1 tells which places the schedule of K steps visits.

        Source: Watson et al. (2021). Here the last timestep is free: its prior is part of the bound.
        """
        size = len(self.prior)
        visited = np.zeros((size, size), bool)
        cost, paths = self.alone, self.decoder + self.between
        origins: list[NDArray[np.intp]] = []
        for row in visited:
            place = int(np.argmin(cost + self.prior))
            row[place] = True
            for origin in reversed(origins):
                place = int(origin[place])
                row[place] = True
            origins.append(paths.argmin(axis=0))
            cost = paths.min(axis=0)
            paths = cost[:, None] + self.between
        return visited


@torch.no_grad()
def pair_terms(
    betas: NDArray[np.float64],
    timesteps: Sequence[int],
    variance: VarianceKind,
    denoiser: Denoiser,
    x_0: Tensor,
    noise: Iterator[Tensor],
) -> PairTerms:
    """Measure the terms of images, summed over them, with one forward pass at each timestep, the last one first.

    A pair's term is that of the process that visits these two timesteps alone.

    Args:
        betas: (T,) float64 of the training process.
        timesteps: Those to choose from, increasing.
        variance: The kind of the network's variance.
        denoiser: The network.
        x_0: (B, C, H, W) float32 in [-1, 1]; the predicted x_0 is clipped to that range.
        noise: Standard normals like x_0, one a timestep.

    Source: equations 8-11; as `adm.diffusion.losses.likelihood_terms`, which has the terms of one process alone.
    """
    whole, size = Diffusion(betas, list(timesteps), variance), len(timesteps)
    found = PairTerms(*np.full((2, size, size), np.inf), *np.zeros((2, size)))
    exact = x_0.double()
    for t in progress(reversed(range(size)), size, "timestep"):
        noisy = whole.q_sample(x_0, t, next(noise))
        # float64: rounding errors of float32 are as large as the smallest of the thousand terms.
        output, x_t = denoiser(noisy, whole.seen_at(t, noisy)).double(), noisy.double()

        def term(places: list[int], at: int, output: Tensor = output, x_t: Tensor = x_t) -> float:
            process = Diffusion(betas, [timesteps[place] for place in places], variance)
            p = process.p_mean_variance(output, x_t, at)
            return float(vlb_term(process, p, exact, x_t, at).sum())

        found.between[:t, t] = [term([s, t], 1) for s in range(t)]
        found.decoder[t, t + 1 :] = [term([t, above], 0) for above in range(t + 1, size)]
        found.alone[t] = term([t], 0)
        found.prior[t] = float(prior_bits(Diffusion(betas, [timesteps[t]], variance), exact).sum())
    return found
