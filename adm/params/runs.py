"""Sections of runs: batches of samples and their scores."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from adm.config.base import PositiveInt
from adm.config.sampling import Guide, GuidedSampling, Sampling
from adm.params.references import Checkpoint, DiffusionRun, Reference, Schedule
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
    """A batch that a diffusion model samples.

    Seed `seed` + i makes image i. `micro_batch` images are computed together, whatever the shards. With `compiled`,
    torch compiles the networks first, which takes minutes and a C++ compiler: for runs that take longer.
    With a `schedule`, which is found first, `steps` is the number of steps alone.

    `ema_length` combines the weights from the `averages` that the model kept in training, to an average of that length;
    null takes the average of its `ema_rate`.
    `clipping` is that of the predicted image: "static" to [-1, 1], or "none". `order` is UniPC's.
    """

    checkpoint: Checkpoint
    schedule: Schedule | None = None


class GuideParams(Section, Guide):
    """A weaker model that guides: eps = eps_guide + `scale` (eps - eps_guide), so scale 1 is no guidance.

    `checkpoint` is an earlier one of the same model, or one of another diffusion model of the same images and classes.

    Source: Karras et al. (2024), autoguidance.
    """

    checkpoint: Checkpoint


class RunParams(SamplingParams, GuidedSampling):
    """A batch of images from noise, guided by the classifier if one is named.

    `precision` is that of the diffusion model. The classifier has its own, `classifier_precision`: its gradient is
    small, so it is float32 unless another one is asked for.

    Two other ways to guide change the predicted noise. With `cfg_scale` s it is eps_u + s (eps - eps_u), where eps_u
    is predicted without the class: 1 is the conditional model, 0 the unconditional one. With `guide`, eps_u is that of
    a weaker model. A classifier may be added to either; its gradient then shifts the changed eps.

    `clipping_order` is whether the predicted image is clipped before the classifier's gradient shifts it, as in the
    paper, or after. DDPM has no such order: there the gradient shifts the mean of the next image.

    `guidance_interval`, [low, high], limits all guidance to timesteps t of the T of training with low <= t / T <= high;
    what guides is not computed at the others.

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

    base: DiffusionRun
