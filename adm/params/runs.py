"""Sections of runs: batches of samples and their scores."""

from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator

from adm.arithmetic.interval import Interval
from adm.arithmetic.respacing import STEPS_PATTERN, number_of_steps, respaced_timesteps
from adm.params.models import EmaLength, Precision
from adm.params.references import Checkpoint, DiffusionRun, Reference, Schedule
from adm.params.samplers import SAMPLERS, USUAL, SamplerName
from adm.params.section import Key, PositiveInt, Section, Seed

Temperature = Annotated[float, Field(gt=0, le=1)]
EpsilonTemperature = Annotated[float, Field(gt=0, le=2)]
GradientScale = Annotated[float, Field(ge=0)]
Portion = Annotated[float, Field(ge=0, le=1)]


def _as_text(steps: Any) -> Any:
    """A number of steps that stands without quotes."""
    return str(steps) if isinstance(steps, int) and not isinstance(steps, bool) else steps


Steps = Annotated[
    str,
    Field(pattern=STEPS_PATTERN),
    BeforeValidator(_as_text, Annotated[str, Field(pattern=STEPS_PATTERN)] | PositiveInt),
]
"""The timesteps of a run: their number, or a text that tells how they are spaced."""


def check_guided(classifier: str | None, gradient_scale: float) -> None:
    """Refuse a gradient scale without a classifier.

    Raises:
        ValueError: There is none.
    """
    if classifier is None and gradient_scale:
        raise ValueError(f"gradient_scale {gradient_scale} does nothing without a classifier; name one")


class Evaluations(NamedTuple):
    """How often an image's sampling evaluates each network."""

    denoiser: int
    classifier: int = 0
    guide: int = 0


class ScoredParams(Section):
    """The common part of batches of samples: their size, and how to score them.

    `reference`, if left out, is the only one of the dataset that the network was trained on, or, of several, the one
    that is named like this dataset.
    """

    num_samples: Annotated[int, Field(ge=4)]
    reference: Reference
    threads: PositiveInt = 1


class SamplingParams(ScoredParams):
    """A batch that a diffusion model samples.

    Seed `seed` + i makes image i. `micro_batch` images are computed together, whatever the shards. With `compiled`,
    torch compiles the networks first, which takes minutes and a C++ compiler: for runs that take longer.
    With a `schedule`, which is found first, `steps` is the number of steps alone.

    `ema_length` combines the weights from the `averages` that the model kept in training, to an average of that length;
    null takes the average of its `ema_rate`.
    `clipping` is that of the predicted image: "static" to [-1, 1], "dynamic" to a percentile of its own values, which
    is then scaled to 1, or "none". `order` is UniPC's; `churn` is the noise that Heun's method adds back, where sigma
    is within `churn_range`.
    """

    checkpoint: Checkpoint
    ema_length: EmaLength | None = None
    sampler: SamplerName = USUAL
    steps: Steps = "250"
    schedule: Schedule | None = None
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    noise_temperature: Temperature = 1.0
    epsilon_temperature: EpsilonTemperature = 1.0
    clipping: Literal["static", "dynamic", "none"] = "static"
    order: Literal[2, 3] = 2
    churn: Annotated[float, Field(ge=0)] = 0.0
    churn_range: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)] | None = None
    micro_batch: PositiveInt = 64
    precision: Precision = "float32"
    compiled: bool = False
    seed: Seed = 0

    @model_validator(mode="after")
    def _fields_belong_to_the_sampler(self) -> Self:
        own = SAMPLERS[self.sampler].fields
        for name in dict.fromkeys(name for sampler in SAMPLERS.values() for name in sampler.fields):
            field = type(self).model_fields.get(name)
            if field is not None and name not in own and getattr(self, name) != field.default:
                owners = " and ".join(repr(key) for key, sampler in SAMPLERS.items() if name in sampler.fields)
                raise ValueError(
                    f"{name} {getattr(self, name)!r} is for sampler {owners}; with {self.sampler!r} leave it out"
                )
        return self

    @model_validator(mode="after")
    def _range_increases(self) -> Self:
        if self.churn_range is not None and self.churn_range[0] > self.churn_range[1]:
            raise ValueError(f"churn_range {self.churn_range} must not fall; write the lower sigma first")
        return self

    def evaluations(self, timesteps: int) -> Evaluations:
        """Of a model whose process has so many timesteps."""
        return Evaluations(SAMPLERS[self.sampler].evaluations(number_of_steps(timesteps, self.steps)))


