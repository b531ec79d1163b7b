"""Sections of studies: interpolations, neighbours, variations of the gradient scale, likelihoods."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adm.config.base import PositiveInt
from adm.config.sampling import BitsPerDimension, Bound, GradientScale, Interpolation, check_gradient_scale
from adm.params.references import Checkpoint, Dataset, DiffusionRun, Scored
from adm.params.section import Section


class InterpolationParams(Section, Interpolation):
    """Interpolations between real images in DDIM's latent space, and errors of reconstruction.

    `pairs` is the number of rows of the figure. `points` is the number of images in a row, including the
    reconstructions of both ends. `reconstructions` other images are encoded and decoded to measure the error.
    `classifier_precision` and `compiled` are as for runs.
    """

    checkpoint: Checkpoint
    classifier: Checkpoint | None = None
    dataset: Dataset

    @model_validator(mode="after")
    def _scale_needs_a_classifier(self) -> Self:
        check_gradient_scale(self.classifier is not None, self.gradient_scale)
        return self


class NeighboursParams(Section):
    """The `k` images of the reference's dataset that are nearest to each sample of a run in pooled features."""

    run: Scored
    k: PositiveInt = 3
    threads: PositiveInt = 1


class VariationParams(Section):
    """A run's first `num_samples` seeds at several gradient scales; everything else is as in the run."""

    run: DiffusionRun
    scales: Annotated[list[GradientScale], Field(min_length=1)]
    num_samples: PositiveInt = 8
    threads: PositiveInt = 1

    @model_validator(mode="after")
    def _scales_increase(self) -> Self:
        if sorted(set(self.scales)) != self.scales:
            raise ValueError(f"scales {self.scales} must increase")
        return self


class BoundParams(Section, Bound):
    """Terms of the variational bound L_vlb of a checkpoint on images of a dataset.

    The seed chooses `num_images` different images, from the `part` of the dataset for training or from the part that is
    held out. Each has its own noise, which does not depend on the other images: the same seed gives the same terms. No
    image is mirrored. `compiled` is as for runs.
    """

    checkpoint: Checkpoint
    dataset: Dataset
    part: Literal["training", "held_out"] = "training"
    num_images: Annotated[int, Field(ge=2)]


class LikelihoodParams(BoundParams, BitsPerDimension):
    """Bits per dimension: the sum of the terms at the timesteps of `steps`.

    If `steps` is null, all T timesteps are used; fewer give a less tight bound.
    """
