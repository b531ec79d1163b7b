"""Sections of studies: interpolations, neighbours, variations, likelihoods, schedules that are found, and timings."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adm.config.base import PositiveInt, Seed
from adm.config.sampling import (
    BitsPerDimension,
    Bound,
    GradientScale,
    Interpolation,
    Steps,
    Variational,
    check_gradient_scale,
)
from adm.config.throughput import Throughput
from adm.params.references import Checkpoint, Dataset, DiffusionRun, Model, Scored
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


class VariationalParams(BoundParams, Variational):
    """The schedules of every number of steps with the least variational bound.

    They are chosen among the timesteps of `among`, or among all T if it is null.
    """

    kind: Literal["variational"]


class SearchParams(Section):
    """The schedule with the least FID of some that divide a run's number of steps among equal `sections`.

    The `known` schedules take part, and others drawn by the seed, together `candidates`. All are sampled as the run is,
    with the same seeds, from `seed` on. Round by round a quarter of them stays, scored on four times as many images, at
    last on `num_samples`. Runs that take the schedule need other seeds, else the search would judge itself.
    """

    kind: Literal["search"]
    run: DiffusionRun
    sections: Annotated[int, Field(ge=1, le=5)] = 5
    known: list[Steps] = []
    candidates: PositiveInt = 16
    num_samples: Annotated[int, Field(ge=4)]
    seed: Seed = 2_000_000_000
    threads: PositiveInt = 1


AnyScheduleParams = VariationalParams | SearchParams

ScheduleParams = Annotated[AnyScheduleParams, Field(discriminator="kind")]


class ThroughputParams(Section, Throughput):
    """How fast a model trains, with a naive and an optimised implementation in turns (Table 7).

    Each of the `repetitions` times `steps` updates of both. The naive implementation always uses float32. `device` is
    what computes: it is what is measured, so it stands here and not under `resources`.
    """

    model: Model
