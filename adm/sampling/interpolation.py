"""Real images to their DDIM latents and back, and interpolation on the arc between two latents."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Self

import torch
from torch import Tensor, nn

from adm.config.models import DiffusionModel
from adm.config.sampling import Interpolation
from adm.diffusion.losses import mean_over_pixels
from adm.diffusion.process import Denoiser, Diffusion
from adm.diffusion.samplers import DDIM, Gradient, classifier_gradient, encode, last, sample, slope_of
from adm.nets.forward import Forward
from adm.progress import progress


@dataclass(frozen=True)
class LatentSpace:
    """The latents of real images under DDIM: its ODE run towards noise and, with guidance, back.

    Class weights, (B, num_classes) float32, condition the networks. They are one-hot for a label, and cos(theta) and
    sin(theta) of two classes on the way between them. They weigh both class embeddings and log probabilities.

    Args:
        diffusion: The process, respaced to n steps.
        denoiser: The network for given class weights.
        gradient: Guidance for given class weights, used when decoding; None for no guidance.

    Source: Appendix H; Algorithm 2.
    """

    diffusion: Diffusion
    denoiser: Callable[[Tensor], Denoiser]
    gradient: Callable[[Tensor], Gradient] | None = None

    @classmethod
    def of(cls, params: Interpolation, model: DiffusionModel, network: nn.Module, classifier: nn.Module | None) -> Self:
        """Build the latent space of a model's networks."""
        diffusion = Diffusion.of(model.noise, params.steps)
        forward = Forward.frozen(network, params.precision)
        diffusion.to(forward.device)
        gradient = None
        if classifier is not None and params.gradient_scale:
            slope = Forward.frozen(classifier, params.classifier_precision, of=slope_of)
            gradient = partial(classifier_gradient, slope, scale=params.gradient_scale)
        return cls(diffusion, forward.conditioned, gradient)

    def encode(self, x_0: Tensor, class_weights: Tensor, num_steps: int | None = None) -> Tensor:
        """Run DDIM towards noise, unguided, over the steps 0 .. num_steps - 1.

        Args:
            x_0: (B, C, H, W) float32 in [-1, 1].
            class_weights: (B, num_classes) float32.
            num_steps: How many steps to take; None takes all but the last.

        Returns:
            The latents, (B, C, H, W) float32.
        """
        return encode(self.diffusion, self.denoiser(class_weights), x_0, num_steps)

    @torch.no_grad()
    def decode(self, latent: Tensor, class_weights: Tensor, num_steps: int | None = None) -> Tensor:
        """Run guided DDIM (eta = 0) from a latent to an image, over the steps num_steps - 1 .. 0.

        Encoding over n - 1 steps ends at the noise level of the last step, from where all n steps lead back.

        Args:
            latent: (B, C, H, W) float32.
            class_weights: (B, num_classes) float32.
            num_steps: How many steps to take; None takes all.

        Returns:
            (B, C, H, W) float32, nominally in [-1, 1].
        """
        gradient = None if self.gradient is None else self.gradient(class_weights)
        step = DDIM(self.diffusion, self.denoiser(class_weights), gradient)
        return last(chain([latent], sample(step, latent, num_steps=num_steps)))

    def errors(self, x_0: Tensor, class_weights: Tensor) -> Tensor:
        """Measure mean squared errors of reconstruction over an image's pixels, in units of [-1, 1].

        Returns:
            (B, 3) float64: encoded over the first n - 1 steps and over all n, both decoded over all n; and over n - 1
            steps in both directions.
        """
        columns = []
        every = self.diffusion.num_timesteps
        for encoded, taken in ((every - 1, every), (every, every), (every - 1, every - 1)):
            decoded = self.decode(self.encode(x_0, class_weights, encoded), class_weights, taken)
            columns.append(mean_over_pixels((decoded.double() - x_0.double()) ** 2))
        return torch.stack(columns, dim=1)

    def in_batches(self, function: Callable[..., Tensor], micro_batch: int, *rows: Tensor) -> Tensor:
        """Compute one of its functions of all rows, one micro-batch at a time, with a progress bar."""
        placed = (tensor.to(self.diffusion.timesteps.device) for tensor in rows)
        parts = list(zip(*(torch.split(tensor, micro_batch) for tensor in placed), strict=True))
        return torch.cat([function(*part).cpu() for part in progress(parts, unit="batch", name=function.__name__)])


def arc(a: Tensor, b: Tensor, points: int) -> Tensor:
    """Compute cos(theta) a + sin(theta) b for even theta from 0 to pi/2; the ends are a and b to the bit.

    Args:
        a: (B, ...) floating point.
        b: Shape and dtype of a.
        points: Number of values of theta, at least 2.

    Returns:
        (B, points, ...), dtype of a.

    Source: Appendix H.
    """
    fractions = torch.linspace(0, 1, points, dtype=torch.float64)
    # cos(theta) is computed as sin(pi/2 - theta), because cos(pi/2) is not zero in floating point.
    shape = (1, points, *[1] * (a.ndim - 1))
    cos, sin = (((x * (math.pi / 2)).sin()).to(a).view(shape) for x in (1 - fractions, fractions))
    return cos * a[:, None] + sin * b[:, None]


def interpolate(space: LatentSpace, x_0: Tensor, class_weights: Tensor, points: int, micro_batch: int) -> Tensor:
    """Decode points on the arcs between the latents of pairs of images.

    Args:
        space: The latent space.
        x_0: (2P, C, H, W) float32 in [-1, 1]; rows 2p and 2p + 1 are a pair.
        class_weights: (2P, num_classes) float32.
        points: Number of images on each arc, at least 2.
        micro_batch: Number of rows computed at once.

    Returns:
        (P points, C, H, W) float32, nominally in [-1, 1], arc by arc.

    Source: Appendix H.
    """
    latents = space.in_batches(space.encode, micro_batch, x_0, class_weights)
    paths = [arc(rows[::2], rows[1::2], points).flatten(0, 1) for rows in (latents, class_weights)]
    return space.in_batches(space.decode, micro_batch, *paths)
