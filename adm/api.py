"""The Python interface: a network of any file, its samples, latents and likelihoods, and scores of images.

    model = adm.load("256x256_diffusion.pt", classifier="256x256_classifier.pt")
    images = model.sample(classes=[207] * 16, scale=1.0, steps="250", seed=0)

`adm generate` samples through it, and it samples as the stage `sample` does: the same seeds give the same bytes.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.functional import one_hot

from adm.artifacts.class_names import Names, class_number
from adm.artifacts.released_files import placed
from adm.config.base import Config
from adm.config.data import GraphParams
from adm.config.models import (
    ClassifierModel,
    DiffusionModel,
    Precision,
    TrainingParams,
    UpsamplerModel,
    check_fits,
    check_guide,
    check_shared,
)
from adm.config.samplers import SAMPLERS, fast
from adm.config.sampling import (
    BitsPerDimension,
    Editing,
    GradientScale,
    GuidedSampling,
    Interpolation,
    check_gradient_scale,
)
from adm.config.sampling import Sampling as SamplingConfig
from adm.config.schedules import number_of_steps
from adm.data.batches import Batches, to_uint8, to_unit_range
from adm.data.images import images_of
from adm.data.pictures import Kind, Pictures, as_kind, pixels_of
from adm.data.shards import Labelled
from adm.determinism import make_deterministic
from adm.diffusion.editing import count_steps, edit, inpaint
from adm.diffusion.process import Denoiser, Diffusion
from adm.diffusion.samplers import Noise, Sampler, predict
from adm.errors import UserError, about
from adm.machine import available_cores
from adm.nets.forward import Forward
from adm.nets.opening import Card, LoadedNetwork, open_network
from adm.nets.weights import initial
from adm.paper import table_cells
from adm.parallel import resolve_device
from adm.params.load import line_of
from adm.sampling.batch import Images, Labels, Samples
from adm.sampling.guided import Rows, SeededNoise, block_trajectories, class_count
from adm.sampling.interpolation import LatentSpace
from adm.sampling.likelihood import measure
from adm.training.loop import train as updates
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from adm.training.updates import Report

Latents = NDArray[np.float32]
"""(N, C, H, W)."""

Mask = NDArray[np.bool_]
"""True is drawn anew."""

Classes = int | str | np.integer[Any] | Sequence[int | str] | NDArray[np.integer[Any]] | Tensor | None
"""Numbers of classes, or their names where they have any, `Model.class_names`; several take turns."""

Progress = Callable[[int, int], None]
"""Is called after each step with the number of steps done, and of all steps."""

Device = str | torch.device

ELSEWHERE = {
    **dict.fromkeys(("precision", "threads"), "an argument of `adm.load`, and an option of the command line"),
    "num_samples": "`num` here",
    "micro_batch": "`batch` here",
    "gradient_scale": "`scale` here",
    "num_inference_steps": "`steps` here",
    "generator": "`seed` here, which takes generators, too",
    "class_counts": "of runs in a params file; `classes` may name the class of each image",
    "ema_length": "of runs in a params file, whose models keep averages",
    "classifier": "of samplers: adm.DDIM(model, guidance=adm.Classifier(file, scale=1))",
    "guide": "a network; in Python it is adm.Autoguidance, else an artifact of a params file",
}
"""Where to say what is no keyword of `sample`."""

GUIDING = ("cfg_scale", "guidance_interval")
"""What a file recommends for guidance: it holds with any sampler, as its scale does."""

SEEDS = 2**62
"""A generator draws the first seed of images below it."""

C = TypeVar("C", bound=Config)


class Beside(Config):
    """Entries of a file's recommended sampling that are no fields of a run."""

    classifier: str | None = None
    scale: GradientScale | None = None


@dataclass(frozen=True, eq=False)
class Sampling:
    """Images that are to be sampled, block by block.

    Attributes:
        run: How to sample; image i of `run.num_samples` is made by seed `run.seed` + i.
        labels: (N,) int64, given or drawn.
        num_steps: Steps of the sampler.
        trajectory: The result of `block_trajectories`.
        given: (N, H, W, 3) uint8, images that are changed, if there are.
        mask: (N, 1, H, W) bool, what is drawn anew of them; None for all.
    """

    run: SamplingConfig
    labels: Labels
    num_steps: int
    trajectory: Callable[..., tuple[Tensor, Iterator[Tensor]]]
    given: Images | None = None
    mask: Mask | None = None

    def rows(self, block: int) -> range:
        """Number a block's images."""
        first = block * self.run.micro_batch
        return range(first, min(first + self.run.micro_batch, self.run.num_samples))

    def sample(self, block: int, stepped: Callable[[], object] = lambda: None) -> Images:
        """Sample the images of a block, (B, H, W, 3) uint8; `stepped` is called after each step."""
        for x in self.trajectory(block)[1]:
            x_0 = x
            stepped()
        rows = self.rows(block)
        images = to_uint8(x_0)[: len(rows)]
        if self.given is None or self.mask is None:
            return images
        # On the way to [-1, 1] and back, a level may lose one.
        return np.where(self.mask[rows].transpose(0, 2, 3, 1), images, self.given[rows])