class GuideParams(Section):
    """A weaker model that guides: eps = eps_guide + `scale` (eps - eps_guide), so scale 1 is no guidance.

    `checkpoint` is an earlier one of the same model, or one of another diffusion model of the same images and classes.

    Source: Karras et al. (2024), autoguidance.
    """

    checkpoint: Checkpoint
    scale: GradientScale


class RunParams(SamplingParams):
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
    classifier_precision: Precision = "float32"
    gradient_scale: GradientScale = 0.0
    gradient_at: Literal["x_t", "mean"] = "x_t"
    clipping_order: Literal["before", "after"] = "before"
    cfg_scale: GradientScale | None = None
    guide: GuideParams | None = None
    guidance_interval: Annotated[list[Portion], Field(min_length=2, max_length=2)] | None = None
    curve: Key | None = None

    @property
    def networks(self) -> dict[str, str]:
        """The checkpoints that it is sampled with, by what they do."""
        guide = None if self.guide is None else self.guide.checkpoint
        named = {"checkpoint": self.checkpoint, "classifier": self.classifier, "guide": guide}
        return {name: key for name, key in named.items() if key is not None}

    @property
    def denoiser_scale(self) -> float | None:
        """The scale by which a second prediction of the noise guides; None if none does."""
        scale = self.cfg_scale if self.guide is None else self.guide.scale
        return None if scale == 1 else scale

    def guided_in(self, timesteps: int) -> Interval | None:
        """The part of a process of T timesteps that is guided; None for all of it."""
        if self.guidance_interval is None:
            return None
        low, high = self.guidance_interval
        return Interval(low, high, timesteps)

    def guided_steps(self, timesteps: int) -> int:
        """How many of its steps through a process of T timesteps lie in the part that is guided."""
        interval = self.guided_in(timesteps)
        if interval is None:
            return number_of_steps(timesteps, self.steps)
        return sum(t in interval for t in respaced_timesteps(timesteps, self.steps))

    @model_validator(mode="after")
    def _scale_needs_a_classifier(self) -> Self:
        check_guided(self.classifier, self.gradient_scale)
        return self

    @model_validator(mode="after")
    def _guides_go_together(self) -> Self:
        if self.guide is not None and self.cfg_scale is not None:
            raise ValueError(f"cfg_scale {self.cfg_scale:g} and guide both replace eps_u; leave one of them out")
        if self.guidance_interval is None:
            return self
        found, (low, high) = f"guidance_interval {self.guidance_interval}", self.guidance_interval
        if low >= high:
            raise ValueError(f"{found} is empty; write [low, high], fractions of the process with low < high")
        if self.classifier is None and self.guide is None and self.cfg_scale is None:
            raise ValueError(f"{found} does nothing without guidance; give a classifier, cfg_scale or guide")
        if self.steps.startswith(("logsnr", "rho")):
            raise ValueError(f"{found} is of timesteps; with steps {self.steps!r}, even in the noise, leave it out")
        if self.gradient_at == "mean":
            raise ValueError(f"{found} is of timesteps of x_t; with gradient_at 'mean' leave it out")
        return self

    def evaluations(self, timesteps: int) -> Evaluations:
        """Of a model whose process has so many timesteps; of what guides, where it does."""
        denoiser = super().evaluations(timesteps).denoiser
        guided = denoiser
        if self.guidance_interval is not None:
            guided = SAMPLERS[self.sampler].evaluations(self.guided_steps(timesteps))
        return Evaluations(
            denoiser, guided if self.gradient_scale else 0, guided if self.denoiser_scale is not None else 0
        )


class UpsampledRunParams(SamplingParams):
    """A batch that an upsampler makes from the images and labels of the run `base`: the second stage of a stack."""

    base: DiffusionRun
