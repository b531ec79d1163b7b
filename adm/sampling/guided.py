"""Sampling of a run's images from its section, a diffusion model and a classifier."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adm.config.models import ClassifierModel, DiffusionModel, UpsamplerModel
from adm.config.samplers import SAMPLERS
from adm.config.sampling import GuidedSampling, Sampling
from adm.data.batches import to_uint8, to_unit_range
from adm.determinism import generator
from adm.diffusion.guidance import extrapolated, in_one_batch, in_turn, within
from adm.diffusion.process import Denoiser, Diffusion
from adm.diffusion.samplers import Gradient, Noise, Sampler, classifier_gradient, last, sample, slope_of
from adm.nets.forward import Forward
from adm.nets.unet import NO_CLASS
from adm.parallel import CPU
from adm.sampling.batch import Labels, Samples

Rows = Callable[[NDArray[Any]], Tensor]
"""Takes the rows of a block from an array of a whole run."""

Denoising = Callable[[Sampler, Tensor, Noise, Rows], Iterator[Tensor]]
"""Yields x after each step of a block, from a sampler, its x_T, the source of noise, and the block's rows."""


class SeededNoise:
    """Standard normals of a block. Row i comes from image i's own generator, and nothing else draws from it.

    Args:
        seeds: The images' seeds.
        device: Where the normals are needed. They are drawn on the CPU, so every device gets the same ones.
    """

    def __init__(self, seeds: range, device: torch.device = CPU) -> None:
        self.generators = [generator(seed) for seed in seeds]
        self.device = device

    def labels(self, num_classes: int, counts: Sequence[int] | None = None) -> Tensor:
        """Draw a class for each image, all equally often or as often as there are of each: (B,) int64."""
        ends = torch.tensor(counts or [1] * num_classes).cumsum(0)
        drawn = torch.stack([torch.randint(int(ends[-1]), (), generator=g) for g in self.generators])
        return torch.bucketize(drawn, ends, right=True)

    def normal(self, *shape: int) -> Tensor:
        """Draw (B, *shape) float32."""
        drawn = torch.empty(len(self.generators), *shape)
        for row, draws in zip(drawn, self.generators, strict=True):
            row.normal_(generator=draws)
        return drawn.to(self.device)


def block_trajectories(
    run: Sampling,
    model: DiffusionModel | UpsamplerModel,
    network: nn.Module,
    classifier: nn.Module | None,
    num_classes: int,
    base: Samples | None = None,
    guide: nn.Module | None = None,
    labels: Labels | None = None,
    latents: NDArray[np.float32] | None = None,
) -> Callable[..., tuple[Tensor, Iterator[Tensor]]]:
    """Build the function that denoises block b of a run: the seeds `run.seed` + [b, b + 1) x `run.micro_batch`.

    Args:
        run: How to sample.
        model: The section of the diffusion model or of the upsampler.
        network: Its network, on the device to compute on.
        classifier: The noisy classifier, on the same device; None for no guidance by one.
        num_classes: Number of classes to draw labels from; see `class_count`.
        base: For an upsampler, the whole batch of the run before; image i and its label become image i.
        guide: The weaker network, of the run's `guide`, on the same device; None for no guidance by one.
        labels: (N,) int64, classes of the whole run, in the place of those that are drawn. These are drawn still: the
            same labels give the same images, whether they were drawn or given.
        latents: (N, C, H, W), x_T of the whole run, in the place of what is drawn, which is drawn still.

    Returns:
        A function of a block's number and, by keyword, of how to denoise it. It returns the labels (B,), and x_{T-1}
        .. x_0, each (B, C, H, W) float32. The run's last block is not cut to size; copies of its last rows fill it.

    Source: Algorithms 1 and 2.
    """
    denoiser = Forward.frozen(network, run.precision, run.compiled)
    guided = guidance(run, denoiser, classifier, guide, model.noise.timesteps)
    counts = getattr(run, "class_counts", None)  # upsampled runs have the labels of their base
    size, channels = model.network.image_size, model.network.image_channels
    diffusion = Diffusion.of(model.noise, run.steps).to(device := denoiser.device)

    def trajectory(block: int, denoise: Denoising | None = None) -> tuple[Tensor, Iterator[Tensor]]:
        first = block * run.micro_batch

        def rows(whole: NDArray[Any]) -> Tensor:
            # Copies of the last row fill a block beyond the end.
            return torch.from_numpy(whole[np.minimum(np.arange(first, first + run.micro_batch), len(whole) - 1)])

        noise = SeededNoise(range(run.seed + first, run.seed + first + run.micro_batch), device)
        seen: dict[str, Tensor] = {}
        if base is None:
            drawn = noise.labels(num_classes, counts)
            y = drawn if labels is None else rows(labels)
        else:
            y = rows(base.labels)
            seen = {"low_resolution": to_unit_range(rows(base.images), channels).to(device)}
        y = y.to(device)
        step = _sampler(run, diffusion, *guided(y, **seen))
        draw = partial(noise.normal, channels, size, size)
        normal = draw()
        x_T = normal if latents is None else rows(latents).to(device)
        return y, sample(step, x_T, draw) if denoise is None else denoise(step, x_T, draw, rows)

    return trajectory