@dataclass(frozen=True, eq=False)
class Model:
    """A diffusion model or an upsampler, and perhaps a classifier that guides it, from `load`.

    Attributes:
        opened: The network and what it is.
        classifier: The classifier that guides it and what it is; None for no guidance.
        precision: That of the network; the classifier computes in float32, unless `classifier_precision` is given.
        guide: The weaker model that guides it and what it is; None for no guidance by one.
        how: Keywords of `sample` that hold where they are not given, as `adm.composing` sets them.
    """

    opened: LoadedNetwork
    classifier: LoadedNetwork | None
    precision: Precision
    guide: LoadedNetwork | None = None
    how: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Tell in a line what it is, and how it is sampled if nothing else is said."""
        side, classes = self.params.network.image_size, self.num_classes
        told = [f"{side}x{side}", f"{classes} classes" if classes else "no classes", self.precision, str(self.device)]
        guiding = {"classifier": self.classifier, "guide": self.guide}
        how = {name: other.path.name for name, other in guiding.items() if other}
        how = dict(self.how or self.opened.card.sampling) | how
        return f"Model({self.opened.path.name}: {', '.join([*told, *(f'{k}={v!r}' for k, v in how.items())])})"

    @property
    def params(self) -> DiffusionModel | UpsamplerModel:
        """The section of the model."""
        assert not isinstance(self.opened.model, ClassifierModel)
        return self.opened.model

    @property
    def num_classes(self) -> int | None:
        """Classes of the model, else of the classifier; None without classes."""
        guiding = self.classifier.model if self.classifier else None
        return class_count(self.params, guiding if isinstance(guiding, ClassifierModel) else None)

    @property
    def class_names(self) -> Names:
        """The name of each class, in the order of their numbers; None where they have numbers alone."""
        return self.opened.class_names or (self.classifier.class_names if self.classifier else None)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of what the network sees."""
        network = self.params.network
        return (network.image_channels, network.image_size, network.image_size)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.opened.network.parameters()).device

    def to(self, device: Device | torch.dtype | None = None, dtype: torch.dtype | None = None) -> "Model":
        """Copy the model to a device, to compute in a precision, or both; `model.to(torch.bfloat16)` is accepted.

        Raises:
            UserError: There is no such device, or no such precision, or the weights were rounded to a lower one before.
        """
        if isinstance(device, torch.dtype):
            if dtype is not None:
                raise UserError(f"device {device}: is a dtype; a device comes first, then a dtype")
            device, dtype = None, device
        place = self.device if device is None else resolve_device(device)
        precision = self.precision if dtype is None else _precision(dtype)

        def moved(opened: LoadedNetwork) -> LoadedNetwork:
            copied = opened if precision == self.precision else opened.whole()
            return replace(opened, network=deepcopy(copied.network).to(place))

        classifier, guide = (other and moved(other) for other in (self.classifier, self.guide))
        return replace(self, opened=moved(self.opened), classifier=classifier, guide=guide, precision=precision)

    def process(self, steps: str | int | None = None) -> Diffusion:
        """Return the process that the model was trained on, or with `steps` the one that is sampled, on its device.

        It is what samplers of `adm.diffusion` take, beside a `denoiser`.
        """
        with about():
            return Diffusion.of(self.params.noise, None if steps is None else str(steps)).to(self.device)

    def denoiser(self, classes: Classes = None, num: int | None = None) -> Denoiser:
        """Return the network as a function of x_t (N, C, H, W) and timesteps (N,) of training, given classes.

        Classes are as for `encode`, and N is `num`, by default their number. The function returns what the network
        predicts, (N, C or 2C, H, W) float32; gradients flow to x_t.

        Raises:
            UserError: The classes do not fit the model.
        """
        if isinstance(self.params, UpsamplerModel):
            raise UserError(f"{self.opened.path}: is an upsampler, which sees a smaller image, too: upsample")
        labels = torch.from_numpy(self._labels_for(classes, self._counted(classes, num, None)))
        return Forward.frozen(self.opened.network, self.precision).conditioned(labels.to(self.device))

    def denoise(self, x_t: Tensor, t: int, classes: Classes = None) -> Tensor:
        """Predict the mean of x_0 given x_t, (N, C, H, W) on the model's device, at timestep t of training.

        Gradients flow to x_t: what else guides a sampler may be written with it.

        Raises:
            UserError: As for `denoiser`, or there is no such timestep.
        """
        process = self.process()
        if not _is_whole(t, 0) or t >= process.num_timesteps:
            raise UserError(f"t {t!r}: is none; there are 0 to {process.num_timesteps - 1}, one for all images")
        if not isinstance(x_t, Tensor) or x_t.shape[1:] != self.image_shape or not x_t.is_floating_point():
            found, wanted = f"{getattr(x_t, 'dtype', '')} of shape {tuple(np.shape(x_t))}", self.image_shape
            raise UserError(f"x_t: is {found}; a tensor (N, {', '.join(map(str, wanted))}) of floats is wanted")
        return predict(process, self.denoiser(classes, len(x_t)), x_t, int(t), clipping="none").x_0

    def sample(
        self,
        classes: Classes = None,
        num: int | None = None,
        *,
        scale: float | None = None,
        steps: str | int | None = None,
        sampler: str | None = None,
        seed: int | torch.Generator | np.random.Generator | None = None,
        latents: Latents | Tensor | None = None,
        batch: int | None = None,
        progress: Progress | None = None,
        output: Kind = "numpy",
        **fields: Any,
    ) -> Any:
        """Sample images.

        Args:
            classes: The class of each image; fewer than `num` take turns. None draws them by the images' seeds.
            num: N, the number of images; by default that of classes or latents, or 1.
            scale: The gradient scale; None is `default_scale` with a classifier.
            steps: The schedule: "250", "25,25" or "ddim25". "fast" is `adm.config.samplers.fast`, sampler and steps.
                None, without a sampler, is what the model's file recommends, else "250", or all of a shorter process.
                What the file says of guidance holds with any; a field stands in the place of the file's.
            sampler: A key of `adm.config.samplers.SAMPLERS`; None is "ddim" if `steps` begins so, else "ddpm".
            seed: Seed `seed` + i makes image i; None is 0. A generator draws it, and so others at each call.
            latents: (N, C, H, W) float32, x_T in the place of noise.
            batch: Images computed together; by default (512 // side)^2, and 64 at most. The last bits depend on it.
            progress: Is told of each step.
            output: The kind of images: "numpy" (N, H, W, 3) uint8, "torch" (N, C, H, W) float32 in [0, 1] on the CPU,
                or "pil", a list.
            fields: Further fields of a run in a params file, such as `eta=0.5`.

        Returns:
            To the last bit those of the pipeline's run with these values, `micro_batch` the same, of as many threads.

        Raises:
            UserError: A value is not accepted, or does not fit the model.
        """
        how = {"scale": scale, "steps": steps, "sampler": sampler, "seed": seed, "batch": batch, **fields}
        return self._collected(self.sampling, classes, num, latents=latents, progress=progress, output=output, **how)

    def upsample(self, images: Pictures, classes: Classes = None, **how: Any) -> Any:
        """Upsample images by an upsampler.

        Args:
            images: Of the side that the upsampler was trained on, of any kind: `adm.data.pictures.pixels_of`.
            classes: Their classes, as for `sample`; not needed by an upsampler without classes.
            how: Keywords of `sample`, but `num`, `scale` and `latents`. Give another seed than the images were sampled
                with: their noise began alike.

        Raises:
            UserError: As for `sample`, or the images do not fit.
        """
        return self._collected(self.upsampling, images, classes, **how)

    def edit(self, images: Pictures, strength: float, classes: Classes = None, **how: Any) -> Any:
        """Change images: noise them to a timestep, then denoise them, guided or not, to any class.

        Args:
            images: M images of any kind, as for `upsample`.
            strength: The timestep, as a part of the T of training, in (0, 1]. 1 gives the bytes of `sample`.
            classes: As for `sample`.
            how: `num`, by default that of images or of classes, whichever is more; images take turns, too. Further
                keywords of `sample`, with any sampler; `latents` are the noise that is added.

        Raises:
            UserError: As for `sample`, or the images do not fit.

        Source: Meng et al. (2022), SDEdit.
        """
        return self._collected(self.editing, images, classes, strength=strength, **how)

    def inpaint(self, images: Pictures, mask: Mask | Tensor, classes: Classes = None, **how: Any) -> Any:
        """Draw a part of images anew, as the rest of them suggests; the rest stays to the byte.

        Args:
            images: As for `edit`.
            mask: (H, W), or (M, H, W) for one each, bool: True is drawn anew.
            classes: As for `sample`.
            how: `resamplings`, how often each step is taken, 10 by default: more fit the part better to the rest, and
                take as much longer. `jump`, how many steps are taken before they are taken again, 1 by default. A
                `strength` below 1 begins from what is there. The keywords of `edit`, with any sampler but UniPC.

        Raises:
            UserError: As for `edit`, or the mask does not fit.

        Source: Lugmayr et al. (2022), RePaint.
        """
        return self._collected(self.editing, images, classes, mask=mask, **how)

    def trajectory(self, classes: Classes = None, num: int | None = None, **how: Any) -> Iterator[Latents]:
        """Yield x_{T-1} .. x_0, each (N, C, H, W) float32, of images that are computed together.

        Arguments and errors are those of `sample`, but for `batch`, `progress` and `output`.
        """
        sampling = self.sampling(classes, num, **how, batch=self._counted(classes, num, how.get("latents")))
        return (x.cpu().numpy() for x in sampling.trajectory(0)[1])

    def encode(
        self, images: Pictures, classes: Classes = None, *, steps: str | int | None = None, batch: int | None = None
    ) -> Latents:
        """Encode images as latents: DDIM run towards noise, over all steps but the last.

        Args:
            images: N images of any kind, as for `upsample`.
            classes: Their classes, as for `sample`; needed by a model with classes.
            steps: As for `sample`; None is those of the composed sampler, else "250".
            batch: As for `sample`.

        Returns:
            (N, C, H, W) float32: what `decode` with the same steps takes back to the images, nearly, and what
            `sample` takes as `latents`.

        Raises:
            UserError: The images or the classes do not fit the model, or a value is not accepted.

        Source: Appendix H.
        """
        channels, side, _ = self.image_shape
        x_0 = to_unit_range(self._checked_images(images, side), channels)
        weights = one_hot(torch.from_numpy(self._labels_for(classes, len(x_0))), self.num_classes or 1).float()
        space = self._space(steps, 0.0)
        if len(space.diffusion.timesteps) < 2:
            raise UserError("steps: one encodes nothing, as the last is left out; two or more are accepted")
        return space.in_batches(space.encode, self.batch_size(batch, len(x_0)), x_0, weights).numpy()

    def decode(
        self,
        latents: Latents | Tensor,
        classes: Classes = None,
        *,
        scale: float | None = None,
        steps: str | int | None = None,
        batch: int | None = None,
        output: Kind = "numpy",
    ) -> Any:
        """Decode images from latents by DDIM, guided if there is a classifier and a scale.

        Args:
            latents: (N, C, H, W) float32.
            classes: As for `encode`.
            scale: The gradient scale; None is 0: it takes latents back to where they came from.
            steps: As for `sample`.
            batch: As for `sample`.
            output: As for `sample`.

        Raises:
            UserError: As for `encode`.

        Source: Appendix H; Algorithm 2.
        """
        x_T = torch.from_numpy(self._checked_latents(latents))
        if scale and classes is None:
            raise UserError("classes: are missing; the classifier guides to them")
        weights = one_hot(torch.from_numpy(self._labels_for(classes, len(x_T))), self.num_classes or 1).float()
        space = self._space(steps, 0.0 if scale is None else scale)
        decoded = space.in_batches(space.decode, self.batch_size(batch, len(x_T)), x_T, weights)
        return as_kind(to_uint8(decoded), output, self.image_shape[0])

    def bits_per_dim(
        self,
        images: Pictures,
        classes: Classes = None,
        *,
        steps: str | int | None = None,
        seed: int = 0,
        batch: int | None = None,
    ) -> NDArray[np.float64]:
        """Measure the bound on -log2 p(image) per dimension of each image: the sum of the terms of L_vlb.

        Args:
            images: N images of any kind, as for `upsample`.
            classes: As for `encode`.
            steps: A schedule as for `sample`; None takes all T timesteps. Fewer give a less tight bound.
            seed: Of the noise; an image's depends on the seed and on its number.
            batch: As for `sample`.

        Returns:
            (N,) float64, bits.

        Raises:
            UserError: As for `encode`.

        Source: equations 8-11.
        """
        if not isinstance(self.params, DiffusionModel):
            raise UserError(f"{self.opened.path}: is an upsampler, whose likelihoods are not measured")
        pixels = self._checked_images(images, self.params.network.image_size)
        labels = self._labels_for(classes, len(pixels))
        steps = None if steps is None else str(steps)
        values = {"steps": steps, "seed": _number_of(seed), "micro_batch": self.batch_size(batch, len(pixels))}
        study = checked(BitsPerDimension, {"num_images": len(pixels), "precision": self.precision} | values)
        self._check_steps(steps)
        given = Labelled(labels, pixels)
        return measure(study, self.params, self.opened.network, given, np.arange(len(pixels))).bits

    def check_recommended(self, sampling: Mapping[str, Any], folder: Path = Path()) -> None:
        """Check how a file in a folder is to recommend that the model be sampled; a classifier lies beside it.

        Raises:
            UserError: A field is none of a run's, its value is not accepted or does not fit, or `steps` are missing.
        """
        checked(Beside, {name: value for name, value in sampling.items() if name in Beside.model_fields})
        if "steps" not in sampling:
            raise UserError("steps: are missing; say them beside other fields")
        if "seed" in sampling:
            raise UserError("seed: is for who samples to choose; leave it out")
        card = self.opened.card.model_copy(update={"sampling": dict(sampling)})
        guiding = self.classifier
        if guiding is None and (named := sampling.get("classifier")):
            guiding = open_guiding("classifier", folder.absolute() / named, self.opened, self.device)
        replace(self, opened=replace(self.opened, card=card), classifier=guiding, how={}).run_of(1)

    def default_scale(self, sampler: str = "ddpm") -> float:
        """Look up the gradient scale: the file's own, Table 14's for a released model by its size and sampler, else 1.

        Source: Table 14; for the unconditional model, the flags published with it.
        """
        if "scale" in self.opened.card.sampling:
            return float(self.opened.card.sampling["scale"])
        if self.opened.card.preset == "imagenet256_unconditional":
            return 10.0
        header, rows = table_cells("table_14")
        column = f"ImageNet {self.params.network.image_size}"
        if self.opened.card.preset is None or column not in header:
            return 1.0
        plain, ddim = (row[header.index(column)] for row in rows)
        return float(ddim if sampler == "ddim" and ddim else plain)

    def sampling(
        self, classes: Classes = None, num: int | None = None, *, latents: Latents | Tensor | None = None, **how: Any
    ) -> Sampling:
        """Prepare what `sample` samples, to be computed block by block; `how` are its other arguments."""
        if isinstance(self.params, UpsamplerModel):
            raise UserError(f"{self.opened.path}: is an upsampler of smaller images; use upsample, or --upsampler")
        num = self._counted(classes, num, latents)
        if latents is not None:
            latents = self._checked_latents(latents, num)
        labels = None if classes is None else self._numbers(classes, num)
        run = self.run_of(num, **how)
        classifier, guide = (other.network if other else None for other in (self.classifier, self.guide))
        num_classes = self.num_classes or 1
        drawn = SeededNoise(range(run.seed, run.seed + num)).labels(num_classes).numpy() if labels is None else labels
        num_steps = self._check_steps(run.steps)
        trajectory = block_trajectories(
            run, self.params, self.opened.network, classifier, num_classes, None, guide, labels, latents
        )
        return Sampling(run, drawn, num_steps, trajectory)

    def editing(
        self,
        images: Pictures,
        classes: Classes = None,
        num: int | None = None,
        *,
        mask: Mask | Tensor | None = None,
        **how: Any,
    ) -> Sampling:
        """Prepare what `edit` changes or, with a mask, `inpaint` draws; `how` are their other arguments."""
        channels, side, _ = self.image_shape
        pixels = self._checked_images(images, side)
        num = max(len(pixels), self._counted(classes, None, None)) if num is None else self._counted(None, num, None)
        turns = np.arange(num) % len(pixels)
        given = pixels[turns]
        drawn = None if mask is None else self._checked_mask(np.asarray(mask), len(pixels))[turns, None]
        names = ["strength"] if drawn is None else [*Editing.model_fields]
        change = checked(Editing, {name: how.pop(name) for name in names if name in how})
        sampling = self.sampling(classes, num, **how)
        if drawn is not None and not SAMPLERS[sampling.run.sampler].inpaints:
            able = " or ".join(name for name, sampler in SAMPLERS.items() if sampler.inpaints)
            raise UserError(f"sampler {sampling.run.sampler!r}: replaces what a mask keeps; take {able}")

        def denoise(step: Sampler, x_T: Tensor, noise: Noise, rows: Rows) -> Iterator[Tensor]:
            x_0 = to_unit_range(rows(given), channels).to(x_T.device)
            if drawn is None:
                return edit(step, x_0, change.strength, x_T, noise)
            return inpaint(step, x_0, rows(drawn).to(x_T.device), change, x_T, noise)

        process = Diffusion.of(self.params.noise, sampling.run.steps)
        num_steps = count_steps(process, change.strength, 1 if drawn is None else change.resamplings)
        changed = partial(sampling.trajectory, denoise=denoise)
        return replace(sampling, num_steps=num_steps, trajectory=changed, given=given, mask=drawn)

    def upsampling(self, images: Pictures, classes: Classes = None, **how: Any) -> Sampling:
        """Prepare what `upsample` samples, to be computed block by block; `how` are its other arguments."""
        if not isinstance(self.params, UpsamplerModel):
            raise UserError(f"{self.opened.path}: is no upsampler, but a model of images from noise")
        pixels = self._checked_images(images, self.params.network.low_resolution)
        labels = self._labels_for(classes, len(pixels))
        run, base = self.run_of(len(pixels), **how), Samples(pixels, labels)
        num_steps = self._check_steps(run.steps)
        trajectory = block_trajectories(run, self.params, self.opened.network, None, self.num_classes or 1, base)
        return Sampling(run, labels, num_steps, trajectory)

    def run_of(self, num: int, /, **given: Any) -> SamplingConfig:
        """Tell how N images are sampled; the keywords are those of `sample`.

        Raises:
            UserError: A value is not accepted, or does not fit the model.
        """
        own = ("steps", "sampler", "scale", "batch", "seed")  # None says nothing of these, and is a value of others
        fields = {**self.how, **{name: value for name, value in given.items() if value is not None or name not in own}}
        steps, sampler, scale, batch, seed = (fields.pop(name, None) for name in own)
        fields = {name: [*value] if isinstance(value, tuple) else value for name, value in fields.items()}
        steps, sampler, fields = self._scheduled(steps, sampler, fields)
        for name in (fields.keys() - {"guide"} | given.keys()) & ELSEWHERE.keys():
            raise UserError(f"{name}: is {ELSEWHERE[name]}")
        if "sampler" in self.how and self.classifier and sampler in SAMPLERS:
            ordered = "clipping_order" in SAMPLERS[sampler].fields
            fields |= {"clipping_order": "after"} if ordered and "clipping_order" not in fields else {}
        values = {"num_samples": num, "steps": steps, "sampler": sampler, "precision": self.precision, **fields}
        values |= {} if seed is None else {"seed": _number_of(seed)}
        is_upsampled = isinstance(self.params, UpsamplerModel)
        if scale is None and not is_upsampled:
            scale = self.default_scale(sampler) if self.classifier else 0.0
        values |= {} if scale is None else {"gradient_scale": scale}
        kind = SamplingConfig if is_upsampled else GuidedSampling
        run = checked(kind, values | {"micro_batch": self.batch_size(batch, num)})
        self._check_steps(run.steps)
        if isinstance(run, GuidedSampling) and isinstance(self.params, DiffusionModel):
            with about():
                run.check_guided(self.classifier is not None, str(self.opened.path), self.params)
        return run

    def _scheduled(
        self, steps: str | int | None, sampler: str | None, fields: dict[str, Any]
    ) -> tuple[str, str, dict[str, Any]]:
        """Choose steps and sampler, and complete the fields, by what the file recommends and what "fast" means."""
        if "sampler" not in self.how:
            is_recommended, told = steps is None and sampler is None, self.opened.card.sampling
            names = [name for name in told if name in GUIDING or (is_recommended and name not in Beside.model_fields)]
            fields = {**{name: told[name] for name in names}, **fields}
        if steps == "fast":
            if sampler is not None:
                raise UserError(f"sampler {sampler}: is chosen by steps 'fast'; leave one of them out")
            fields, steps = {**fast(self.params.noise.timesteps), **fields}, None
        if steps is None:
            steps, sampler = fields.pop("steps", self.default_steps), fields.pop("sampler", sampler)
        steps = str(steps)
        return steps, sampler or ("ddim" if steps.startswith("ddim") else "ddpm"), fields

    @property
    def default_steps(self) -> str:
        """The steps of whoever says nothing: 250, or all of a shorter process."""
        return str(min(250, self.params.noise.timesteps))

    def batch_size(self, given: int | None, num: int) -> int:
        """Tell how many of N images are computed together: as many as `given`, or a number that fits their size."""
        if given is not None and not _is_whole(given):
            raise UserError(f"batch {given!r}: is no number of images; one or more are accepted")
        side = self.params.network.image_size
        return min(num, int(given) if given is not None else min(64, max(1, (512 // side) ** 2)))

    def _counted(self, classes: Any, num: int | None, latents: Latents | Tensor | None) -> int:
        if num is not None:
            if not _is_whole(num):
                raise UserError(f"num {num!r}: is no number of images; one or more are accepted")
            return int(num)
        given = classes if latents is None else latents
        return len(given) if np.asarray(given, object).ndim else 1

    def _check_steps(self, steps: str | None) -> int:
        """Count the steps of a schedule, which must fit the model."""
        timesteps = self.params.noise.timesteps
        with about():
            return timesteps if steps is None else number_of_steps(timesteps, steps)

    def _numbers(self, classes: Any, num: int) -> Labels:
        """Number the classes of N images, (N,) int64."""
        asked: list[Any] = list(() if classes is None else classes if np.asarray(classes, object).ndim else [classes])
        for given in asked:
            if np.asarray(given, object).ndim or np.asarray(given).dtype.kind not in "iuU":
                raise UserError(f"class {given!r}: is no class; a whole number or a name is accepted")
        num_classes, names = self.num_classes, self.class_names
        if not asked or len(asked) > num:
            raise UserError(f"classes: {len(asked)} given; one or more are accepted, and at most one an image: {num}")
        if num_classes is None:
            raise UserError(f"class {asked[0]!r}: is not used; {self.opened.path} has no classes")
        return np.resize(np.array([class_number(given, num_classes, names) for given in asked], np.int64), num)

    def _labels_for(self, classes: Classes, num: int) -> Labels:
        """Number the classes of given images, (N,) int64; zeros for a model without classes."""
        if classes is not None:
            return self._numbers(classes, num)
        if self.params.network.num_classes is not None:
            raise UserError(f"classes: are missing; {self.opened.path} has {self.num_classes} classes")
        return np.zeros(num, np.int64)

    def _checked_images(self, given: Pictures, side: int) -> Images:
        images = pixels_of(given)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (side, side, 3) or not len(images):
            how = "" if images.dtype == np.uint8 else "; floats may be a tensor (N, C, H, W) in [0, 1]"
            raise UserError(
                f"images: are {images.dtype} of shape {images.shape}; {self.opened.path} takes uint8 of shape "
                f"(N, {side}, {side}, 3){how}"
            )
        if self.image_shape[0] == 1 and (images != images[..., :1]).any():
            raise UserError(f"images: are in colour; {self.opened.path} is of grey ones")
        return images

    def _checked_mask(self, mask: Mask, count: int) -> Mask:
        """Give each of the images its mask, (M, H, W)."""
        wanted = (count, *self.image_shape[1:])
        if mask.dtype != np.bool_ or mask.shape not in (wanted, wanted[1:]):
            raise UserError(f"mask: is {mask.dtype} of shape {mask.shape}, not bool of {wanted[1:]} or {wanted}")
        if not mask.any():
            raise UserError("mask: draws nothing anew; True, or white, is what is drawn anew")
        return np.broadcast_to(mask, wanted)

    def _checked_latents(self, given: Latents | Tensor, num: int | None = None) -> Latents:
        if isinstance(given, Tensor):  # NumPy has no bfloat16
            given = (given.float() if given.dtype == torch.bfloat16 else given).detach().cpu().numpy()
        latents = np.asarray(given)
        wanted = (num or max(len(np.atleast_1d(latents)), 1), *self.image_shape)
        if latents.dtype != np.float32 or latents.shape != wanted:
            raise UserError(f"latents: are {latents.dtype} of shape {latents.shape}, not float32 of shape {wanted}")
        if not np.isfinite(latents).all():
            raise UserError("latents: hold NaN or infinity")
        return latents

    def _collected(
        self,
        prepare: Callable[..., Sampling],
        *given: Any,
        progress: Progress | None = None,
        output: Kind = "numpy",
        **how: Any,
    ) -> Any:
        as_kind(np.empty((0, 1, 1, 3), np.uint8), output, 1)  # refuses at once what is no kind
        sampling = prepare(*given, **how)
        total, done = len(sampling.run.blocks) * sampling.num_steps, count(1)

        def stepped() -> None:
            if progress is not None:
                progress(next(done), total)

        images = np.concatenate([sampling.sample(block, stepped) for block in sampling.run.blocks])
        return as_kind(images, output, self.image_shape[0])

    def _space(self, steps: str | int | None, scale: float) -> LatentSpace:
        if not isinstance(self.params, DiffusionModel):
            raise UserError(f"{self.opened.path}: is an upsampler, which has no latents of images alone")
        steps = str(self.how.get("steps", self.default_steps) if steps is None else steps)
        self._check_steps(steps)
        values = {"steps": steps, "gradient_scale": scale, "precision": self.precision}
        study = checked(Interpolation, values | {"reconstructions": 1})
        with about():
            check_gradient_scale(self.classifier is not None, study.gradient_scale)
        classifier: nn.Module | None = self.classifier.network if self.classifier else None
        return LatentSpace.of(study, self.params, self.opened.network, classifier)


def load(
    checkpoint: str | Path | LoadedNetwork,
    classifier: str | Path | None = None,
    *,
    preset: str | None = None,
    device: Device = "auto",
    precision: Precision | torch.dtype = "float32",
    threads: int | None = None,
) -> Model:
    """Load a diffusion model or an upsampler.

    Args:
        checkpoint: A released `.pt`, a `.safetensors` that `adm export` wrote, the folder of a checkpoint, or the
            name of a released file, which is fetched; or what `train` returns.
        classifier: The same of a noisy classifier that guides it; None is the one that the file recommends, if any.
        preset: The released network that the checkpoint holds; by default its shapes and its name tell.
        device: Where to compute; "auto" is a GPU where there is one.
        precision: Of the model's arithmetic; "tf32", too, and dtypes of torch.
        threads: Of this process, whose kernels are made deterministic; None leaves both as they are.

    Raises:
        UserError: A file is missing, damaged or no checkpoint, the classifier does not fit the model, or there is no
            GPU where one was asked for.
    """
    if threads is not None:
        make_deterministic(checked(GraphParams, {"threads": threads}).threads)
    place, precision = resolve_device(device), _precision(precision)
    opened = _opened(checkpoint, place, preset)
    if isinstance(opened.model, ClassifierModel):
        raise UserError(f"{opened.path}: is a classifier, which makes no images by itself; give a diffusion model")
    if classifier is None and (named := opened.card.sampling.get("classifier")):
        classifier = opened.path.parent / named
    guiding = None if classifier is None else open_guiding("classifier", classifier, opened, place)
    return Model(opened, guiding, precision)


def train(
    model: Mapping[str, Any],
    images: Pictures,
    labels: Any = None,
    *,
    iterations: int,
    class_names: Sequence[str] = (),
    device: Device = "auto",
    stepped: Callable[[Report], object] = lambda report: None,
) -> LoadedNetwork:
    """Train a network on images in memory, as the stage `train` does on a dataset; nothing is written.

    Args:
        model: An entry of `models` of a params file, without dataset and checkpoints. Its `kind` is "diffusion" if it
            says none; its network has the images' size and the labels' number of classes.
        images: Squares of one size, all at once: an array, a tensor or PIL images, as for `score`.
        labels: (N,) whole numbers from 0; None for no classes.
        iterations: The number of updates.
        class_names: A name for each class, which the network's file will hold.
        device: Where to compute; "auto" is a GPU where there is one.
        stepped: Is called after each update; its report has a `step`, and `values` that are means over the batch.

    Returns:
        The network with its averaged weights, for `load`, `adm.Classifier` and `adm.Autoguidance`.

    Raises:
        UserError: A value is not accepted, or images, labels and network do not fit each other.
        NotFiniteError: The loss or a gradient is not finite.

    Source: Appendix K.
    """
    if not _is_whole(iterations):
        raise UserError(f"iterations: {iterations!r} is not accepted; write a whole number from 1 on")
    if not isinstance(images, np.ndarray | Tensor | list | tuple):
        raise UserError(f"images: are {type(images).__name__}; an array, a tensor or a list of PIL images is accepted")
    data, place = images_of(pixels_of(images), "images"), resolve_device(device)
    numbers = np.array([0] * data.count if labels is None else labels, dtype=object)
    if numbers.shape != (data.count,) or not all(_is_whole(each, 0) for each in numbers):
        raise UserError(f"labels: are no {data.count} whole numbers from 0 on, one an image")
    if labels is None and isinstance(model, Mapping) and model.get("kind") == "classifier":
        raise UserError("labels: are missing; a classifier learns them")
    known = {"image_size": data.size[0], "num_classes": None if labels is None else int(numbers.max()) + 1}
    section = _section(model, known)
    network, training = section.network, section.training
    if data.size != (network.image_size, network.image_size):
        side, (height, width) = network.image_size, data.size
        raise UserError(f"images: have {width}x{height} pixels, and the network {side}x{side}; crop or scale them")
    _check_training(training, iterations)
    with about("training"):
        check_shared(section, processes=1)
    if (labels is None) != (network.num_classes is None) or numbers.max() >= (network.num_classes or 1):
        held = "are missing" if labels is None else f"hold {numbers.max()}"
        raise UserError(f"labels: {held}, and the network has {network.num_classes or 'no'} classes")
    names = tuple(map(str, () if class_names is None else class_names))
    if names and not len(names) == len({*names}) == network.num_classes:
        raise UserError(f"class_names: are no {network.num_classes or 0} different names, one a class")
    pixels = Labelled(numbers.astype(np.int64), next(data.chunks(data.count)))
    channels, seed = network.image_channels, training.seeds.data
    if channels == 1 and (pixels.images != pixels.images[..., :1]).any():
        raise UserError("images: are in colour, and the network is of grey ones; give network image_channels 3")
    batches = Batches(pixels, network.image_size, training.batch_size, "centre", training.flip, seed, channels)
    state = TrainingState(initial(section), build_task(section, place), training, place)
    for report in updates(state, batches, training, iterations):
        stepped(report)
    state.network.load_state_dict(state.ema)
    card = Card(model=section, class_names=names or None)
    return LoadedNetwork(Path(section.kind), state.network.eval().requires_grad_(False), section, card)


def _check_training(training: TrainingParams, iterations: int) -> None:
    for name, plain in {"crop": "centre", "averages": None}.items():
        if (given := getattr(training, name)) != plain:
            raise UserError(f"training.{name}: {given!r} is for params files; leave it out")
    if training.annealing is not None and training.annealing < iterations:
        raise UserError(f"iterations: {iterations} is past training.annealing {training.annealing}, where it ends")


def _section(model: Any, known: Mapping[str, Any]) -> DiffusionModel | UpsamplerModel | ClassifierModel:
    """Make the section of a network that is to be trained, of which some fields are known if it says none."""
    if not isinstance(model, Mapping) or not isinstance(model.get("network"), Mapping):
        raise UserError("model: is no mapping with a network, such as {'network': {...}, 'training': {...}}")
    told = {"kind": "diffusion", **model, "network": {**known, **model["network"]}}
    kinds: dict[str, type[DiffusionModel | UpsamplerModel | ClassifierModel]]
    kinds = {"diffusion": DiffusionModel, "upsampler": UpsamplerModel, "classifier": ClassifierModel}
    if told["kind"] not in kinds:
        raise UserError(f"kind: {told['kind']!r} is not accepted; accepted are {', '.join(kinds)}")
    return checked(kinds[told["kind"]], told)


def _is_whole(value: object, least: int = 1) -> bool:
    """Whether a value is a whole number, of Python or NumPy, from `least` on."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= least


def _number_of(seed: Any) -> Any:
    """Draw a first seed from a generator; a number is taken as it is."""
    if isinstance(seed, torch.Generator):
        return int(torch.randint(SEEDS, (), generator=seed, device=seed.device))
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(SEEDS))
    return int(seed) if isinstance(seed, np.integer) else seed


def _precision(given: str | torch.dtype) -> Precision:
    name = str(given).removeprefix("torch.")
    if name not in get_args(Precision):
        raise UserError(f"precision {given}: is none; accepted are {', '.join(get_args(Precision))}")
    return cast("Precision", name)


def _opened(given: Any, device: torch.device, preset: str | None = None) -> LoadedNetwork:
    """Open the network of a path or a name, or copy that of a model that is loaded, as weights may be rounded."""
    given = given.opened if isinstance(given, Model) else given
    if isinstance(given, LoadedNetwork):
        return replace(given, network=deepcopy(given.whole().network).to(device))
    if not isinstance(given, str | Path):
        raise UserError(f"{type(given).__name__}: is no network; a file, a folder, a name or a loaded one is accepted")
    return open_network(placed(Path(given)), preset, device)


def open_guiding(
    role: Literal["classifier", "guide"], given: Any, guided: LoadedNetwork, device: torch.device
) -> LoadedNetwork:
    """Open what is to guide a model: a noisy classifier or, as its guide, a weaker model.

    It is a file, a folder or a name, or a network that is loaded.

    Raises:
        UserError: It is none, or does not fit the model.
    """
    try:
        opened = _opened(given, device)
    except UserError as error:
        raise UserError(f"{role} {error}") from error
    place = f"{role} {opened.path}"
    if not isinstance(guided.model, DiffusionModel):
        raise UserError(f"{place}: is not used; {guided.path} is an upsampler, which none guides")
    kind, check = ("classifier", check_fits) if role == "classifier" else ("diffusion", check_guide)
    if opened.model.kind != kind:
        raise UserError(f"{place}: is of kind {opened.model.kind!r}, not {kind!r}")
    with about():
        check(place, cast("Any", opened.model), str(guided.path), guided.model)
    return opened


def score(
    samples: Pictures | str | Path,
    reference: Pictures | str | Path,
    graph: str | Path | None = None,
    *,
    num_samples: int | None = None,
    further: bool = False,
    intervals: bool = False,
    device: Device = "auto",
    batch: int = 64,
    threads: int | None = None,
    cache: str | Path | None = None,
    background: str = "white",
    size: int | None = None,
    protocol: str = "evaluator",
    expect: float | None = None,
) -> Mapping[str, Any]:
    """Score images against a reference: Inception Score, FID, sFID, precision and recall.

    Args:
        samples: Images of any kind, batches of a DataLoader among them (`adm.data.pictures.pixels_of`), an npz with
            an `arr_0` (N, H, W, 3) uint8, or a folder of RGB images.
        reference: The same, a reference batch in the released format, or the name of one, which is fetched.
        graph: The frozen graph of features; None is the Inception graph of 2015, which is fetched.
        num_samples: Score the first so many.
        further: KID, density, coverage and FID-infinity, too.
        intervals: 95 % intervals, and standard errors of the further metrics.
        device: Where the graph runs.
        batch: Images at a time.
        threads: All cores if None.
        cache: A folder that keeps features for later calls.
        background: The colour that transparent images of folders are laid on, as `background` of a dataset.
        size: The side of the squares that images of folders are cropped and scaled to, as for training.
        protocol: The tool whose FID is computed, alone: "torch-fidelity", "pytorch-fid" or "clean-fid".
        expect: An FID that was reported: whether another draw of samples would have it, and what moves this one.

    Returns:
        What `adm score --out` writes: metrics by name, warnings, and the provenance of both.

    Raises:
        UserError: An input is missing or damaged, or inputs do not fit each other.
    """
    kept = Path(cache) if isinstance(cache, str) else cache
    options = {"device": device, "background": background, "protocol": protocol, "expect": expect, "cache": kept}
    options |= {"size": size, "num_samples": num_samples, "intervals": intervals, "further": further}
    return _measured(samples, reference, graph, batch, threads, options)


def fid(
    samples: Pictures | str | Path,
    reference: Pictures | str | Path,
    graph: str | Path | None = None,
    *,
    device: Device = "auto",
    batch: int = 64,
    threads: int | None = None,
    size: int | None = None,
    protocol: str = "evaluator",
) -> float:
    """Compute FID alone; arguments are those of `score`, whose warnings are told as Python's.

    Raises:
        UserError: An input is missing or damaged, or inputs do not fit each other.
    """
    options = {"device": device, "size": size, "protocol": protocol, "alone": True}
    report = _measured(samples, reference, graph, batch, threads, options)
    for warning in report["warnings"]:
        warnings.warn(warning, stacklevel=2)
    return float(report["metrics"]["fid"])


def _measured(
    samples: Any, reference: Any, graph: str | Path | None, batch: int, threads: int | None, options: dict[str, Any]
) -> Mapping[str, Any]:
    from adm import evaluation  # noqa: PLC0415

    how = checked(GraphParams, {"feature_batch": batch, "threads": available_cores() if threads is None else threads})
    asked = checked(evaluation.Options, {**options, "device": str(options["device"])})
    inputs = {"samples": samples, "reference": reference}
    fake, real = (Path(one) if isinstance(one, str | Path) else pixels_of(one, name) for name, one in inputs.items())
    before = torch.get_num_threads()
    try:
        return evaluation.measure(fake, real, Path(graph or "inception"), how, asked)
    finally:
        torch.set_num_threads(before)


def checked(config: type[C], values: dict[str, Any], place: str = "") -> C:
    """Make a configuration of values.

    Raises:
        UserError: One is not accepted; the message begins with `place`.
    """
    try:
        return config.model_validate(values)
    except ValidationError as error:
        raise UserError(place + line_of(dict(error.errors(include_url=False)[0]))) from error
