"""The variational bound of real images under a diffusion model, bits per dimension, and their loss of training."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adm.config.models import DiffusionModel
from adm.config.sampling import BitsPerDimension
from adm.data.batches import to_unit_range
from adm.data.shards import ImageShards, Labelled
from adm.determinism import generator
from adm.diffusion.losses import likelihood_terms, prior_bits
from adm.diffusion.process import Diffusion
from adm.nets.forward import Forward
from adm.progress import progress
from adm.sampling.studies import Likelihood

CHOICE, NOISE = 0, 1
"""Random streams of the study's seed: one chooses the images, the other draws their noise."""


def measure(
    study: BitsPerDimension,
    model: DiffusionModel,
    network: nn.Module,
    data: ImageShards | Labelled,
    indices: NDArray[np.int64],
) -> Likelihood:
    """Measure the terms of L_vlb and the losses of images, `study.micro_batch` at a time, with a progress bar.

    Args:
        study: How to measure.
        model: The section of the diffusion model.
        network: Its network, on the device to compute on; a class-conditional one gets each image's own label.
        data: The dataset.
        indices: (N,) int64, indices of the images in the dataset.

    The images of a grey network have one channel, so its bits per dimension count one channel.

    Source: equations 8-11.
    """
    forward = Forward.frozen(network, study.precision)
    diffusion = Diffusion.of(model.noise, study.steps).to(forward.device)
    sums = np.zeros(diffusion.num_timesteps)
    bits, prior, losses = [], [], []
    blocks = np.split(indices, range(study.micro_batch, len(indices), study.micro_batch))
    with progress(total=len(blocks) * diffusion.num_timesteps) as bar:
        for rows in blocks:
            denoiser = forward.conditioned(torch.from_numpy(data.labels[rows]).to(forward.device))
            x_0 = to_unit_range(data[rows], model.network.image_channels).to(forward.device)
            draws = (drawn.to(forward.device) for drawn in noise_of(study.seed, rows, x_0.shape[1:]))
            # The last timestep comes first.
            measured = []
            for pair in likelihood_terms(diffusion, denoiser, x_0, draws, model.objective, model.min_snr):
                measured.append(torch.stack([each.double() for each in pair]))
                bar.update()
            stacked, loss = torch.stack(measured, dim=1).cpu()
            prior.append(prior_bits(diffusion, x_0.double()).cpu().numpy())
            bits.append(stacked.sum(0).numpy() + prior[-1])
            sums += stacked.sum(1).numpy()
            losses.append(loss.mean(0).numpy())
    return Likelihood(
        timesteps=diffusion.timesteps.cpu().numpy(),
        vlb=sums[::-1] / len(indices),
        indices=indices,
        labels=data.labels[indices],
        bits=np.concatenate(bits),
        prior=np.concatenate(prior),
        losses=np.concatenate(losses),
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
