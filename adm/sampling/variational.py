"""The schedules with the least variational bound on real images."""

from functools import reduce
from operator import add

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from adm.config.models import DiffusionModel
from adm.config.respacing import respaced_timesteps
from adm.config.sampling import Variational
from adm.data.batches import to_unit_range
from adm.data.shards import ImageShards
from adm.diffusion.bound import PairTerms, pair_terms
from adm.diffusion.process import Diffusion
from adm.diffusion.schedules import SCHEDULES
from adm.nets.forward import Forward
from adm.sampling.found_schedules import VariationalSchedules
from adm.sampling.likelihood import noise_of


def measure(
    section: Variational,
    model: DiffusionModel,
    network: nn.Module,
    data: ImageShards,
    indices: NDArray[np.int64],
) -> VariationalSchedules:
    """Measure the terms of images, `section.micro_batch` at a time, and find the schedules with the least bound.

    Args:
        section: How to measure.
        model: The section of the diffusion model.
        network: Its network, on the device to compute on; a class-conditional one gets each image's own label.
        data: The dataset.
        indices: (N,) int64, indices of the images in the dataset.

    Raises:
        ValueError: A term is NaN or infinite; the message names the first timestep.
    """
    forward = Forward.frozen(network, section.precision, section.compiled)
    device, noise = forward.device, model.noise
    timesteps = list(range(noise.timesteps))
    if section.among is not None:
        timesteps = Diffusion.from_schedule(noise.schedule, noise.timesteps, section.among).timesteps.tolist()

    def of_block(rows: NDArray[np.int64]) -> PairTerms:
        y = torch.from_numpy(data.labels[rows]).to(device)
        x_0 = to_unit_range(data[rows], model.network.image_channels).to(device)
        draws = (drawn.to(device) for drawn in noise_of(section.seed, rows, x_0.shape[1:]))
        betas = SCHEDULES[noise.schedule](noise.timesteps)
        return pair_terms(betas, timesteps, noise.variance, forward.conditioned(y), x_0, draws)

    starts = range(0, len(indices), section.micro_batch)
    terms = reduce(add, (of_block(indices[start : start + section.micro_batch]) for start in starts)) / len(indices)
    if lost := terms.lost():
        raise ValueError(f"terms of the bound are NaN or infinite at {len(lost)} timesteps, {timesteps[lost[0]]} first")
    visited, places = terms.optima(), range(1, len(timesteps) + 1)
    uniform = [terms.bound(respaced_timesteps(len(timesteps), str(count))) for count in places]
    return VariationalSchedules(
        timesteps=np.array(timesteps),
        visited=visited,
        bounds=np.array([terms.bound(np.flatnonzero(row).tolist()) for row in visited]),
        uniform=np.array(uniform),
    )
