"""How far inpainting is from the truth: images of a mixture of Gaussians, whose denoiser and posterior are known.

`python -m benchmarks.inpainting` prints the table of `docs/generate.md`. Images are 4x4, of two classes of smooth
Gaussians, and the lower half of each is drawn anew, many times. Given the upper half, the lower one is a mixture of
Gaussians again, with a mean and a spread that are compared with those of what was drawn.
"""

import argparse
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from adm.config.sampling import Editing
from adm.diffusion.editing import inpaint
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDIM, DDPM, Sampler, last
from adm.diffusion.solvers import DPMSolverPP

SIDE, PIXELS = 4, 16
WEIGHTS = torch.tensor([0.4, 0.6], dtype=torch.float64)

LOWER = torch.arange(PIXELS).view(1, 1, SIDE, SIDE) >= PIXELS // 2
"""What is drawn anew."""

IMAGES, DRAWS = 16, 128


def _gaussians() -> tuple[Tensor, Tensor]:
    """Means (2, 16) and covariances (2, 16, 16) of the classes: one brightens downwards, one darkens to the right."""
    place = np.stack(np.divmod(np.arange(PIXELS), SIDE), axis=1)
    distance = ((place[:, None] - place) ** 2).sum(-1)
    smooth = 0.04 * np.exp(-distance / 4) + 0.001 * np.eye(PIXELS)
    means = np.stack([-0.25 + 0.03 * place[:, 0], 0.25 - 0.07 * place[:, 1]])
    return torch.from_numpy(means), torch.from_numpy(np.stack([smooth, smooth / 2]))


