"""What is learned: the loss of a diffusion model, an upsampler and a noisy classifier on a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adm.diffusion.losses import Objective, training_loss
from adm.diffusion.process import Denoiser, Diffusion
from adm.diffusion.timesteps import TIMESTEP_SAMPLERS, TimestepSampler
from adm.params.models import ClassifierModelParams, DiffusionModelParams, UpsamplerModelParams

TrainedModelParams = DiffusionModelParams | UpsamplerModelParams | ClassifierModelParams


class Draw(NamedTuple):
    """The random numbers of a batch: t (B,), importance weights (B,), eps (B, C, H, W)."""

    t: Tensor
    weights: Tensor
    eps: Tensor

    def part(self, rows: slice) -> "Draw":
        """Those of some of the images."""
        return Draw(self.t[rows], self.weights[rows], self.eps[rows])

    def to(self, device: torch.device) -> "Draw":
        """The same on a device."""
        return Draw(self.t.to(device), self.weights.to(device), self.eps.to(device))


class Task(Protocol):
    """A loss and the timesteps that it is taken at."""

    @property
    def timesteps(self) -> TimestepSampler:
        """Which timesteps the loss is taken at."""
        ...

    def losses(self, network: nn.Module, x_0: Tensor, y: Tensor, draw: Draw) -> dict[str, Tensor]:
        """Named values (B,) of each image; "loss" is the unweighted loss to descend."""
        ...


def draw(task: Task, shape: Sequence[int], generator: torch.Generator) -> Draw:
    """Draw the timesteps and the noise of a whole batch of that shape, (B, C, H, W)."""
    t, weights = task.timesteps.draw(shape[0], generator)
    return Draw(t, weights, torch.randn(shape, generator=generator))


@dataclass(frozen=True)
class DenoisingTask:
    """Predict the noise, given the class where the network takes one. Source: equation 12, L_hybrid."""

    diffusion: Diffusion
    objective: Objective
    timesteps: TimestepSampler
    conditional: bool

    def losses(self, network: nn.Module, x_0: Tensor, y: Tensor, draw: Draw) -> dict[str, Tensor]:
        """Loss, mse and term of L_vlb of each image."""
        terms = training_loss(self.diffusion, self.denoiser(network, x_0, y), x_0, draw.t, draw.eps, self.objective)
        named = {"loss": terms.loss, "mse": terms.mse, "vlb": terms.vlb}
        return {name: value for name, value in named.items() if value is not None}

    def denoiser(self, network: nn.Module, x_0: Tensor, y: Tensor) -> Denoiser:
        """The network with everything but x_t and t filled in."""
        label = y if self.conditional else None
        return lambda x_t, t: network(x_t, t, label)


@dataclass(frozen=True)
class UpsamplingTask(DenoisingTask):
    """Predict the noise, given the image at a lower resolution. Source: section 4.4 of the paper; Table 13."""

    low_resolution: int

    def denoiser(self, network: nn.Module, x_0: Tensor, y: Tensor) -> Denoiser:
        """The network with the class and the low resolution filled in."""
        low = F.interpolate(x_0, (self.low_resolution, self.low_resolution), mode="area")
        label = y if self.conditional else None
        return lambda x_t, t: network(x_t, t, label, low_resolution=low)


@dataclass(frozen=True)
class ClassifyingTask:
    """Tell the class of a noised image. Source: Appendix D.1; Table 12."""

    diffusion: Diffusion
    timesteps: TimestepSampler

    def losses(self, network: nn.Module, x_0: Tensor, y: Tensor, draw: Draw) -> dict[str, Tensor]:
        """Cross-entropy and accuracy of each image."""
        x_t = self.diffusion.q_sample(x_0, draw.t, draw.eps)
        logits = network(x_t, self.diffusion.timesteps[draw.t]).float()
        return {
            "loss": F.cross_entropy(logits, y, reduction="none"),
            "accuracy": (logits.argmax(dim=1) == y).float(),
        }


def build_task(model: TrainedModelParams, device: torch.device | str = "cpu") -> Task:
    """The task of a model, to compute on a device; its timesteps are drawn on the CPU."""
    noise = model.noise
    timesteps = TIMESTEP_SAMPLERS[model.training.timestep_sampler](noise.timesteps)
    if isinstance(model, ClassifierModelParams):
        return ClassifyingTask(Diffusion.from_schedule(noise.schedule, noise.timesteps).to(device), timesteps)
    diffusion = Diffusion.from_schedule(noise.schedule, noise.timesteps, variance=model.noise.variance).to(device)
    conditional = model.network.num_classes is not None
    if isinstance(model, UpsamplerModelParams):
        return UpsamplingTask(diffusion, model.objective, timesteps, conditional, model.network.low_resolution)
    return DenoisingTask(diffusion, model.objective, timesteps, conditional)
