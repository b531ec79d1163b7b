"""Sections of studies: interpolations, neighbours, likelihoods, and timings."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adm.config.base import PositiveInt
from adm.config.models import Throughput
from adm.config.sampling import BitsPerDimension, Interpolation, check_gradient_scale
from adm.params.references import Checkpoint, Dataset, Images, Model
from adm.params.section import Section


class InterpolationParams(Section, Interpolation):
    """Interpolations between images of a dataset."""

    checkpoint: Checkpoint
    classifier: Checkpoint | None = None
    dataset: Dataset

    @model_validator(mode="after")
    def _scale_needs_a_classifier(self) -> Self:
        check_gradient_scale(self.classifier is not None, self.gradient_scale)
        return self


class NeighboursParams(Section):
    """The `k` images of the reference's dataset that are nearest to each sample of a run in pooled features."""

    run: Images
    k: PositiveInt = 3
    threads: PositiveInt = 1


class LikelihoodParams(Section, BitsPerDimension):
    """Bits per dimension of a checkpoint on images of a dataset.

    The seed chooses `num_images` different images, from the `part` of the dataset for training or from the part that is
    held out.
    """

    checkpoint: Checkpoint
    dataset: Dataset
    part: Literal["training", "held_out"] = "training"
    num_images: Annotated[int, Field(ge=2)]


class ThroughputParams(Section, Throughput):
    """How fast a model of the params file trains."""

    model: Model
