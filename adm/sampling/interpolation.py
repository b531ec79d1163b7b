"""Real images to their DDIM latents and back, and interpolation on the arc between two latents."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import one_hot

from adm.data.batches import to_unit_range
from adm.data.shards import ImageShards
from adm.diffusion.losses import mean_over_pixels
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDIM, DDIMReversed, Gradient, encode
from adm.nets.precision import device_of, memory_format, with_autocast
from adm.nets.unet import UNet
from adm.params.models import DiffusionModelParams
from adm.params.studies import InterpolationParams
from adm.progress import progress

ConditionalDenoiser = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A network of (x_t, original timesteps (B,), class weights (B, num_classes)); returns (B, C or 2C, H, W)."""

Classifier = Callable[[Tensor, Tensor], Tensor]
"""A classifier of (x_t, original timesteps (B,)); returns logits (B, num_classes)."""


@dataclass(frozen=True)
class LatentSpace:
    """The latents of real images under DDIM: its ODE run towards noise and, with guidance, back.

    Class weights, (B, num_classes) float32, condition the networks. They are one-hot for a label, and cos(theta) and
    sin(theta) of two classes on the way between them. They weigh both class embeddings and log probabilities.

    Args:
        diffusion: The process, respaced to n steps.
        denoiser: The network.
        classifier: The noisy classifier; None for no guidance.
        gradient_scale: The gradient scale s, used when decoding.

    Source: Appendix H; Algorithm 2.
    """

    diffusion: Diffusion
    denoiser: ConditionalDenoiser
    classifier: Classifier | None
    gradient_scale: float

    @classmethod
    def of(
        cls, params: InterpolationParams, model: DiffusionModelParams, network: UNet, classifier: nn.Module | None
    ) -> Self:
        """The latent space of a model's networks."""
        noise = model.noise
        diffusion = Diffusion.from_schedule(noise.schedule, noise.timesteps, params.steps, noise.variance)
        for module in filter(None, (network, classifier)):
            module.to(memory_format=memory_format(params.precision))  # type: ignore[call-overload]

        forward = with_autocast(network, params.precision)

        def denoiser(x_t: Tensor, t: Tensor, class_weights: Tensor) -> Tensor:
            table = network.class_embedding
            return forward(x_t, t, None if table is None else class_weights @ table.weight)

        return cls(
            diffusion=diffusion.to(device_of(network)),
            denoiser=denoiser,
            classifier=None if classifier is None else with_autocast(classifier, params.precision),
            gradient_scale=params.gradient_scale,
        )

    @property
    def device(self) -> torch.device:
        """The device of its networks."""
        return self.diffusion.timesteps.device

    @property
    def all_but_last(self) -> int:
        """The number of steps that reconstructs best: n - 1."""
        return self.diffusion.num_timesteps - 1

    def encode(self, x_0: Tensor, class_weights: Tensor, num_steps: int | None = None) -> Tensor:
        """Run DDIM towards noise, unguided, over the steps 0 .. num_steps - 1.

        Args:
            x_0: (B, C, H, W) float32 in [-1, 1].
            class_weights: (B, num_classes) float32.
            num_steps: How many steps to take; None takes all but the last.

        Returns:
            The latents, (B, C, H, W) float32.
        """
        step = DDIMReversed(self.diffusion, partial(self._denoise, class_weights))
        latent = x_0
        for x_t in encode(step, x_0, num_steps):
            latent = x_t
        return latent

    @torch.no_grad()
    def decode(self, latent: Tensor, class_weights: Tensor, num_steps: int | None = None) -> Tensor:
        """Run guided DDIM (eta = 0) back over the steps that `encode` took: num_steps - 1 .. 0.

        All but the last reconstructs better because decoding skips the last step, too. At that step x_0 is predicted
        from nearly pure noise, and guidance, divided by a sqrt(alpha_bar) near zero, moves it far out of [-1, 1]. Both
        directions then call the network at the same timesteps. The price: decoding takes the latent's alpha_bar to be
        that of one step before, just as encoding takes an image's alpha_bar to be that of step 0.

        Args:
            latent: (B, C, H, W) float32.
            class_weights: (B, num_classes) float32.
            num_steps: The value given to `encode`.

        Returns:
            (B, C, H, W) float32, nominally in [-1, 1].
        """
        gradient = None
        if self.classifier is not None and self.gradient_scale:
            gradient = weighted_gradient(self.classifier, class_weights, self.gradient_scale)
        step = DDIM(self.diffusion, partial(self._denoise, class_weights), gradient)
        x_t = latent
        for t in reversed(range(self.all_but_last if num_steps is None else num_steps)):
            x_t = step(x_t, t, _no_noise)
        return x_t

    def errors(self, x_0: Tensor, class_weights: Tensor) -> Tensor:
        """Mean squared errors of reconstruction over an image's pixels, in units of [-1, 1].

        Returns:
            (B, 2) float64: with the first n - 1 steps, and with all n.
        """
        columns = []
        for num_steps in (self.all_but_last, self.diffusion.num_timesteps):
            decoded = self.decode(self.encode(x_0, class_weights, num_steps), class_weights, num_steps)
            columns.append(mean_over_pixels((decoded.double() - x_0.double()) ** 2))
        return torch.stack(columns, dim=1)

    def _denoise(self, class_weights: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        return self.denoiser(x_t, t, class_weights)


def weighted_gradient(classifier: Classifier, class_weights: Tensor, scale: float) -> Gradient:
    """Build s grad_x sum_c w_c log p(c | x): guidance by interpolated log probabilities.

    Args:
        classifier: The noisy classifier p(y | x_t).
        class_weights: w, (B, num_classes) float32.
        scale: The gradient scale s.

    Source: Appendix H.
    """

    def gradient(x: Tensor, timesteps: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            log_p = classifier(x, timesteps).float().log_softmax(dim=-1)
            return scale * torch.autograd.grad((class_weights * log_p).sum(), x)[0]

    return gradient


def arc(a: Tensor, b: Tensor, points: int) -> Tensor:
    """cos(theta) a + sin(theta) b for evenly spaced theta from 0 to pi/2; the ends are a and b to the bit.

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


def load_conditioned(
    data: ImageShards, indices: NDArray[np.int64], num_classes: int, channels: int = 3
) -> tuple[Tensor, Tensor]:
    """Images of a dataset and the class weights of their labels.

    Args:
        data: The dataset, N images.
        indices: (B,) int64 in 0 .. N - 1.
        num_classes: Number of classes; every label is below it.
        channels: C, the number of the images' channels that the network sees.

    Returns:
        x_0 (B, C, H, W) float32 in [-1, 1], and class weights (B, num_classes) float32, one-hot.
    """
    labels = torch.from_numpy(data.labels[indices])
    return to_unit_range(data[indices], channels), one_hot(labels, num_classes).float()


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
    latents = compute_in_batches(space.encode, space.device, micro_batch, x_0, class_weights)
    paths = [arc(rows[::2], rows[1::2], points).flatten(0, 1) for rows in (latents, class_weights)]
    return compute_in_batches(space.decode, space.device, micro_batch, *paths)


def compute_in_batches(
    function: Callable[..., Tensor], device: torch.device, micro_batch: int, *rows: Tensor
) -> Tensor:
    """Compute `function` of all rows on a device, one micro-batch at a time, with a progress bar."""
    parts = in_micro_batches(function, micro_batch, *(tensor.to(device) for tensor in rows))
    total = -(-len(rows[0]) // micro_batch)
    return torch.cat([part.cpu() for part in progress(parts, total, "batch", name=function.__name__)])


def in_micro_batches(function: Callable[..., Tensor], micro_batch: int, *rows: Tensor) -> Iterator[Tensor]:
    """Yield `function` of `micro_batch` rows of every tensor at a time."""
    for part in zip(*(torch.split(tensor, micro_batch) for tensor in rows), strict=True):
        yield function(*part)


def _no_noise() -> Tensor:
    raise AssertionError("DDIM with eta 0 draws no noise")
