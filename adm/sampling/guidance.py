"""The guidance of a run: from its section and its networks to what its sampler takes."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from adm.config.sampling import GuidedSampling, Interpolation, Sampling
from adm.diffusion.guidance import extrapolated, in_one_batch, in_turn, limited
from adm.diffusion.process import Denoiser
from adm.diffusion.samplers import Gradient, Slope, classifier_gradient, slope_of
from adm.machine import compiled
from adm.nets.forward import Forward
from adm.nets.unet import NO_CLASS

Guided = Callable[..., tuple[Denoiser, Gradient | None]]
"""The denoiser and the classifier's gradient of (labels (B,) int64, further conditions of the network by keyword)."""


def guidance(
    run: Sampling, network: Forward, classifier: nn.Module | None, guide: nn.Module | None, timesteps: int
) -> Guided:
    """Build what conditions a run's networks on the labels of its images.

    Args:
        run: How to sample.
        network: The network to guide.
        classifier: The noisy classifier, on the same device; None for no such guidance.
        guide: The weaker network, of the run's `guide`, on the same device; None for no such guidance.
        timesteps: T of the training process.
    """
    if not isinstance(run, GuidedSampling):  # upsampled runs have no fields for guidance
        return lambda y, **seen: (network.conditioned(y, **seen), None)
    interval, scale = run.guided_in(timesteps), run.denoiser_scale
    slope = weak = None
    if classifier is not None and run.gradient_scale:
        slope = classifier_slope(run, classifier)
    if guide is not None and scale is not None:
        weak = Forward.frozen(guide, run.precision, run.compiled)

    def guided(y: Tensor, **seen: Tensor) -> tuple[Denoiser, Gradient | None]:
        denoiser, gradient = network.conditioned(y, **seen), None
        if slope is not None:
            gradient = limited(classifier_gradient(slope, y, run.gradient_scale), interval)
        if scale is None:
            return denoiser, gradient
        if weak is not None:
            pair = in_turn(denoiser, weak.conditioned(y))
        else:
            pair = in_one_batch(network.conditioned(torch.cat([y, torch.full_like(y, NO_CLASS)])))
        return extrapolated(denoiser, pair, scale, interval), gradient

    return guided


def classifier_slope(how: GuidedSampling | Interpolation, classifier: nn.Module) -> Slope:
    """The slope of a classifier's log p, in the precision asked for, compiled if asked for."""
    forward = Forward.frozen(classifier, how.classifier_precision)
    if not how.compiled:
        return slope_of(forward)
    program = compiled(slope_of(forward.compute))

    def slope(x: Tensor, timesteps: Tensor, y: Tensor) -> Tensor:
        forward.allow_tf32()
        return program(x, timesteps, y)

    return slope
