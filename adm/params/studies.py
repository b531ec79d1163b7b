"""Sections of the studies behind single figures: interpolations, neighbours, gradient scales, likelihoods."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adm.params.models import Precision
from adm.params.runs import GradientScale, Steps, check_guided
from adm.params.section import Key, PositiveInt, Section, Seed


class InterpolationParams(Section):
    """Interpolations between real images in DDIM's latent space, and the error of reconstructing from it.

    `pairs` are the rows of the picture and `points` the images of a row, both endpoints' reconstructions included.
    `reconstructions` more images are encoded and decoded to measure the error.
    """

    checkpoint: Key
    classifier: Key | None = None
    dataset: Key
    gradient_scale: GradientScale = 0.0
    steps: Steps = "250"
    pairs: PositiveInt = 4
    points: Annotated[int, Field(ge=3)] = 9
    reconstructions: PositiveInt
    micro_batch: PositiveInt = 64
    precision: Precision = "float32"
    seed: Seed = 0
    threads: PositiveInt = 1

    @model_validator(mode="after")
    def _classifier_and_scale_go_together(self) -> Self:
        check_guided(self.classifier, self.gradient_scale, "gradient_scale" in self.model_fields_set)
        return self


class NeighboursParams(Section):
    """The `k` images of the reference's dataset that are nearest to each sample of a run, by pooled features."""

    run: Key
    k: PositiveInt = 3
    threads: PositiveInt = 1


class VariationParams(Section):
    """A run's first `num_samples` seeds at several gradient scales; all else, checkpoints too, is the run's."""

    run: Key
    scales: Annotated[list[GradientScale], Field(min_length=1)]
    num_samples: PositiveInt = 8
    threads: PositiveInt = 1

    @model_validator(mode="after")
    def _scales_increase(self) -> Self:
        if sorted(set(self.scales)) != self.scales:
            raise ValueError(f"scales {self.scales} must increase")
        return self


class LikelihoodParams(Section):
    """Bits per dimension of images of a dataset under a checkpoint: the terms of L_vlb at the timesteps of `steps`.

    All T timesteps where `steps` is null: fewer bound the likelihood less tightly. The seed chooses `num_images`
    different images; each meets noise of its own, whatever the others are. None is mirrored. They are of the `part` of
    the dataset that is trained on, or of that which is held out.
    """

    checkpoint: Key
    dataset: Key
    part: Literal["training", "held_out"] = "training"
    steps: Steps | None = None
    num_images: Annotated[int, Field(ge=2)]
    micro_batch: PositiveInt = 64
    precision: Precision = "float32"
    seed: Seed = 0
    threads: PositiveInt = 1
