"""Training tasks: the losses of diffusion models, upsamplers and noisy classifiers on a batch."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from adm.config.models import AnyModel, ClassifierModel, UpsamplerModel
from adm.diffusion.losses import Objective, training_loss
from adm.diffusion.process import Denoiser, Diffusion
from adm.diffusion.timesteps import TIMESTEP_SAMPLERS, TimestepSampler
from adm.nets.forward import Forward


class Draw(NamedTuple):
    """What the losses of a batch rest on: t (B,) int64, importance weights (B,) and eps (B, C, H, W) float32."""

    t: Tensor
    weights: Tensor
    eps: Tensor

    def part(self, rows: slice) -> "Draw":
        """The random numbers of some of the images."""
        return Draw(self.t[rows], self.weights[rows], self.eps[rows])


class Task(Protocol):
    """A loss, and a sampler of the timesteps at which it is computed."""

    @property
    def timesteps(self) -> TimestepSampler:
        """The sampler of timesteps."""
        ...

    def losses(self, network: Forward, x_0: Tensor, y: Tensor, draw: Draw) -> dict[str, Tensor]:
        """Values (B,) of each image by name; "loss" is the loss to minimise, without importance weights."""
        ...


@dataclass(frozen=True)
class DenoisingTask:
    """Predict the noise, given the class if the network is conditional. Source: equation 12, L_hybrid."""

    diffusion: Diffusion
    objective: Objective
    timesteps: TimestepSampler

    def losses(self, network: Forward, x_0: Tensor, y: Tensor, draw: Draw) -> dict[str, Tensor]:
        """The loss, the mse and the term of L_vlb of each image, (B,)."""
        terms = training_loss(self.diffusion, self.denoiser(network, x_0, y), x_0, draw.t, draw.eps, self.objective)
        named = {"loss": terms.loss, "mse": terms.mse, "vlb": terms.vlb}
        return {name: value for name, value in named.items() if value is not None}

    def denoiser(self, network: Forward, x_0: Tensor, y: Tensor) -> Denoiser:
        """The network as a function of x_t and t."""
        return network.conditioned(y)


@dataclass(frozen=True)
class UpsamplingTask(DenoisingTask):
    """Predict the noise, given the image at a lower resolution. Source: section 4.4 of the paper; Table 13."""

    low_resolution: int

    def denoiser(self, network: Forward, x_0: Tensor, y: Tensor) -> Denoiser:
        """The network as a function of x_t and t; the low-resolution image is made from x_0."""
        low = F.interpolate(x_0, (self.low_resolution, self.low_resolution), mode="area")
        return network.conditioned(y, low_resolution=low)


@dataclass(frozen=True)
class ClassifyingTask:
    """Classify noised images. Source: Appendix D.1; Table 12."""

    diffusion: Diffusion
    timesteps: TimestepSampler

    def losses(self, network: Forward, x_0: Tensor, y: Tensor, draw: Draw) -> dict[str, Tensor]:
        """Cross-entropy in nats and accuracy (0 or 1) of each image, (B,)."""
        x_t = self.diffusion.q_sample(x_0, draw.t, draw.eps)
        logits = network(x_t, self.diffusion.seen_at(draw.t, x_t))
        return {
            "loss": F.cross_entropy(logits, y, reduction="none"),
            "accuracy": (logits.argmax(dim=1) == y).float(),
        }


def build_task(model: AnyModel, device: torch.device | str = "cpu") -> Task:
    """The task of a model, computed on a device; its timesteps are drawn on the CPU."""
    noise = model.noise
    timesteps = TIMESTEP_SAMPLERS[model.training.timestep_sampler](noise.timesteps)
    if isinstance(model, ClassifierModel):
        return ClassifyingTask(Diffusion.from_schedule(noise.schedule, noise.timesteps).to(device), timesteps)
    diffusion = Diffusion.from_schedule(noise.schedule, noise.timesteps, variance=model.noise.variance).to(device)
    if isinstance(model, UpsamplerModel):
        return UpsamplingTask(diffusion, model.objective, timesteps, model.network.low_resolution)
    return DenoisingTask(diffusion, model.objective, timesteps)
