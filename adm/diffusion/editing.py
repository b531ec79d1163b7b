"""Given images, changed: SDEdit noises them to a timestep and denoises them, RePaint draws a region of them anew."""

from collections.abc import Iterator

import torch
from torch import Tensor

from adm.config.sampling import Editing
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import Noise, Sampler, sample


def count_steps(diffusion: Diffusion, strength: float, resamplings: int = 1) -> int:
    """Count the steps that images are denoised in: those at timesteps t with t / T < strength, at least one.

    T is of the training process; all but the last step are taken `resamplings` times.
    """
    end = strength * len(diffusion.training_betas)
    return 1 + (max(sum(t < end for t in diffusion.original), 1) - 1) * resamplings


def noised(diffusion: Diffusion, x_0: Tensor, strength: float, eps: Tensor) -> Tensor:
    """Noise images to where `count_steps` begins, (B, C, H, W); with strength 1 nothing is left of them."""
    return eps if strength == 1 else diffusion.q_sample(x_0, count_steps(diffusion, strength) - 1, eps)


def edit(step: Sampler, x_0: Tensor, strength: float, eps: Tensor, noise: Noise) -> Iterator[Tensor]:
    """Noise images x_0, (B, C, H, W), by standard normal `eps`, and denoise them from there; yields as `sample`.

    Source: Meng et al. (2022), algorithm 2.
    """
    return sample(step, noised(step.diffusion, x_0, strength, eps), noise, count_steps(step.diffusion, strength))


@torch.no_grad()
def inpaint(step: Sampler, x_0: Tensor, drawn: Tensor, how: Editing, eps: Tensor, noise: Noise) -> Iterator[Tensor]:
    """Draw a region of images anew: after each step the rest of x_{t-1} is that of the noised images.

    Noise takes x back to where `how.jump` steps began, so that the region hears of the rest, until they were taken
    `how.resamplings` times. The last step is taken once.

    Args:
        step: The sampler.
        x_0: (B, C, H, W) float32 in [-1, 1].
        drawn: (B, 1, H, W) bool, the region.
        how: With a strength below 1, the region begins as that of the noised images.
        eps: (B, C, H, W) standard normal.
        noise: The source of the noise of transitions, of the rest, and of going back.

    Yields:
        x after each step; the last one is the image.

    Source: Lugmayr et al. (2022), algorithm 1, of `jump` 1; their code has longer ones.
    """
    diffusion, x_t = step.diffusion, noised(step.diffusion, x_0, how.strength, eps)
    for top in range(count_steps(diffusion, how.strength) - 1, 0, -how.jump):
        bottom = max(top - how.jump, 0)
        for turn in range(how.resamplings):
            if turn:
                ratio = diffusion.at("alpha_bar", top, x_t) / diffusion.at("alpha_bar", bottom, x_t)
                x_t = ratio.sqrt() * x_t + (1 - ratio).sqrt() * noise()
            for t in range(top, bottom, -1):
                # Line 4 of the algorithm prints the noise of x_t; the region has that of x_{t-1}.
                x_t = torch.where(drawn, step(x_t, t, noise), diffusion.q_sample(x_0, t - 1, noise()))
                yield x_t
    yield torch.where(drawn, step(x_t, 0, noise), x_0)
