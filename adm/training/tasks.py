"""Training tasks: the losses of diffusion models, upsamplers and noisy classifiers on a batch."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adm.config.models import AnyModel, ClassifierModel, DiffusionModel, UpsamplerModel
from adm.diffusion.losses import training_loss
from adm.diffusion.process import Diffusion
from adm.nets.forward import Forward


@dataclass(frozen=True)
class DenoisingTask:
    """Predict noise, v or x_0, given the class if the network is conditional, and for an upsampler the smaller image.

    Attributes:
        diffusion: The process that adds the noise.
        model: What it says of the loss and, if it is an upsampler, of the smaller image, which is made from x_0.

    Source: equation 12, L_hybrid; section 4.4 of the paper and Table 13 for upsamplers; Ho et al. 2022 for their noise.
    """

    diffusion: Diffusion
    model: DiffusionModel | UpsamplerModel

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
        if isinstance(self.model, UpsamplerModel):
            side, most = self.model.network.low_resolution, self.model.noise_augmentation
            small = F.interpolate(x_0, (side, side), mode="area")
            if most:  # drawn from the global generator, which is seeded for dropout
                deviation = most * torch.rand(len(small), 1, 1, 1, device=small.device)
                small = (small + deviation * torch.randn_like(small)).clamp(-1, 1)
            seen["low_resolution"] = small
        denoiser = network.conditioned(y, **seen)
        return training_loss(self.diffusion, denoiser, x_0, t, eps, self.model.objective, self.model.min_snr)


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
    return DenoisingTask(Diffusion.of(model.noise).to(device), model)
