"""Training tasks: the losses of diffusion models, upsamplers and noisy classifiers on a batch."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adm.config.models import AnyModel, ClassifierModel, UpsamplerModel
from adm.diffusion.losses import Objective, training_loss
from adm.diffusion.process import Diffusion
from adm.nets.forward import Forward


@dataclass(frozen=True)
class DenoisingTask:
    """Predict noise, v or x_0, given the class if the network is conditional, and for an upsampler the smaller image.

    Attributes:
        diffusion: The process that adds the noise.
        objective: The loss.
        min_snr: Of `training_loss`.
        low_resolution: The side of the smaller image, which is made from x_0; None for no upsampler.

    Source: equation 12, L_hybrid; section 4.4 of the paper and Table 13 for upsamplers.
    """

    diffusion: Diffusion
    objective: Objective
    min_snr: float | None = None
    low_resolution: int | None = None

    def losses(self, network: Forward, x_0: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> dict[str, Tensor]:
        """Compute the loss to minimise, the mse and the term of L_vlb of each image, (B,) each.

        Args:
            network: The network to train.
            x_0: (B, C, H, W) float32 in [-1, 1].
            y: (B,) int64 labels.
            t: (B,) int64, the timestep of each image.
            eps: (B, C, H, W) float32, the noise of each image.
        """
        seen = {}
        if self.low_resolution is not None:
            seen["low_resolution"] = F.interpolate(x_0, (self.low_resolution, self.low_resolution), mode="area")
        denoiser = network.conditioned(y, **seen)
        return training_loss(self.diffusion, denoiser, x_0, t, eps, self.objective, self.min_snr)


@dataclass(frozen=True)
class ClassifyingTask:
    """Classify noised images. Source: Appendix D.1; Table 12."""

    diffusion: Diffusion

    def losses(self, network: Forward, x_0: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> dict[str, Tensor]:
        """Compute cross-entropy in nats and accuracy (0 or 1) of each image, (B,); the arguments are those above."""
        x_t = self.diffusion.q_sample(x_0, t, eps)
        logits = network(x_t, self.diffusion.seen_at(t, x_t))
        return {
            "loss": F.cross_entropy(logits, y, reduction="none"),
            "accuracy": (logits.argmax(dim=1) == y).float(),
        }


Task = DenoisingTask | ClassifyingTask


def build_task(model: AnyModel, device: torch.device | str = "cpu") -> Task:
    """Build the task of a model, computed on a device."""
    if isinstance(model, ClassifierModel):
        return ClassifyingTask(Diffusion.from_schedule(model.noise.schedule, model.noise.timesteps).to(device))
    low_resolution = model.network.low_resolution if isinstance(model, UpsamplerModel) else None
    return DenoisingTask(Diffusion.of(model.noise).to(device), model.objective, model.min_snr, low_resolution)
