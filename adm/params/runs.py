"""Sections of runs: batches of samples and their scores."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from adm.config.base import PositiveInt
from adm.config.sampling import GanSampling, Guide, GuidedSampling, Sampling
from adm.params.references import Base, Checkpoint, Gan, Reference
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

    @model_validator(mode="after")
    def _something_guides(self) -> Self:
        self.check_guided(self.classifier is not None)
        return self


class UpsampledRunParams(SamplingParams):
    """A batch that an upsampler makes from the images and labels of the run `base`: the second stage of a stack."""

    base: Base


class GanRunParams(ScoredParams, GanSampling):
    """A batch that a GAN samples."""

    gan: Gan
