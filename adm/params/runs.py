"""Sections of what is sampled and scored."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adm.params.models import Precision
from adm.params.section import Key, PositiveInt, Section, Seed
from adm.params.steps import STEPS_PATTERN

Temperature = Annotated[float, Field(gt=0, le=1)]
Steps = Annotated[str, Field(pattern=STEPS_PATTERN)]


class RunParams(Section):
    """One batch of samples and its score.

    Image i is made by seed `seed` + i alone. `micro_batch` images are computed together, whatever the shards.
    `sweep` names the group of runs that a table or figure compares.
    """

    sweep: Key
    checkpoint: Key
    classifier: Key
    gradient_scale: Annotated[float, Field(ge=0)]
    gradient_at: Literal["x_t", "mean"] = "x_t"
    sampler: Literal["ddpm", "ddim"]
    steps: Steps
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    noise_temperature: Temperature = 1.0
    epsilon_temperature: Temperature = 1.0
    num_samples: Annotated[int, Field(ge=4)]
    micro_batch: PositiveInt
    precision: Precision = "float32"
    seed: Seed
    threads: PositiveInt
    extractor: Key
    reference: Key

    @model_validator(mode="after")
    def _options_belong_to_sampler(self) -> Self:
        if self.sampler == "ddpm" and self.eta:
            raise ValueError(f"eta {self.eta} is DDIM's; with sampler 'ddpm' leave it out")
        if self.sampler == "ddim" and self.gradient_at == "mean":
            raise ValueError("gradient_at 'mean' is Algorithm 1's; with sampler 'ddim' use 'x_t'")
        return self
