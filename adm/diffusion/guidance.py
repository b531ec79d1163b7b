"""Guidance by a second denoiser, and guidance in a part of the process.

Each wraps what a sampler takes, a denoiser or a gradient, so that no sampler knows of it.
"""

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from adm.diffusion.process import Denoiser
from adm.diffusion.samplers import Gradient

Pair = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Outputs of the denoiser that is guided and of its guide, (B, C or 2C, H, W) each, for the arguments of a denoiser."""


def in_one_batch(both: Denoiser) -> Pair:
    """Compute the outputs of one network under two conditions as a batch of 2B images.

    Args:
        both: The network, conditioned for the guided images first and then, in the same order, for the guide's.
    """

    def outputs(x: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        guided, guide = both(torch.cat([x, x]), torch.cat([timesteps, timesteps])).chunk(2)
        return guided, guide

    return outputs


def in_turn(guided: Denoiser, guide: Denoiser) -> Pair:
    """Compute the outputs of two networks; if the guide learned no variance, its output has C channels alone."""
    return lambda x, timesteps: (guided(x, timesteps), guide(x, timesteps))


def extrapolated(denoiser: Denoiser, pair: Pair, scale: float, guided_at: Collection[int] | None = None) -> Denoiser:
    """Build the denoiser of eps = eps_guide + s (eps_guided - eps_guide), with the variance of the guided one.

    Scale 1 is the guided denoiser and 0 its guide. Ho & Salimans write s = 1 + w.

    Args:
        denoiser: The guided denoiser alone, for timesteps that are not guided.
        pair: The outputs of both.
        scale: s.
        guided_at: The timesteps that are guided; None is all of them. All images are at one timestep.

    Source: Ho & Salimans (2022), equation 6, where the guide is the same network without the class; Karras et al.
    (2024), autoguidance, where it is a weaker network.
    """

    def denoised(x: Tensor, timesteps: Tensor) -> Tensor:
        if not _is_guided(timesteps, guided_at):
            return denoiser(x, timesteps)
        output, of_guide = pair(x, timesteps)
        channels = x.shape[1]
        eps = torch.lerp(of_guide[:, :channels], output[:, :channels], scale)
        return torch.cat([eps, output[:, channels:]], dim=1)

    return denoised


def limited(gradient: Gradient, guided_at: Collection[int] | None) -> Gradient:
    """Build the gradient that is zero at timesteps that are not guided, where its classifier is not run.

    Args:
        gradient: s grad_x log p(y | x).
        guided_at: The timesteps that are guided; None is all of them. All images are at one timestep.

    Source: Kynkäänniemi et al. (2024).
    """

    def gradient_or_zero(x: Tensor, timesteps: Tensor) -> Tensor:
        return gradient(x, timesteps) if _is_guided(timesteps, guided_at) else torch.zeros_like(x)

    return gradient_or_zero


def _is_guided(timesteps: Tensor, guided_at: Collection[int] | None) -> bool:
    return guided_at is None or int(timesteps[0]) in guided_at
