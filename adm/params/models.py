"""Sections of models and GANs, and of the segments of their training."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from adm.config.base import Increasing, PositiveInt
from adm.config.models import ClassifierModel, DiffusionModel, Gan, UpsamplerModel
from adm.params.references import Checkpoint, Dataset, Model
from adm.params.section import Section


class TrainedParams(Section):
    """The common part of models besides what they are: the dataset and the length of training.

    `checkpoints` are the iterations whose checkpoints are kept, in order; training ends at the last one. A model
    without checkpoints, or without a `dataset`, is not trained here.
    """

    DECLARED = frozenset({"dataset", "checkpoints"})

    dataset: Dataset | None = None
    checkpoints: Annotated[list[PositiveInt], Increasing] = []

    @model_validator(mode="after")
    def _checkpoints_need_a_dataset(self) -> Self:
        if self.checkpoints and self.dataset is None:
            raise ValueError("dataset is missing; a model with checkpoints is trained on one")
        return self


class StartParams(Section):
    """A checkpoint whose averaged weights a model begins with, of a network alike but for classes, colours and dropout.

    With `keep_classes` each class begins as the source's of that number; without, as the mean of all of these.
    """

    checkpoint: Checkpoint
    keep_classes: bool = False


class DiffusionModelParams(TrainedParams, DiffusionModel):
    """A diffusion model; with a `start` it is fine-tuned."""

    # Of its jobs the first alone reads the start; the others read what that one writes.
    DECLARED = TrainedParams.DECLARED | {"start"}

    start: StartParams | None = None


class UpsamplerModelParams(TrainedParams, UpsamplerModel):
    """A diffusion model that upsamples."""


class ClassifierModelParams(TrainedParams, ClassifierModel):
    """A classifier of noised images, p(y | x_t)."""


ModelParams = Annotated[
    DiffusionModelParams | UpsamplerModelParams | ClassifierModelParams,
    Field(discriminator="kind"),
]


class GanParams(Section, Gan):
    """A GAN that is trained on a dataset."""

    dataset: Dataset


class SegmentParams(Section):
    """A part of a model's training, from the checkpoint `previous` to iteration `stop`.

    Its last checkpoint is named after the model and `stop`; `<model>-0` is every model's initial checkpoint.
    """

    model: Model
    dataset: Dataset
    previous: Checkpoint
    stop: PositiveInt
