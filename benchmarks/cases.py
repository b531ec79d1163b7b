"""The networks that training and sampling are timed with, and random batches for them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adm.config.models import Precision
from adm.params.models import ClassifierModelParams, DiffusionModelParams
from adm.params.runs import RunParams


@dataclass(frozen=True)
class Case:
    """A class-conditional ADM with a classifier of the same width, and how it is trained and sampled.

    Attributes:
        side: Side of the images, which have three channels.
        channels: Base width.
        multiplier: Width of each level in base widths.
        attention: The side of the feature maps with attention.
        batch: Images computed together.
        precision: The precision of the denoiser and of training.
        steps: Steps of a trajectory.
        repeats: Pairs of timings.
    """

    side: int
    channels: int
    multiplier: tuple[int, ...]
    attention: int
    batch: int
    precision: Precision
    steps: int = 5
    repeats: int = 7

    def __str__(self) -> str:
        return f"{self.channels} channels, {self.side}x{self.side}, batch {self.batch}, {self.precision}"

    def _section(self) -> dict[str, object]:
        network = {
            "image_size": self.side,
            "channels": self.channels,
            "channel_multiplier": list(self.multiplier),
            "depth": 1,
            "attention_resolutions": [self.attention],
            "head_channels": self.channels,
            "num_classes": 10,
        }
        training = {"batch_size": self.batch, "precision": self.precision}
        return {"network": network, "noise": {"schedule": "cosine"}, "training": training}

    @property
    def model(self) -> DiffusionModelParams:
        """The section of the diffusion model."""
        return DiffusionModelParams.model_validate({"kind": "diffusion", **self._section()})

    @property
    def simple_model(self) -> DiffusionModelParams:
        """The section of the same model with a fixed variance, trained on L_simple."""
        fixed = {"noise": {"schedule": "cosine", "variance": "beta"}, "objective": "simple"}
        return DiffusionModelParams.model_validate({"kind": "diffusion", **self._section(), **fixed})

    @property
    def classifier(self) -> ClassifierModelParams:
        """The section of the classifier."""
        return ClassifierModelParams.model_validate({"kind": "classifier", **self._section()})

    @property
    def run(self) -> RunParams:
        """The section of a guided run of one block."""
        section = {
            "checkpoint": "bench", "classifier": "bench", "reference": "bench", "gradient_scale": 1.0,
            "steps": str(self.steps), "num_samples": self.batch, "micro_batch": self.batch, "precision": self.precision,
        }  # fmt: skip
        return RunParams.model_validate(section)

    def batch_of_data(self) -> tuple[Tensor, Tensor]:
        """Random images (B, 3, H, W) float32 in [-1, 1], and labels (B,) int64."""
        draws = torch.Generator().manual_seed(0)
        x_0 = torch.rand(self.batch, 3, self.side, self.side, generator=draws) * 2 - 1
        return x_0, torch.randint(10, (self.batch,), generator=draws)


CASES = (
    Case(side=8, channels=32, multiplier=(1, 2), attention=4, batch=64, precision="float32"),
    Case(side=28, channels=32, multiplier=(1, 2, 2), attention=7, batch=32, precision="bfloat16"),
    Case(side=32, channels=64, multiplier=(1, 2), attention=16, batch=64, precision="bfloat16", repeats=3),
)
SMALLEST = (Case(8, 32, (1, 2), 4, 4, "bfloat16", steps=2, repeats=1),)


def cases(smallest: bool) -> Sequence[Case]:
    """The cases to time."""
    return SMALLEST if smallest else CASES
