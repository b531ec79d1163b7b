"""From a run's section and two networks to images."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adm.data.batches import to_uint8
from adm.determinism import generator
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDIM, DDPM, Gradient, classifier_gradient, sample
from adm.nets.precision import autocast, memory_format
from adm.params.models import DiffusionModelParams
from adm.params.runs import RunParams


@dataclass(frozen=True)
class Block:
    """Finished images: (B, H, W, 3) uint8, and their labels (B,) int64."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


class SeededNoise:
    """Standard normals of a block: row i is drawn from the generator of image i, and from no other.

    Args:
        seeds: The images' seeds.
    """

    def __init__(self, seeds: range) -> None:
        self.generators = [generator(seed) for seed in seeds]

    def labels(self, num_classes: int) -> Tensor:
        """A class for each image: (B,) int64."""
        return torch.stack([torch.randint(num_classes, (), generator=g) for g in self.generators])

    def normal(self, *shape: int) -> Tensor:
        """(B, *shape) float32."""
        return torch.stack([torch.randn(shape, generator=g) for g in self.generators])


def sample_blocks(
    run: RunParams,
    model: DiffusionModelParams,
    network: nn.Module,
    classifier: nn.Module | None,
    num_classes: int,
    blocks: range,
) -> Iterator[Block]:
    """Sample blocks of a run, one after the other.

    Args:
        run: How to sample.
        model: The diffusion model's section.
        network: Its network.
        classifier: The noisy classifier, or None for no guidance.
        num_classes: Classes to draw labels from; an unconditional model has those of its classifier, or one.
        blocks: Which blocks of `run.micro_batch` seeds; the run's last block comes whole, more than was asked for.

    Yields:
        The images and labels of each block.

    Source: Algorithms 1 and 2.
    """
    noise_params = model.noise
    diffusion = Diffusion.from_schedule(noise_params.schedule, noise_params.timesteps, run.steps, noise_params.variance)
    size = model.network.image_size
    layout = memory_format(run.precision)
    for module in filter(None, (network, classifier)):
        module.to(memory_format=layout)  # type: ignore[call-overload]
    for block in blocks:
        first = run.seed + block * run.micro_batch
        noise = SeededNoise(range(first, first + run.micro_batch))
        y = noise.labels(num_classes)
        step = _sampler(run, diffusion, network, classifier, y, conditional=model.network.num_classes is not None)
        draw = partial(noise.normal, 3, size, size)
        *_, x_0 = sample(step, draw().contiguous(memory_format=layout), draw)
        yield Block(to_uint8(x_0), y.numpy())


def _sampler(
    run: RunParams, diffusion: Diffusion, network: nn.Module, classifier: nn.Module | None, y: Tensor, conditional: bool
) -> DDPM | DDIM:
    label = y if conditional else None

    def denoiser(x_t: Tensor, t: Tensor) -> Tensor:
        with autocast(run.precision, x_t.device.type):
            output: Tensor = network(x_t, t, label)
            return output

    gradient = _gradient(run, classifier, y) if classifier is not None and run.gradient_scale else None
    temperatures = {"noise_temperature": run.noise_temperature, "epsilon_temperature": run.epsilon_temperature}
    if run.sampler == "ddim":
        return DDIM(diffusion, denoiser, gradient, eta=run.eta, **temperatures)
    return DDPM(diffusion, denoiser, gradient, gradient_at=run.gradient_at, **temperatures)


def _gradient(run: RunParams, classifier: nn.Module, y: Tensor) -> Gradient:
    def logits(x: Tensor, t: Tensor) -> Tensor:
        with autocast(run.precision, x.device.type):
            output: Tensor = classifier(x, t)
            return output

    return classifier_gradient(logits, y, run.gradient_scale)
