"""Sections of runs: batches of samples and their scores."""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from adm.arithmetic.respacing import STEPS_PATTERN, number_of_steps
from adm.params.models import Precision
from adm.params.samplers import SAMPLERS, USUAL, SamplerName
from adm.params.section import Key, PositiveInt, Section, Seed

Temperature = Annotated[float, Field(gt=0, le=1)]
GradientScale = Annotated[float, Field(ge=0)]
Steps = Annotated[str, Field(pattern=STEPS_PATTERN)]


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


class ScoredParams(Section):
    """The common part of batches of samples: their size, and how to score them.

    `replicates` is the number of bootstrap replicates for the intervals of claims.
    """

    num_samples: Annotated[int, Field(ge=4)]
    reference: Key
    replicates: PositiveInt = 200
    threads: PositiveInt = 1


class SamplingParams(ScoredParams):
    """A batch that a diffusion model samples.

    Seed `seed` + i makes image i. `micro_batch` images are computed together, whatever the shards. With `compiled`,
    torch compiles the denoiser first, which takes half a minute and a C++ compiler: for runs that take longer.
    `clipping` is that of the predicted image: "static" to [-1, 1], "dynamic" to a percentile of its own values, which
    is then scaled to 1, or "none". `order` is UniPC's; `churn` is the noise that Heun's method adds back, where sigma
    is within `churn_range`.
    """

    checkpoint: Key
    sampler: SamplerName = USUAL
    steps: Steps = "250"
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    noise_temperature: Temperature = 1.0
    epsilon_temperature: Temperature = 1.0
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


class RunParams(SamplingParams):
    """A batch of images from noise, guided by the classifier if one is named.

    `precision` is that of the diffusion model. The classifier has its own, `classifier_precision`: its gradient is
    small, so it is float32 unless another one is asked for.
    """

    classifier: Key | None = None
    classifier_precision: Precision = "float32"
    gradient_scale: GradientScale = 0.0
    gradient_at: Literal["x_t", "mean"] = "x_t"

    @model_validator(mode="after")
    def _scale_needs_a_classifier(self) -> Self:
        check_guided(self.classifier, self.gradient_scale)
        return self

    def evaluations(self, timesteps: int) -> Evaluations:
        """Of a model whose process has so many timesteps; of the classifier if it guides."""
        denoiser = super().evaluations(timesteps).denoiser
        return Evaluations(denoiser, denoiser if self.gradient_scale else 0)


class UpsampledRunParams(SamplingParams):
    """A batch that an upsampler makes from the images and labels of the run `base`: the second stage of a stack."""

    base: Key
