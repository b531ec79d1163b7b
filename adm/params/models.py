"""Sections of what is trained: models, and the chains of segments that train them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adm.params.networks import ClassifierParams, UNetParams, UpsamplerParams
from adm.params.section import Fraction, Key, PositiveInt, Section, Seed

Precision = Literal["float32", "bfloat16", "float16"]


class NoiseParams(Section):
    """The noise that a model is trained on."""

    timesteps: PositiveInt
    schedule: Literal["linear", "cosine"]

    @model_validator(mode="after")
    def _betas_stay_below_one(self) -> Self:
        # The linear schedule's last beta is 20 / T.
        if self.schedule == "linear" and self.timesteps <= 20:
            raise ValueError(f"timesteps {self.timesteps} is too few for schedule 'linear', which needs more than 20")
        return self


class ProcessParams(NoiseParams):
    """A noise, and the variance of the process that takes it away."""

    variance: Literal["learned_range", "beta", "beta_tilde"] = "learned_range"


class TrainingParams(Section):
    """How a model is optimised: AdamW with beta_1 = 0.9, beta_2 = 0.999 (Appendix K).

    `accumulation` splits a batch into that many micro-batches. `annealing` is the iteration at which a linearly
    falling learning rate reaches zero; null keeps it constant. With `ema_warmup` the moving average of the weights is
    short at first: update i averages at a rate of (1 + i) / (10 + i) until that exceeds `ema_rate`.
    """

    batch_size: PositiveInt
    accumulation: PositiveInt = 1
    learning_rate: Annotated[float, Field(gt=0)]
    annealing: PositiveInt | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    ema_rate: Fraction
    ema_warmup: bool = False
    precision: Precision = "float32"
    crop: Literal["centre", "random"] = "centre"
    flip: bool
    timestep_sampler: Literal["uniform", "loss_second_moment"] = "uniform"
    seed: Seed
    threads: PositiveInt

    @model_validator(mode="after")
    def _accumulation_divides_batch(self) -> Self:
        if self.batch_size % self.accumulation:
            raise ValueError(f"accumulation {self.accumulation} does not divide batch_size {self.batch_size}")
        return self


class _Denoiser(Section):
    noise: ProcessParams
    objective: Literal["simple", "vlb", "hybrid"]
    training: TrainingParams

    @model_validator(mode="after")
    def _objective_fits_variance(self) -> Self:
        learned = self.noise.variance == "learned_range"
        if learned and self.objective == "simple":
            raise ValueError("objective 'simple' leaves variance 'learned_range' untrained; use 'hybrid' or 'vlb'")
        if not learned and self.objective == "hybrid":
            raise ValueError(f"objective 'hybrid' needs variance 'learned_range', not {self.noise.variance!r}")
        return self


class DiffusionModelParams(_Denoiser):
    """A diffusion model."""

    kind: Literal["diffusion"]
    network: UNetParams


class UpsamplerModelParams(_Denoiser):
    """A diffusion model that upsamples."""

    kind: Literal["upsampler"]
    network: UpsamplerParams


class ClassifierModelParams(Section):
    """A classifier of noised images, p(y | x_t)."""

    kind: Literal["classifier"]
    network: ClassifierParams
    noise: NoiseParams
    training: TrainingParams


class UniformModelParams(Section):
    """The classifier that knows nothing: p(y | x_t) is constant, its gradient zero, so guidance by it is none."""

    kind: Literal["uniform"]


ModelParams = Annotated[
    DiffusionModelParams | UpsamplerModelParams | ClassifierModelParams | UniformModelParams,
    Field(discriminator="kind"),
]


class SegmentParams(Section):
    """A stretch of a model's training, from the checkpoint `previous` to iteration `stop`.

    Its own key names the checkpoint it ends in. `<model>-0` is every model's initial checkpoint.
    """

    model: Key
    dataset: Key
    previous: Key
    stop: PositiveInt