def block_sampler(trajectory: Callable[[int], tuple[Tensor, Iterator[Tensor]]]) -> Callable[[int], Samples]:
    """Build the function that samples block b, from what `block_trajectories` returns; the last block is not cut."""

    def sampled(block: int) -> Samples:
        y, all_x = trajectory(block)
        return Samples(to_uint8(last(all_x)), y.cpu().numpy())

    return sampled


def guidance(
    run: Sampling, network: Forward, classifier: nn.Module | None, guide: nn.Module | None, timesteps: int
) -> Callable[..., tuple[Denoiser, Gradient | None]]:
    """Build what conditions a run's networks on the labels of its images; `timesteps` is T of the training process.

    `classifier` and `guide` are those of `block_trajectories`.
    """
    if not isinstance(run, GuidedSampling):  # upsampled runs have no fields for guidance
        return lambda y, **seen: (network.conditioned(y, **seen), None)
    guided_at, scale = run.guided_at(timesteps), run.denoiser_scale
    slope = weak = None
    if classifier is not None and run.gradient_scale:
        # A copy is rounded: the next run of the same classifier may have another precision.
        slope = Forward.frozen(deepcopy(classifier), run.classifier_precision, run.compiled, slope_of)
    if guide is not None and scale is not None:
        weak = Forward.frozen(guide, run.precision, run.compiled)

    def guided(y: Tensor, **seen: Tensor) -> tuple[Denoiser, Gradient | None]:
        denoiser, gradient = network.conditioned(y, **seen), None
        if slope is not None:
            gradient = within(guided_at, classifier_gradient(slope, y, run.gradient_scale))
        if scale is None:
            return denoiser, gradient
        if weak is not None:
            pair = in_turn(denoiser, weak.conditioned(y))
        else:
            pair = in_one_batch(network.conditioned(torch.cat([y, torch.full_like(y, NO_CLASS)])))
        return within(guided_at, extrapolated(pair, scale), denoiser), gradient

    return guided


def _sampler(run: Sampling, diffusion: Diffusion, denoiser: Denoiser, gradient: Gradient | None) -> Sampler:
    names = ("noise_temperature", "epsilon_temperature", "clipping", *SAMPLERS[run.sampler].fields)
    # Upsampled runs have no fields for guidance.
    taken = {name: getattr(run, name) for name in names if hasattr(run, name)}
    module, name = SAMPLERS[run.sampler].made_by.split(":")
    made: Sampler = getattr(import_module(module), name)(diffusion, denoiser, gradient, **taken)
    return made


def class_count(model: DiffusionModel | UpsamplerModel, classifier: ClassifierModel | None) -> int | None:
    """Count the classes of a model, else of the classifier that guides it; None if neither has classes."""
    return model.network.num_classes or (classifier.network.num_classes if classifier else None)
