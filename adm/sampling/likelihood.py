"""Bits per dimension of real images under a diffusion model: the terms of L_vlb."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adm.config.models import DiffusionModel
from adm.config.sampling import BitsPerDimension
from adm.data.batches import to_unit_range
from adm.data.shards import LabelledImages
from adm.determinism import generator
from adm.diffusion.losses import likelihood_terms, prior_bits
from adm.diffusion.process import Denoiser, Diffusion
from adm.nets.forward import Forward
from adm.progress import Progress, progress
from adm.sampling.studies import Likelihood

CHOICE, NOISE = 0, 1
"""Random streams of the study's seed: one chooses the images, the other draws their noise."""


def measure(
    study: BitsPerDimension,
    model: DiffusionModel,
    network: nn.Module,
    data: LabelledImages,
    indices: NDArray[np.int64],
) -> Likelihood:
    """Measure the terms of L_vlb of images, `study.micro_batch` at a time, with a progress bar.

    Args:
        study: How to measure.
        model: The section of the diffusion model.
        network: Its network, on the device to compute on; a class-conditional one gets each image's own label.
        data: The dataset.
        indices: (N,) int64, indices of the images in the dataset.

    The images of a grey network have one channel, so its bits per dimension count one channel.

    Source: equations 8-11.
    """
    noise = model.noise
    forward = Forward.frozen(network, study.precision, study.compiled)
    device = forward.device
    diffusion = Diffusion.from_schedule(noise.schedule, noise.timesteps, study.steps, noise.variance).to(device)
    sums = np.zeros((3, diffusion.num_timesteps))
    bits, prior = [], []
    blocks = [indices[start : start + study.micro_batch] for start in range(0, len(indices), study.micro_batch)]
    bar = progress(total=len(blocks) * diffusion.num_timesteps)
    for rows in blocks:
        y = torch.from_numpy(data.labels[rows]).to(device)
        x_0 = to_unit_range(data[rows], model.network.image_channels).to(device)
        draws = (drawn.to(device) for drawn in noise_of(study.seed, rows, x_0.shape[1:]))
        terms = torch.stack(list(_terms(diffusion, forward.conditioned(y), x_0, draws, bar)), dim=1).cpu()
        prior.append(prior_bits(diffusion, x_0.double()).cpu().numpy())
        bits.append(terms[0].sum(0).numpy() + prior[-1])
        sums += terms.sum(2).numpy()
    bar.close()
    # `_terms` yields the last timestep first.
    vlb, x_0_mse, eps_mse = sums[:, ::-1] / len(indices)
    return Likelihood(
        timesteps=diffusion.timesteps.cpu().numpy(),
        vlb=vlb,
        x_0_mse=x_0_mse,
        eps_mse=eps_mse,
        indices=indices,
        labels=data.labels[indices],
        bits=np.concatenate(bits),
        prior=np.concatenate(prior),
    )


def noise_of(seed: int, indices: NDArray[np.int64], shape: torch.Size) -> Iterator[Tensor]:
    """Yield standard normals (B, *shape) float32 without end; an image's depend only on the seed and its index.

    Args:
        seed: The study's seed.
        indices: (B,) int64, indices of the images in the dataset.
        shape: The shape of an image, (C, H, W).
    """
    generators = [generator(seed, NOISE, int(index)) for index in indices]
    while True:
        yield torch.stack([torch.randn(shape, generator=g) for g in generators])


def _terms(
    diffusion: Diffusion, denoiser: Denoiser, x_0: Tensor, noise: Iterator[Tensor], bar: Progress
) -> Iterator[Tensor]:
    """Yield the term of L_vlb and both squared errors, (3, B) float64, of each timestep, the last one first."""
    for term in likelihood_terms(diffusion, denoiser, x_0, noise):
        bar.update()
        yield torch.stack([term.vlb, term.x_0_mse, term.eps_mse])
