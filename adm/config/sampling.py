"""How to sample diffusion models and GANs, and how to study models by their samples and their bounds."""

from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator

from adm.config.base import Classes, Config, PositiveInt, Seed
from adm.config.models import DiffusionModel, EmaLength, NoiseParams, Precision
from adm.config.samplers import SAMPLERS, USUAL, SamplerName
from adm.config.schedules import STEPS_PATTERN, number_of_steps

Temperature = Annotated[float, Field(gt=0, le=1)]
EpsilonTemperature = Annotated[float, Field(gt=0, le=2)]
GradientScale = Annotated[float, Field(ge=0)]
Truncation = Annotated[float, Field(gt=0, le=1)]
Portion = Annotated[float, Field(ge=0, le=1)]


def _as_text(steps: Any) -> Any:
    """Return a number of steps that stands without quotes."""
    if isinstance(steps, float | bool):
        raise ValueError(f"{steps!r} is not accepted; write a whole number, or a text, as 'ddim25'")
    return str(steps) if isinstance(steps, int) else steps


Steps = Annotated[
    str,
    Field(pattern=STEPS_PATTERN),
    BeforeValidator(_as_text, Annotated[str, Field(pattern=STEPS_PATTERN)] | PositiveInt),
]
"""The timesteps of a run: their number, or a text that tells how they are spaced."""


def check_gradient_scale(by_classifier: bool, gradient_scale: float, hint: str = "name one") -> None:
    """Refuse a gradient scale without a classifier; the hint says what to do.

    Raises:
        ValueError: There is none.
    """
    if gradient_scale and not by_classifier:
        raise ValueError(f"gradient_scale: {gradient_scale} does nothing without a classifier; {hint}")


class Evaluations(NamedTuple):
    """How often an image's sampling evaluates each network."""

    denoiser: int
    classifier: int = 0
    guide: int = 0