class Mixture:
    """The exact network of a process: eps, and the variance of each pixel of x_{t-1} given x_t, as the best v."""

    def __init__(self, diffusion: Diffusion) -> None:
        self.diffusion = diffusion
        self.means, self.covariances = _gaussians()

    def sample(self, count: int, draws: torch.Generator) -> Tensor:
        """Draw images, (count, 1, 4, 4) float32."""
        chosen = torch.multinomial(WEIGHTS, count, replacement=True, generator=draws)
        z = torch.randn(count, PIXELS, generator=draws, dtype=torch.float64)
        root = torch.linalg.cholesky(self.covariances)[chosen]
        return (self.means[chosen] + (root @ z[..., None])[..., 0]).view(-1, 1, SIDE, SIDE).float()

    def __call__(self, x_t: Tensor, timesteps: Tensor) -> Tensor:
        """Return eps and v, (B, 2, 4, 4)."""
        step = self.diffusion.original.index(int(timesteps[0]))
        alpha_bar, beta = float(self.diffusion.alpha_bar[step]), float(self.diffusion.betas[step])
        noisy = alpha_bar * self.covariances + (1 - alpha_bar) * torch.eye(PIXELS)
        precision = torch.linalg.inv(noisy)
        apart = x_t.double().flatten(1) - alpha_bar**0.5 * self.means[:, None]  # (2, B, 16)
        pulled = apart @ precision
        log_weight = WEIGHTS.log() - 0.5 * torch.logdet(noisy) - 0.5 * (apart * pulled).sum(-1).T
        weight = log_weight.softmax(-1).T[..., None]
        # Of x_0 given x_t and the class, then over the classes.
        mean_0 = self.means[:, None] + alpha_bar**0.5 * pulled @ self.covariances
        within = self.covariances - alpha_bar * self.covariances @ precision @ self.covariances
        mean = (weight * mean_0).sum(0)
        variance_0 = (weight * (within.diagonal(dim1=1, dim2=2)[:, None] + mean_0**2)).sum(0) - mean**2
        eps = (x_t.double().flatten(1) - alpha_bar**0.5 * mean) / (1 - alpha_bar) ** 0.5
        before = float(self.diffusion.alpha_bar_previous[step])
        tilde = beta * (1 - before) / (1 - alpha_bar)
        variance = tilde + before * (beta / (1 - alpha_bar)) ** 2 * variance_0
        # beta~_0 is 0: the last step, which adds no noise, takes no variance.
        v = torch.log(variance / tilde) / np.log(beta / tilde) if step else torch.zeros_like(variance)
        return torch.stack([eps, 2 * v - 1], dim=1).view(-1, 2, SIDE, SIDE).to(x_t)

    def posterior(self, x_0: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the lower half of each image given the upper one, (B, 8) each."""
        known = x_0.double().flatten(1)[:, :8]
        upper, cross = self.covariances[:, :8, :8], self.covariances[:, 8:, :8]
        apart = known - self.means[:, None, :8]
        pulled = apart @ torch.linalg.inv(upper)
        weight = (WEIGHTS.log() - 0.5 * torch.logdet(upper) - 0.5 * (apart * pulled).sum(-1).T).softmax(-1).T[..., None]
        means = self.means[:, None, 8:] + pulled @ cross.mT
        within = (self.covariances[:, 8:, 8:] - cross @ torch.linalg.inv(upper) @ cross.mT).diagonal(dim1=1, dim2=2)
        mean = (weight * means).sum(0)
        return mean, ((weight * (within[:, None] + means**2)).sum(0) - mean**2).sqrt()


class Apart(NamedTuple):
    """How far what was drawn is from the posterior.

    Attributes:
        mean: Of its mean, in standard deviations of the posterior: root mean square over images and pixels, less what
            so few draws add.
        spread: Its standard deviation, as a multiple of the posterior's: the mean over images and pixels.
    """

    mean: float
    spread: float


SAMPLERS = {"ddpm": DDPM, "ddim": DDIM, "dpm_solver_pp": DPMSolverPP}


def measure(sampler: str, steps: str, how: Editing, images: int = IMAGES, draws: int = DRAWS) -> Apart:
    """Draw the lower half of each of some images anew, and compare it with the posterior."""
    diffusion = Diffusion.from_schedule("linear", 1000, steps)
    network, source = Mixture(diffusion), torch.Generator().manual_seed(0)
    given = network.sample(images, source)
    x_0 = given.repeat_interleave(draws, dim=0)

    def noise() -> Tensor:
        return torch.randn(x_0.shape, generator=source)

    step: Sampler = SAMPLERS[sampler](diffusion, network, clipping="none")
    x = last(inpaint(step, x_0, LOWER, how, noise(), noise))
    found = x.flatten(1)[:, 8:].double().view(images, draws, 8)
    mean, std = network.posterior(given)
    off = ((found.mean(1) - mean) / std) ** 2 - found.var(1) / std**2 / draws
    return Apart(float(off.mean().clamp(min=0).sqrt()), float((found.std(1) / std).mean()))


COLUMNS = {
    "`ddpm`, `250`": ("ddpm", "250", 1),
    "`jump` 10": ("ddpm", "250", 10),
    "`50`": ("ddpm", "50", 1),
    "`logsnr50`": ("ddpm", "logsnr50", 1),
    "`ddim`, `logsnr50`": ("ddim", "logsnr50", 1),
    "`dpm_solver_pp`, `logsnr50`": ("dpm_solver_pp", "logsnr50", 1),
}
"""Titles, and what they are of: sampler, steps, jump."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resamplings", type=int, nargs="+", default=[1, 2, 5, 10, 20])
    parser.add_argument("--draws", type=int, default=DRAWS, help="Of each of the images.")
    given = parser.parse_args()
    print("| `resamplings` | " + " | ".join(COLUMNS) + " |\n" + "|---" * (1 + len(COLUMNS)) + "|")
    for resamplings in given.resamplings:
        cells = []
        for sampler, steps, jump in COLUMNS.values():
            apart = measure(sampler, steps, Editing(resamplings=resamplings, jump=jump), draws=given.draws)
            cells.append(f"{apart.mean:.2f}, {apart.spread:.2f}")
        print(f"| {resamplings} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
