"""Training tasks: the losses of diffusion models, upsamplers and noisy classifiers on a batch."""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from adm.config.models import AnyModel, ClassifierModel, UpsamplerModel
from adm.diffusion.losses import Objective, training_loss
from adm.diffusion.process import Denoiser, Diffusion
from adm.nets.forward import Forward


class Task(Protocol):
    """A loss of noised images."""

    @property
    def diffusion(self) -> Diffusion:
        """The process that adds the noise."""
        ...

    def losses(self, network: Forward, x_0: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> dict[str, Tensor]:
        """Values (B,) of each image by name; "loss" is the loss to minimise.

        Args:
            network: The network to train.
            x_0: (B, C, H, W) float32 in [-1, 1].
            y: (B,) int64 labels.
            t: (B,) int64, the timestep of each image.
            eps: (B, C, H, W) float32, the noise of each image.
        """
        ...


@dataclass(frozen=True)
class DenoisingTask:
    """Predict the noise, given the class if the network is conditional. Source: equation 12, L_hybrid."""

    diffusion: Diffusion
    objective: Objective

    def losses(self, network: Forward, x_0: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> dict[str, Tensor]:
        """Compute the loss, the mse and the term of L_vlb of each image, (B,)."""
        return training_loss(self.diffusion, self.denoiser(network, x_0, y), x_0, t, eps, self.objective)

    def denoiser(self, network: Forward, x_0: Tensor, y: Tensor) -> Denoiser:
        """Condition the network: a function of x_t and t."""
        return network.conditioned(y)


@dataclass(frozen=True)
class UpsamplingTask(DenoisingTask):
    """Predict the noise, given the image at a lower resolution. Source: section 4.4 of the paper; Table 13."""

    low_resolution: int

    def denoiser(self, network: Forward, x_0: Tensor, y: Tensor) -> Denoiser:
        """Condition the network: a function of x_t and t; the low-resolution image is made from x_0."""
        low = F.interpolate(x_0, (self.low_resolution, self.low_resolution), mode="area")
        return network.conditioned(y, low_resolution=low)


@dataclass(frozen=True)
class ClassifyingTask:
    """Classify noised images. Source: Appendix D.1; Table 12."""

    diffusion: Diffusion

    def losses(self, network: Forward, x_0: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> dict[str, Tensor]:
        """Compute cross-entropy in nats and accuracy (0 or 1) of each image, (B,)."""
        x_t = self.diffusion.q_sample(x_0, t, eps)
        logits = network(x_t, self.diffusion.seen_at(t, x_t))
        return {
            "loss": F.cross_entropy(logits, y, reduction="none"),
            "accuracy": (logits.argmax(dim=1) == y).float(),
        }


def build_task(model: AnyModel, device: torch.device | str = "cpu") -> Task:
    """Build the task of a model, computed on a device."""
    noise = model.noise
    if isinstance(model, ClassifierModel):
        return ClassifyingTask(Diffusion.from_schedule(noise.schedule, noise.timesteps).to(device))
    diffusion = Diffusion.from_schedule(noise.schedule, noise.timesteps, variance=model.noise.variance).to(device)
    if isinstance(model, UpsamplerModel):
        return UpsamplingTask(diffusion, model.objective, model.network.low_resolution)
    return DenoisingTask(diffusion, model.objective)