class Batch(Config):
    """A batch of samples: seed `seed` + i makes image i, and `micro_batch` images are computed together."""

    num_samples: PositiveInt
    threads: PositiveInt = 1
    micro_batch: PositiveInt = 64
    seed: Seed = 0

    @property
    def blocks(self) -> range:
        """Number the blocks. Block b holds seeds `seed` + [b, b + 1) x `micro_batch`; the last is computed whole."""
        return range(-(-self.num_samples // self.micro_batch))


class Sampling(Batch):
    """How a diffusion model samples a batch.

    With `compiled`, torch compiles the networks first, which takes a minute and a C++ compiler. Later jobs of the same
    architecture, batch, precision and threads take the program from the user's cache folder.

    `ema_length` takes the average of that length, of the `averages` that the model kept in training; null takes that of
    its `ema_rate`. `clipping` is that of the predicted image: "static" to [-1, 1], or "none". `order` is UniPC's.
    """

    ema_length: EmaLength | None = None
    sampler: SamplerName = USUAL
    steps: Steps = "250"
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    noise_temperature: Temperature = 1.0
    epsilon_temperature: EpsilonTemperature = 1.0
    clipping: Literal["static", "none"] = "static"
    order: Literal[2, 3] = 2
    precision: Precision = "float32"
    compiled: bool = False

    @model_validator(mode="after")
    def _fields_belong_to_the_sampler(self) -> Self:
        own = SAMPLERS[self.sampler].fields
        for name in dict.fromkeys(name for sampler in SAMPLERS.values() for name in sampler.fields):
            field = type(self).model_fields.get(name)
            if field is not None and name not in own and getattr(self, name) != field.default:
                owners = " and ".join(repr(key) for key, sampler in SAMPLERS.items() if name in sampler.fields)
                raise ValueError(f"{name} {getattr(self, name)!r} is for sampler {owners}, not {self.sampler!r}")
        return self

    def evaluations(self, noise: NoiseParams) -> Evaluations:
        """Count network evaluations per image, given the noise of the model."""
        return Evaluations(SAMPLERS[self.sampler].evaluations(number_of_steps(noise.timesteps, self.steps)))


class Guide(Config):
    """A weaker model that guides: eps = eps_guide + `scale` (eps - eps_guide), so scale 1 is no guidance.

    Source: Karras et al. (2024), autoguidance.
    """

    scale: GradientScale


class GuidedSampling(Sampling):
    """How a diffusion model samples a batch from noise, guided or not.

    `precision` is that of the diffusion model. The classifier has its own, `classifier_precision`: its gradient is
    small, so it is float32 unless another one is asked for.

    Two other ways to guide change the predicted noise. With `cfg_scale` s it is eps_u + s (eps - eps_u), where eps_u
    is predicted without the class: 1 is the conditional model, 0 the unconditional one. With `guide`, eps_u is that of
    a weaker model. A classifier may be added to either; its gradient then shifts the changed eps.

    `clipping_order` is whether the predicted image is clipped before the classifier's gradient shifts it, as in the
    paper, or after. DDPM has no such order: there the gradient shifts the mean of the next image.

    `guidance_interval`, [low, high], limits all guidance to timesteps t of the T of training with low <= t / T <= high;
    what guides is not computed at the others.

    `class_counts` draws classes as often as there are images of each; null draws all equally often. Where a reference's
    classes are of unequal size, samples of equally many have a higher FID to it, whatever the model.
    """

    class_counts: list[Annotated[int, Field(ge=0)]] | None = None
    classifier_precision: Precision = "float32"
    gradient_scale: GradientScale = 0.0
    clipping_order: Literal["before", "after"] = "before"
    cfg_scale: GradientScale | None = None
    guide: Guide | None = None
    guidance_interval: Annotated[list[Portion], Field(min_length=2, max_length=2)] | None = None

    def check_guided(self, by_classifier: bool, owner: str, model: DiffusionModel) -> None:
        """Refuse guidance that does nothing, and that which a model, called `owner` in messages, is not trained for.

        Raises:
            ValueError: The message begins with the field.
        """
        check_gradient_scale(by_classifier, self.gradient_scale, "name one, or let cfg_scale guide")
        if self.cfg_scale is not None and not model.training.label_dropout:
            lacks = f"{owner} is trained without label_dropout, so it predicts nothing without a class"
            raise ValueError(f"cfg_scale: {self.cfg_scale:g} cannot guide, as {lacks}; give it some, or leave this out")
        if self.guidance_interval and not by_classifier and self.guide is None and self.cfg_scale is None:
            raise ValueError(f"guidance_interval: {self.guidance_interval} does nothing without guidance")
        if self.guidance_interval and not self.guided_steps(model.noise):
            raise ValueError(f"guidance_interval: {self.guidance_interval} holds none of steps {self.steps!r}")

    @property
    def denoiser_scale(self) -> float | None:
        """The scale by which a second prediction of the noise guides; None if none does."""
        scale = self.cfg_scale if self.guide is None else self.guide.scale
        return None if scale == 1 else scale

    def guided_at(self, timesteps: int) -> frozenset[int] | None:
        """Return the timesteps of a process of T that are guided; None for all of them."""
        if self.guidance_interval is None:
            return None
        low, high = self.guidance_interval
        return frozenset(t for t in range(timesteps) if low <= t / timesteps <= high)

    def guided_steps(self, noise: NoiseParams) -> int:
        """Tell how many of its steps through a process lie in the part that is guided."""
        guided = self.guided_at(noise.timesteps)
        if guided is None:
            return number_of_steps(noise.timesteps, self.steps)
        return len(guided.intersection(noise.visited(self.steps)))

    @model_validator(mode="after")
    def _guides_go_together(self) -> Self:
        if self.guide is not None and self.cfg_scale is not None:
            raise ValueError(f"cfg_scale {self.cfg_scale:g} and guide both replace eps_u; leave one of them out")
        low, high = self.guidance_interval or (0.0, 1.0)
        if low >= high:
            wanted = "[low, high], fractions of the process with low < high"
            raise ValueError(f"guidance_interval {self.guidance_interval} is empty; write {wanted}")
        return self

    def evaluations(self, noise: NoiseParams) -> Evaluations:
        """Count network evaluations per image, given the noise of the model; of what guides, only where it does."""
        denoiser = super().evaluations(noise).denoiser
        guided = SAMPLERS[self.sampler].evaluations(self.guided_steps(noise))
        by_classifier, by_denoiser = bool(self.gradient_scale), self.denoiser_scale is not None
        return Evaluations(denoiser, guided * by_classifier, guided * by_denoiser)


class Editing(Config):
    """How images are changed: from t = `strength` T on; to draw a part, `jump` steps are taken `resamplings` times."""

    strength: Annotated[float, Field(gt=0, le=1)] = 1.0
    resamplings: PositiveInt = 10
    jump: PositiveInt = 1


class GanSampling(Batch):
    """How a GAN samples a batch.

    `truncation` scales latents from a normal distribution cut at two standard deviations. Labels are drawn from
    `classes`; null means all.
    """

    truncation: Truncation = 1.0
    classes: Classes | None = None


class Interpolation(Config):
    """Interpolations between real images in DDIM's latent space, and errors of reconstruction.

    `pairs` is the number of rows of the figure. `points` is the number of images in a row, including the
    reconstructions of both ends. `reconstructions` other images are encoded and decoded to measure the error.
    `classifier_precision` is as for runs.
    """

    classifier_precision: Precision = "float32"
    gradient_scale: GradientScale = 0.0
    steps: Steps = "250"
    pairs: PositiveInt = 4
    points: Annotated[int, Field(ge=3)] = 9
    reconstructions: PositiveInt
    micro_batch: PositiveInt = 64
    precision: Precision = "float32"
    seed: Seed = 0
    threads: PositiveInt = 1


class BitsPerDimension(Config):
    """How to measure bits per dimension of images: the sum of the terms of L_vlb at the timesteps of `steps`.

    If `steps` is null, all T timesteps are used; fewer give a less tight bound. Each image has its own noise, which
    does not depend on the other images: the same seed gives the same terms. No image is mirrored.
    """

    num_images: PositiveInt
    micro_batch: PositiveInt = 64
    precision: Precision = "float32"
    seed: Seed = 0
    threads: PositiveInt = 1
    steps: Steps | None = None
