"""Sections of the comparator: class-conditional GANs, and batches of their samples with truncation."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from adm.params.references import Dataset, Gan
from adm.params.runs import ScoredParams
from adm.params.section import Fraction, PositiveInt, Section, Seed

Truncation = Annotated[float, Field(gt=0, le=1)]


class GanParams(Section):
    """A class-conditional GAN and its training: hinge loss, Adam, an averaged generator.

    Image size and classes are the dataset's. `channels` is the width at full resolution; each halving doubles it. An
    iteration updates the discriminator `discriminator_steps` times, each time on a new batch, and the generator once.
    `discriminator_rate` and `generator_rate` are learning rates; both fall linearly to zero at the last iteration.
    """

    dataset: Dataset
    latent: PositiveInt = 16
    channels: Annotated[int, Field(ge=8, multiple_of=8)] = 16
    iterations: PositiveInt
    batch_size: PositiveInt = 64
    discriminator_steps: PositiveInt = 1
    generator_rate: Annotated[float, Field(gt=0)] = 1.0e-3
    discriminator_rate: Annotated[float, Field(gt=0)] = 1.0e-3
    ema_rate: Fraction = 0.995
    seed: Seed = 0
    threads: PositiveInt = 1


class GanRunParams(ScoredParams):
    """One batch of a GAN's samples and its score.

    Seed `seed` + i makes image i. `truncation` scales latents from a normal distribution cut at two standard
    deviations. Labels are drawn from `classes`; null means all.
    """

    gan: Gan
    truncation: Truncation = 1.0
    classes: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    micro_batch: PositiveInt = 64
    seed: Seed = 0

    @model_validator(mode="after")
    def _classes_once(self) -> Self:
        repeated = sorted({label for label in self.classes or [] if (self.classes or []).count(label) > 1})
        if repeated:
            raise ValueError(f"classes holds {', '.join(map(str, repeated))} more than once")
        return self
