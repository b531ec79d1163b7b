"""Guidance by a second denoiser, and guidance in a part of the process.

Each wraps what a sampler takes, a denoiser or a gradient, so that no sampler knows of it.
"""

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from adm.diffusion.process import Denoiser

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


def extrapolated(pair: Pair, scale: float) -> Denoiser:
    """Build the denoiser of eps = eps_guide + s (eps_guided - eps_guide), with the variance of the guided one.

    Scale 1 is the guided denoiser and 0 its guide. Ho & Salimans write s = 1 + w.

    Source: Ho & Salimans (2022), equation 6, where the guide is the same network without the class; Karras et al.
    (2024), autoguidance, where it is a weaker network.
    """

    def denoised(x: Tensor, timesteps: Tensor) -> Tensor:
        output, of_guide = pair(x, timesteps)
        channels = x.shape[1]
        eps = torch.lerp(of_guide[:, :channels], output[:, :channels], scale)
        return torch.cat([eps, output[:, channels:]], dim=1)

    return denoised


def within(
    guided_at: Collection[int] | None, guided: Denoiser, plain: Denoiser = lambda x, timesteps: torch.zeros_like(x)
) -> Denoiser:
    """Build the denoiser, or the gradient, that is guided in a part of the process; what guides is not run elsewhere.

    Args:
        guided_at: The timesteps that are guided; None is all of them. All images are at one timestep.
        guided: Its values there.
        plain: Its values at the others; a gradient is zero there.

    Source: Kynkäänniemi et al. (2024).
    """
    if guided_at is None:
        return guided
    return lambda x, timesteps: (guided if int(timesteps[0]) in guided_at else plain)(x, timesteps)
