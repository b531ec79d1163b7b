"""The comparator: a class-conditional GAN."""

from typing import Annotated

from pydantic import Field

from adm.config.base import Config, Fraction, PositiveInt, Seed


class Gan(Config):
    """A class-conditional GAN and its training: hinge loss, Adam, an averaged generator.

    Image size and classes are the dataset's. `channels` is the width at full resolution; each halving doubles it. An
    iteration updates the discriminator `discriminator_steps` times, each time on a new batch, and the generator once.
    `discriminator_rate` and `generator_rate` are learning rates; both fall linearly to zero at the last iteration.
    """

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
