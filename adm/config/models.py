"""What a model and a GAN are and how they are trained, and timings of training."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from adm.config.base import Config, Fraction, Increasing, PositiveInt, Seed
from adm.config.networks import ClassifierParams, UNetParams, UpsamplerParams
from adm.config.schedules import SCHEDULES, respaced_timesteps, sigmas_of

Precision = Literal["float32", "tf32", "bfloat16", "float16"]
"""Precision of arithmetic; "tf32" is float32 whose products a GPU rounds to TensorFloat-32, and float32 on a CPU."""

VarianceKind = Literal["learned_range", "beta", "beta_tilde"]
TargetName = Literal["eps", "v", "x_0"]


class NoiseParams(Config):
    """The noise that a model is trained on."""

    timesteps: PositiveInt = 1000
    schedule: Literal["linear", "cosine"] = "linear"

    @model_validator(mode="after")
    def _betas_stay_below_one(self) -> Self:
        # The linear schedule's last beta is 20 / T.
        if self.schedule == "linear" and self.timesteps <= 20:
            raise ValueError(f"timesteps {self.timesteps} is too few for schedule 'linear', which needs more than 20")
        return self

    def visited(self, steps: str) -> list[int]:
        """Choose the timesteps that a sampler visits, as `respaced_timesteps` does."""
        return respaced_timesteps(self.timesteps, steps, sigmas_of(SCHEDULES[self.schedule](self.timesteps)))


class ProcessParams(NoiseParams):
    """The noise, and what a network tells of the reverse process.

    `predicts` is the noise, as in the paper, or the image x_0, or v, between the two (Salimans and Ho 2022).
    """

    variance: VarianceKind = "learned_range"
    predicts: TargetName = "eps"


EmaLength = Annotated[float, Field(ge=0.01, le=0.28)]
"""The length of an average of weights: the standard deviation of its profile as a share of training so far."""


class TrainingSeeds(Config):
    """The three seeds of a training.

    `weights` draws the initial weights, `data` the order of the images with their crops and flips, and `noise` all that
    the loss draws anew: timesteps, epsilon, dropout, dropped labels and noise on small images.
    """

    weights: Seed
    data: Seed
    noise: Seed


def _one_or_three(value: Any) -> Any:
    # Checked here, because pydantic's own messages would name the members of the union, too.
    are_three = isinstance(value, dict) and value.keys() == TrainingSeeds.model_fields.keys()
    if isinstance(value, TrainingSeeds) or all(map(is_seed, value.values() if are_three else [value])):
        return value
    raise ValueError(f"{value!r} is not accepted; write a whole number from 0 on, or {{weights: 1, data: 2, noise: 3}}")


def is_seed(value: Any) -> bool:
    """Tell whether a value from YAML is a seed: a whole number from 0 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class TrainingParams(Config):
    """How to optimise a model: AdamW with beta_1 = 0.9, beta_2 = 0.999 (Appendix K).

    With `optimizer` "muon" the weights of convolutions and attention between feature maps have steps whose singular
    values are alike (Jordan et al. 2024), and AdamW updates the others; `learning_rate` is of both.

    `accumulation` splits a batch into that many micro-batches. `annealing` is the iteration at which the linearly
    falling learning rate reaches zero; null keeps the rate constant. With `ema_warmup` the moving average of the
    weights is short at first: update i uses the rate (1 + i) / (10 + i) until that exceeds `ema_rate`. With
    `ema_rate` null the last weights are used instead of their average. The paper uses the average "for all
    experiments"; the released trainer of classifiers keeps none. `averages` are lengths of further ones, under power
    functions, that are kept beside that one; each takes the memory of the weights once more (Karras et al. 2024).

    `crop` "random" draws another crop each time, of at least 0.8 of the short side. Where the dataset has `stored`
    "files", crops are cut from the source images, as the released trainer does. From stored pixels they are cut from
    the squares as they are: they hold nothing outside the centre crop, and a square that is no larger than the
    network's images is enlarged first.

    `label_dropout` is the probability with which an image is shown without its class, so that the model also learns to
    denoise without one; classifier-free guidance, `cfg_scale` of runs, needs that.

    `seed` is one number for all that is random, or three by name, `{weights: 1, data: 2, noise: 3}`.
    """

    batch_size: PositiveInt
    accumulation: PositiveInt = 1
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 1.0e-4
    annealing: PositiveInt | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    ema_rate: Fraction | None = 0.9999
    ema_warmup: bool = False
    averages: Annotated[list[EmaLength], Field(min_length=1), Increasing] | None = None
    precision: Precision = "float32"
    crop: Literal["centre", "random"] = "centre"
    flip: bool = False
    label_dropout: Fraction = 0.0
    seed: Annotated[Seed | TrainingSeeds, BeforeValidator(_one_or_three)] = 0
    threads: PositiveInt = 1

    @property
    def seeds(self) -> TrainingSeeds:
        """The three seeds; one number is all of them."""
        seed = self.seed
        return seed if isinstance(seed, TrainingSeeds) else TrainingSeeds(weights=seed, data=seed, noise=seed)


class _Model(Config):
    training: TrainingParams

    @model_validator(mode="after")
    def _labels_can_be_dropped(self) -> Self:
        has_labels = isinstance(self, DiffusionModel) and self.network.num_classes
        if (rate := self.training.label_dropout) and not has_labels:
            raise ValueError(f"training.label_dropout {rate} is for diffusion models with classes; leave it out")
        return self


