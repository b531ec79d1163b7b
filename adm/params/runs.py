"""Sections of runs, which are batches of samples and their scores; of studies of models; and of timings."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adm.config.base import PositiveInt
from adm.config.models import Throughput
from adm.config.sampling import (
    BitsPerDimension,
    GanSampling,
    Guide,
    GuidedSampling,
    Interpolation,
    Sampling,
    check_gradient_scale,
)
from adm.params.references import Base, Checkpoint, Dataset, Gan, Images, Model, Reference
from adm.params.section import Key, Section


class ScoredParams(Section):
    """The common part of batches of samples: their size, and how to score them.

    `reference`, if left out, is the only one of the dataset that the network was trained on, or, of several, the one
    that is named like this dataset.
    """

    num_samples: Annotated[int, Field(ge=4)]
    reference: Reference
    threads: PositiveInt = 1


class SamplingParams(ScoredParams, Sampling):
    """A batch that a diffusion model samples."""

    checkpoint: Checkpoint


class GuideParams(Section, Guide):
    """A weaker model, by its checkpoint: an earlier one of the same model, or one of another of the same images."""

    checkpoint: Checkpoint


class RunParams(SamplingParams, GuidedSampling):
    """A batch of images from noise, guided by the classifier if one is named.

    Runs with the same `curve` are sampled and scored one after another by one job, which keeps their scores and not
    their images: for points of a curve that nobody looks at one by one, and where starting jobs would take longer.
    """

    DECLARED = frozenset({"curve"})

    classifier: Checkpoint | None = None
    guide: GuideParams | None = None
    curve: Key | None = None

    @property
    def networks(self) -> dict[str, str]:
        """The checkpoints that it is sampled with, by what they do."""
        guide = None if self.guide is None else self.guide.checkpoint
        named = {"checkpoint": self.checkpoint, "classifier": self.classifier, "guide": guide}
        return {name: key for name, key in named.items() if key is not None}


class UpsampledRunParams(SamplingParams):
    """A batch that an upsampler makes from the images and labels of the run `base`: the second stage of a stack."""

    base: Base


class GanRunParams(ScoredParams, GanSampling):
    """A batch that a GAN samples."""

    gan: Gan


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

    The seed chooses `num_images` different images of a `part` of the dataset, that for training or the one held out.
    """

    checkpoint: Checkpoint
    dataset: Dataset
    part: Literal["training", "held_out"] = "training"
    num_images: Annotated[int, Field(ge=2)]


class ThroughputParams(Section, Throughput):
    """How fast a model of the params file trains."""

    model: Model
