"""Sections of the comparator: class-conditional GANs, and batches of their samples with truncation."""

from adm.config.gans import Gan
from adm.config.sampling import GanSampling
from adm.params.references import Dataset
from adm.params.references import Gan as GanKey
from adm.params.runs import ScoredParams
from adm.params.section import Section


class GanParams(Section, Gan):
    """A class-conditional GAN and its training: hinge loss, Adam, an averaged generator.

    Image size and classes are the dataset's. `channels` is the width at full resolution; each halving doubles it. An
    iteration updates the discriminator `discriminator_steps` times, each time on a new batch, and the generator once.
    `discriminator_rate` and `generator_rate` are learning rates; both fall linearly to zero at the last iteration.
    """

    dataset: Dataset


class GanRunParams(ScoredParams, GanSampling):
    """One batch of a GAN's samples and its score.

    Seed `seed` + i makes image i. `truncation` scales latents from a normal distribution cut at two standard
    deviations. Labels are drawn from `classes`; null means all.
    """

    gan: GanKey
