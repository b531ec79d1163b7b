"""Sampling of a run's images from its section, a diffusion model and a classifier."""

from collections.abc import Callable
from functools import partial
from importlib import import_module

import numpy as np
import torch
from torch import Tensor, nn

from adm.data.batches import to_uint8, to_unit_range
from adm.determinism import generator
from adm.diffusion.process import Denoiser, Diffusion
from adm.diffusion.samplers import Gradient, Sampler, last, sample
from adm.nets.forward import Forward
from adm.parallel import CPU
from adm.params.models import ClassifierModelParams, DiffusionModelParams, UpsamplerModelParams
from adm.params.runs import SamplingParams
from adm.params.samplers import SAMPLERS
from adm.sampling.batch import Samples
from adm.sampling.guidance import guidance


class SeededNoise:
    """Standard normals of a block. Row i comes from image i's own generator, and nothing else draws from it.

    Args:
        seeds: The images' seeds.
        device: Where the normals are needed. They are drawn on the CPU, so every device gets the same ones.
    """

    def __init__(self, seeds: range, device: torch.device = CPU) -> None:
        self.generators = [generator(seed) for seed in seeds]
        self.device = device

    def labels(self, num_classes: int) -> Tensor:
        """A class for each image: (B,) int64."""
        return torch.stack([torch.randint(num_classes, (), generator=g) for g in self.generators])

    def normal(self, *shape: int) -> Tensor:
        """(B, *shape) float32."""
        drawn = torch.empty(len(self.generators), *shape)
        for row, draws in zip(drawn, self.generators, strict=True):
            row.normal_(generator=draws)
        return drawn.to(self.device)


def block_sampler(
    run: SamplingParams,
    model: DiffusionModelParams | UpsamplerModelParams,
    network: nn.Module,
    classifier: nn.Module | None,
    num_classes: int,
    base: Samples | None = None,
    timesteps: list[int] | None = None,
    weaker: nn.Module | None = None,
) -> Callable[[int], Samples]:
    """The function that samples block b of a run: the seeds `run.seed` + [b, b + 1) x `run.micro_batch`.

    Args:
        run: How to sample.
        model: The section of the diffusion model or of the upsampler.
        network: Its network, on the device to compute on.
        classifier: The noisy classifier, on the same device; None for no guidance by one.
        num_classes: Number of classes to draw labels from; see `class_count`.
        base: For an upsampler, the whole batch of the run before; image i and its label become image i.
        timesteps: Those to visit, increasing; None takes those of `run.steps`.
        weaker: The network of the run's `guide`, on the same device; None for no guidance by one.

    Returns:
        A function of a block's number. The run's last block is not cut to size.

    Source: Algorithms 1 and 2.
    """
    denoiser = Forward.frozen(network, run.precision, run.compiled)
    guided = guidance(run, denoiser, classifier, weaker, model.noise.timesteps)
    size, channels = model.network.image_size, model.network.image_channels
    process = model.noise
    diffusion = Diffusion.from_schedule(process.schedule, process.timesteps, timesteps or run.steps, process.variance)
    diffusion.to(device := denoiser.device)

    def sampled(block: int) -> Samples:
        first = block * run.micro_batch
        noise = SeededNoise(range(run.seed + first, run.seed + first + run.micro_batch), device)
        seen: dict[str, Tensor] = {}
        if base is None:
            y = noise.labels(num_classes)
        else:
            y, low_resolution = _rows(base, first, run.micro_batch, channels)
            seen = {"low_resolution": low_resolution.to(device)}
        y = y.to(device)
        step = _sampler(run, diffusion, *guided(y, **seen))
        draw = partial(noise.normal, channels, size, size)
        x_0 = last(sample(step, draw(), draw))
        return Samples(to_uint8(x_0), y.cpu().numpy())

    return sampled


def _rows(base: Samples, first: int, count: int, channels: int) -> tuple[Tensor, Tensor]:
    """Labels and low-resolution images of a block; copies of the batch's last image fill a block beyond its end."""
    rows = np.minimum(np.arange(first, first + count), len(base.images) - 1)
    return torch.from_numpy(base.labels[rows]), to_unit_range(base.images[rows], channels)


def _sampler(run: SamplingParams, diffusion: Diffusion, denoiser: Denoiser, gradient: Gradient | None) -> Sampler:
    names = ("noise_temperature", "epsilon_temperature", "clipping", *SAMPLERS[run.sampler].fields)
    # Upsampled runs have no fields for guidance.
    taken = {name: getattr(run, name) for name in names if hasattr(run, name)}
    module, name = SAMPLERS[run.sampler].made_by.split(":")
    made: Sampler = getattr(import_module(module), name)(diffusion, denoiser, gradient, **taken)
    return made


def class_count(
    model: DiffusionModelParams | UpsamplerModelParams, classifier: ClassifierModelParams | None
) -> int | None:
    """The number of classes of a model, else of the classifier that guides it; None if neither has classes."""
    count = model.network.num_classes
    if count is None and classifier is not None:
        count = classifier.network.num_classes
    return count