class _Denoiser(_Model):
    """The common part of diffusion models and upsamplers.

    `min_snr` weighs squared errors so that none counts more than `min_snr` times that of x_0, nor more than SNR times,
    whatever is predicted (Hang et al. 2023, who took 5); null leaves them as they are, as in the paper.
    """

    noise: ProcessParams = ProcessParams()
    objective: Literal["simple", "vlb", "hybrid"] = "hybrid"
    min_snr: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _objective_fits_variance(self) -> Self:
        learned = self.noise.variance == "learned_range"
        if learned and self.objective == "simple":
            raise ValueError("objective 'simple' leaves variance 'learned_range' untrained; use 'hybrid' or 'vlb'")
        if not learned and self.objective == "hybrid":
            raise ValueError(f"objective 'hybrid' needs variance 'learned_range', not {self.noise.variance!r}")
        if self.objective == "vlb" and self.min_snr is not None:
            raise ValueError("min_snr weighs squared errors, and objective 'vlb' has none; leave it out")
        return self


class DiffusionModel(_Denoiser):
    """A diffusion model."""

    kind: Literal["diffusion"]
    network: UNetParams


class UpsamplerModel(_Denoiser):
    """A diffusion model that upsamples.

    In training each small image has noise, of a standard deviation drawn uniformly from 0 to `noise_augmentation`, in
    units of [-1, 1]. What leaves that range is cut off, and the network is not told how much it is (Ho et al. 2022).
    """

    kind: Literal["upsampler"]
    network: UpsamplerParams
    noise_augmentation: Annotated[float, Field(ge=0)] = 0.0


class ClassifierModel(_Model):
    """A classifier of noised images, p(y | x_t)."""

    kind: Literal["classifier"]
    network: ClassifierParams
    noise: NoiseParams = NoiseParams()


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


class Throughput(Config):
    """How fast a model trains, with a naive and an optimised implementation in turns (Table 7).

    Each of the `repetitions` times `steps` updates of both, which have the same `precision`. `device` is what computes:
    it is what is measured, so it stands here and not under `resources`.
    """

    naive_batch: PositiveInt
    optimised_batch: PositiveInt
    precision: Precision = "float32"
    steps: PositiveInt = 5
    repetitions: PositiveInt = 5
    threads: PositiveInt = 1
    device: Literal["cpu", "cuda"] = "cpu"


AnyModel = Annotated[DiffusionModel | UpsamplerModel | ClassifierModel, Field(discriminator="kind")]


def check_equal(place: str, name: str, found: Any, owner: str, expected: Any) -> None:
    """Refuse a thing whose property `name` differs from that of its counterpart.

    Raises:
        ValueError: The values differ; the message names both.
    """
    if found != expected:
        raise ValueError(f"{place}: its {name} is {found!r}, but {owner} has {expected!r}")


def check_alike(place: str, found: Config, owner: str, expected: Config, fields: Iterable[str]) -> None:
    """Refuse a section of which one of the given fields differs from that of its counterpart, as `check_equal` does."""
    for field in fields:
        check_equal(place, field, getattr(found, field), owner, getattr(expected, field))


def check_fits(place: str, classifier: ClassifierModel, owner: str, model: DiffusionModel) -> None:
    """Refuse a classifier that cannot guide a model; `place` and `owner` name them in the message.

    Raises:
        ValueError: They differ; the message names what in.
    """
    check_alike(place, classifier.noise, owner, model.noise, NoiseParams.model_fields)
    classes = [] if model.network.num_classes is None else ["num_classes"]
    check_alike(place, classifier.network, owner, model.network, ["image_size", "image_channels", *classes])


def check_guide(place: str, guide: DiffusionModel, owner: str, model: DiffusionModel) -> None:
    """Refuse a weaker model that cannot guide a model; the arguments are like those of `check_fits`.

    Raises:
        ValueError: They differ; the message names what in.
    """
    used = [field for field in ProcessParams.model_fields if field != "variance"]
    check_alike(place, guide.noise, owner, model.noise, used)
    check_alike(place, guide.network, owner, model.network, ["image_size", "image_channels", "num_classes"])


def parts_of(batch: int, accumulation: int, processes: int) -> int:
    """Count the micro-batches of a batch, of which each process computes as many: `accumulation`, or one a process.

    Raises:
        ValueError: The processes cannot share a batch evenly.
    """
    parts = max(accumulation, processes)
    if batch % parts or parts % accumulation or parts % processes:
        raise ValueError(
            f"batch_size {batch} in {accumulation} micro-batches cannot be shared evenly by {processes} processes; one "
            "of accumulation and processes must be a multiple of the other, and divide batch_size"
        )
    return parts


def check_shared(model: AnyModel, processes: int) -> None:
    """Refuse a number of processes that cannot share a model's batches, or whose losses would not follow those of one.

    Raises:
        ValueError: Names what does not fit.
    """
    accumulation = model.training.accumulation
    parts_of(model.training.batch_size, accumulation, processes)
    # What is drawn for a micro-batch as a whole is another for smaller ones.
    drawn = {"dropout": model.network.dropout, "noise_augmentation": getattr(model, "noise_augmentation", 0.0)}
    whole = " and ".join(f"{name} {value}" for name, value in drawn.items() if value)
    if whole and accumulation % processes:
        raise ValueError(
            f"accumulation {accumulation} is no multiple of {processes} processes, though whole micro-batches draw for "
            f"{whole}; raise accumulation to a multiple of {processes}"
        )
