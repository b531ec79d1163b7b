"""Sections of the studies behind single figures: interpolations, neighbours, gradient scales, likelihoods."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adm.params.models import Precision
from adm.params.runs import Steps
from adm.params.section import Key, PositiveInt, Section, Seed

GradientScale = Annotated[float, Field(ge=0)]


class InterpolationParams(Section):
    """Interpolations between real images in DDIM's latent space, and the error of reconstructing from it.

    `pairs` are the rows of the picture and `points` the images of a row, both endpoints' reconstructions included.
    `reconstructions` more images are encoded and decoded to measure the error.
    """

    checkpoint: Key
    classifier: Key
    dataset: Key
    gradient_scale: GradientScale
    steps: Steps
    pairs: PositiveInt
    points: Annotated[int, Field(ge=3)]
    reconstructions: PositiveInt
    micro_batch: PositiveInt
    precision: Precision = "float32"
    seed: Seed
    threads: PositiveInt


class NeighboursParams(Section):
    """The `k` images of `dataset`, the reference's, that are nearest to each sample of a run, by pooled features."""

    run: Key
    reference: Key
    dataset: Key
    k: PositiveInt = 3
    threads: PositiveInt


class VariationParams(Section):
    """A run's first `num_samples` seeds at several gradient scales; all else, checkpoints too, is the run's."""

    run: Key
    checkpoint: Key
    classifier: Key
    scales: Annotated[list[GradientScale], Field(min_length=1)]
    num_samples: PositiveInt
    threads: PositiveInt

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
    micro_batch: PositiveInt
    precision: Precision = "float32"
    seed: Seed
    threads: PositiveInt
