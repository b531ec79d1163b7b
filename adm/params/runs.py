"""Sections of what is sampled and scored."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adm.params.models import Precision
from adm.params.samplers import SAMPLERS, SamplerName
from adm.params.section import Key, PositiveInt, Section, Seed
from adm.params.steps import STEPS_PATTERN

Temperature = Annotated[float, Field(gt=0, le=1)]
Steps = Annotated[str, Field(pattern=STEPS_PATTERN)]


class ScoredParams(Section):
    """What every batch of samples has: its size, and what it is scored with.

    `replicates` are the bootstrap's, for the intervals of the claims.
    """

    num_samples: Annotated[int, Field(ge=4)]
    extractor: Key
    reference: Key
    replicates: PositiveInt
    threads: PositiveInt


class SamplingParams(ScoredParams):
    """A batch that a diffusion model samples.

    Image i is made by seed `seed` + i alone. `micro_batch` images are computed together, whatever the shards.
    """

    checkpoint: Key
    sampler: SamplerName
    steps: Steps
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    noise_temperature: Temperature = 1.0
    epsilon_temperature: Temperature = 1.0
    micro_batch: PositiveInt
    precision: Precision = "float32"
    seed: Seed

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


class RunParams(SamplingParams):
    """A batch of images from noise, guided by a classifier."""

    classifier: Key
    gradient_scale: Annotated[float, Field(ge=0)]
    gradient_at: Literal["x_t", "mean"] = "x_t"


class UpsampledRunParams(SamplingParams):
    """A batch that an upsampler makes of the images and labels of the run `base`: the second stage of a stack."""

    base: Key
