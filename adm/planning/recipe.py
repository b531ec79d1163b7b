"""What to train on images of one's own: a network, and how long, that fit their size and the hours.

Networks are the paper's (Tables 11 and 12), made narrower until training fits the time. What they learn, and by which
optimiser, is what wins over short trainings (docs/recipes.md).
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from adm.config.samplers import FAST_STEPS
from adm.errors import UserError
from adm.nets.cost import network_cost
from adm.nets.opening import LoadedNetwork
from adm.params.models import DiffusionModelParams
from adm.training.throughput import update_seconds

MULTIPLIERS = ([1], [1, 2], [1, 2, 2], [1, 2, 3, 4], [1, 1, 2, 3, 4], [1, 1, 2, 2, 4, 4], [0.5, 1, 1, 2, 2, 4, 4])
"""Channel multipliers by the number of levels. Those of four and more are the paper's."""

SIZES = sorted({lowest << halvings for lowest in range(4, 9) for halvings in range(1, len(MULTIPLIERS))})
"""Sides of images: halved once or more, the lowest level has one of 4 to 8 pixels."""


class Width(NamedTuple):
    """A choice of a network: its channels, its depth, and how fast it learns; `least_images` are worth it."""

    channels: int
    depth: int
    learning_rate: float
    least_images: int


WIDTHS = (
    Width(192, 2, 1.0e-4, 20_000),
    Width(128, 2, 2.0e-4, 2000),
    Width(64, 2, 5.0e-4, 200),
    Width(64, 1, 5.0e-4, 200),
    Width(32, 1, 1.0e-3, 0),
)
"""The widest one that sees ENOUGH images in the time is taken, or the last."""

LEAST_GROUP = 4
"""Channels of the first width that a normalisation takes together, as in the paper's narrowest levels."""

ENOUGH = 400_000
"""Images that training should see, repeated or not."""

TRAINING, BESIDE, SAMPLING, JUDGE = 0.65, 0.05, 0.25, 0.05
"""Shares of the time that is left when jobs have started; the rest is for features and scores. Where there are several
jobs at a time, training has the share `BESIDE`, too, and beside it go the judge and earlier samples."""

MEASURED, LEAST_MEASURED, MOST_MEASURED = 1 / 30, 6.0, 30.0
"""The share of the hours for which an update is measured, and its bounds in seconds: a shared machine's speed comes and
goes within half a minute. What is compared alone is measured for three."""

STARTING = 1.0
"""Seconds that a job takes to start, beside what it computes and what runs beside it."""

CONTENTION = 1.6
"""How much slower a job is beside another one, as two threads of one core are (1.4 to 1.8 were measured)."""

OBJECTIVE = {"objective": "simple", "min_snr": 5}
NOISE = {"predicts": "x_0", "variance": "beta"}
"""What a network learns from scratch (docs/recipes.md, "What a network predicts")."""

FEWEST_UPDATES = 80
"""Minimum number of updates."""

MOST_ITERATIONS, MOST_PASSES = 1_000_000, 10_000
"""Maximum number of updates, and of passes over the images, whatever the hours."""

FEWEST_SAMPLES = 50
"""Minimum number of samples of a run."""

REACHED = {
    "48,000 garments": {462: 6.1, 924: 3.0, 2312: 1.8},
    "1,528 emoji": {357: 11.3, 714: 3.9, 1785: 1.8},
}
"""FID to held-out images by iterations of the narrowest network: medians over three seeds (docs/quality_*.csv)."""

LABEL_DROPOUT = 0.1
"""The share of images whose class is not told in training, so that the model guides itself, without a classifier."""

SCALES, GUIDE_SCALES = (1, 1.25, 1.5, 2, 3), (1, 1.25, 1.5, 2)
"""Scales of the sweep, without a classifier or of a source that guides; of each the first is no guidance."""

SLOWER, MOST_TUNING_PASSES = 4, 1000
"""A model that is fine-tuned learns at a fourth of its width's rate, and from so many passes at most."""

STAGES = 4
"""Checkpoints of the model: an eighth, a quarter, a half and all of training."""

EMA_RATES = ((100_000, 0.9999), (5000, 0.999), (500, 0.99), (0, 0.95))
"""By the least iterations: the average is over a small part of training."""


@dataclass(frozen=True)
class Request:
    """What is wanted.

    Attributes:
        image_size: Side of the images, in pixels.
        image_channels: 3, or 1 for grey.
        num_classes: None for an unconditional model.
        num_images: To train on.
        device: "cpu" or "cuda".
        hours: For all of it.
        cores: Jobs at a time; on "cuda" one.
        scored_by_inception: Whether features are the 2015 graph's.
        source: What is fine-tuned; None to train from scratch.
        keep_classes: Whether classes begin as the source's.
        class_counts: How many images of each class to train on, where that is not equal.
    """

    image_size: int
    image_channels: int
    num_classes: int | None
    num_images: int
    device: str
    hours: float
    cores: int
    scored_by_inception: bool
    source: LoadedNetwork | None = None
    keep_classes: bool = False
    class_counts: list[int] | None = None

    @property
    def scales(self) -> tuple[float, ...]:
        """The scales of what guides the last checkpoint, the first of no effect: the source, else the model itself."""
        return GUIDE_SCALES if self.source else SCALES if self.num_classes else ()

    @property
    def runs(self) -> int:
        """Batches that are sampled: one a checkpoint, and one more for every scale of guidance but the first."""
        return STAGES + max(len(self.scales) - 1, 0)

    @property
    def at_a_time(self) -> int:
        """Jobs side by side."""
        return 1 if self.device == "cuda" else self.cores


@dataclass(frozen=True)
class Recipe:
    """What to do.

    Attributes:
        model: The model's section, without its dataset and checkpoints.
        iterations: Of the model, a multiple of eight.
        steps: Of sampling.
        num_samples: Of a run.
        seconds: What an update of the model takes.
        hours: What all of it takes: those wanted, or fewer where there are few images.
    """

    model: dict[str, Any]
    iterations: int
    steps: int
    num_samples: int
    seconds: float
    hours: float


def channel_multiplier(image_size: int) -> list[float]:
    """Choose the levels of a network for images of a side: halved until the lowest has 4 to 8 pixels.

    Raises:
        UserError: The side does not halve so.
    """
    if image_size not in SIZES:
        nearest = sorted(sorted(SIZES, key=lambda size: abs(size - image_size))[:2])
        raise UserError(
            f"--size {image_size}: does not halve to a side of 4 to 8 pixels, as it must; nearest that do are "
            f"{' and '.join(map(str, nearest))}, of those from {SIZES[0]} to {SIZES[-1]}"
        )
    return list(next(each for each in MULTIPLIERS[1:] if image_size >> len(each) - 1 <= 8))


def choose(wanted: Request) -> Recipe:
    """Choose what fits; measures for some seconds how fast this machine trains.

    Raises:
        UserError: The side does not halve, or the hours are too few to start the jobs.
    """
    jobs = 14 + STAGES + 3 * wanted.runs
    starting = jobs * STARTING / min(wanted.at_a_time, 4)
    left = 3600 * wanted.hours - starting
    if left < starting:
        told = f"--hours {wanted.hours}: is too short; {jobs} jobs take {starting / 3600:.3f} hours to start"
        raise UserError(f"{told}, and as long must be left")
    several = wanted.at_a_time > 1
    share = TRAINING + BESIDE * several
    model, seconds = _fitting(wanted, share * left)
    batch, flops = model["training"]["batch_size"], _flops(model)
    image_seconds = seconds / batch / (3 * flops)  # of one floating-point operation
    # What is sampled when training has ended, or all; each checkpoint's loss is measured on a fifth as many images.
    runs, slower = (max(len(wanted.scales), 1), CONTENTION) if several else (wanted.runs + STAGES / 5, 1.0)
    # A guided step takes a second pass; at the end one job or another is waited for.
    passes = runs + max(len(wanted.scales) - 1, 0) + several
    of_step = passes * flops * image_seconds * slower
    # In round numbers, the 2015 graph takes 11.5e9 operations an image.
    of_features = 11.5e9 * runs * image_seconds * slower if wanted.scored_by_inception else 0.0
    steps = min(FAST_STEPS, wanted.source.model.noise.timesteps) if wanted.source else FAST_STEPS
    of_sample = (steps * of_step + of_features) / wanted.at_a_time
    enough = min(max(wanted.num_images, 2 * FEWEST_SAMPLES), 2000 if wanted.device == "cpu" else 10_000)
    samples = min(enough, max(int(SAMPLING * left / of_sample) // 10 * 10, FEWEST_SAMPLES))
    # With what sampling leaves, or without what the fewest samples take beyond their share.
    if (possible := (share * left + SAMPLING * left - samples * of_sample) / seconds) < FEWEST_UPDATES:
        updating = FEWEST_UPDATES * seconds
        fewest = max(updating / share, (updating + FEWEST_SAMPLES * of_sample) / (share + SAMPLING))
        least = math.ceil((starting + fewest) / 36) / 100
        raise UserError(
            f"--hours {wanted.hours}: is too short for more than {max(possible, 0):.0f} updates of the network at "
            f"--size {wanted.image_size} on this machine's {wanted.device}; {least} or more is accepted"
        )
    most_passes = MOST_TUNING_PASSES if wanted.source else MOST_PASSES
    most = min(MOST_ITERATIONS, most_passes * wanted.num_images / batch)
    iterations = rounded(max(min(possible, most), FEWEST_UPDATES))
    model["training"]["ema_rate"] = next(rate for least, rate in EMA_RATES if iterations >= least)
    model["training"] |= {} if wanted.source else {"annealing": iterations}
    hours = wanted.hours - max(0, possible - iterations) * seconds / 3600
    return Recipe(model, iterations, steps, samples, seconds, hours)


def reached(recipe: Recipe) -> list[str]:
    """Tell what FID training as long as a recipe's, or shorter, reached on other images; nothing of other networks."""
    network, training = recipe.model["network"], recipe.model["training"]
    is_measured = "num_classes" in network and network["image_size"] in (28, 32) and "optimizer" in training
    if not is_measured or network["channels"] > WIDTHS[-1].channels or training["batch_size"] != 16:
        return []
    most = {name: max((at for at in fids if at <= recipe.iterations), default=0) for name, fids in REACHED.items()}
    return [f"{REACHED[name][at]} on {name} in {at} iterations" for name, at in most.items() if at]


def _fitting(wanted: Request, seconds: float) -> tuple[dict[str, Any], float]:
    """Find the widest model that sees enough images in some seconds, and the seconds of an update of it."""
    if wanted.source:
        own = {"image_channels": wanted.image_channels, "num_classes": wanted.num_classes}
        source = wanted.source.model
        rate = next((one.learning_rate for one in WIDTHS if one.channels <= source.network.channels), 1.0e-3)
        model = {**source.values(), "network": {**source.network.values(), **own}}
        model["training"] = _training(wanted, rate / SLOWER)
        return _in_faster_precision(model, wanted)
    models = [_model(wanted, width) for width in WIDTHS if width.least_images <= wanted.num_images]
    narrowest = models[-1]
    cost = _measured(narrowest, wanted.device) / _flops(narrowest) / narrowest["training"]["batch_size"]
    fitting = (model for model in models if seconds / (cost * _flops(model)) >= ENOUGH)
    return _in_faster_precision(next(fitting, narrowest), wanted)


def _in_faster_precision(model: dict[str, Any], wanted: Request) -> tuple[dict[str, Any], float]:
    """Return a model in bfloat16 where a CPU's updates are a tenth faster so, and the seconds of an update."""
    if wanted.device == "cpu":
        low = {**model, "training": {**model["training"], "precision": "bfloat16"}}
        model = low if _measured(low, wanted.device) < 0.9 * _measured(model, wanted.device) else model
    over = min(max(MEASURED * 3600 * wanted.hours, LEAST_MEASURED), MOST_MEASURED)
    return model, _measured(model, wanted.device, over)


def _measured(model: dict[str, Any], device: str, over: float = 3.0) -> float:
    """Measure the seconds of an update over some time; on a CPU on as few images as take some seconds at most."""
    whole, section = model["training"]["batch_size"], DiffusionModelParams.model_validate(model)
    some = min(whole, max(1, int(1.0e11 / (3 * _flops(model))))) if device == "cpu" else whole
    return update_seconds(section, device, over, some)


def _model(wanted: Request, width: Width) -> dict[str, Any]:
    multiplier = channel_multiplier(wanted.image_size)
    if width.depth == 1:  # half as wide at full size, where most of the time goes, and so on below
        multiplier = [0.5, *multiplier[:-1]]
    sides = [wanted.image_size >> level for level in range(1, len(multiplier))]
    network = {
        "image_size": wanted.image_size,
        "channels": width.channels,
        **({"groups": int(width.channels * multiplier[0]) // LEAST_GROUP} if width.channels < 32 * LEAST_GROUP else {}),
        "channel_multiplier": multiplier,
        "depth": width.depth,
        "attention_resolutions": [side for side in sides if side <= 16],
        "head_channels": 64 if width.channels % 64 == 0 else 32,
        **({"image_channels": 1} if wanted.image_channels == 1 else {}),
        **({"num_classes": wanted.num_classes} if wanted.num_classes else {}),
    }
    # At few pixels the linear schedule's last steps are of noise alone (Nichol and Dhariwal 2021).
    noise = ({"schedule": "cosine"} if wanted.image_size <= 64 else {}) | NOISE
    training = _training(wanted, width.learning_rate)
    return {"kind": "diffusion", "network": network, **OBJECTIVE, "noise": noise, "training": training}


def _training(wanted: Request, learning_rate: float) -> dict[str, Any]:
    on_cuda = wanted.device == "cuda"
    return {
        "batch_size": min((128 if wanted.image_size <= 64 else 32) if on_cuda else 16, wanted.num_images),
        **({} if wanted.source else {"optimizer": "muon"}),
        "learning_rate": learning_rate,
        "ema_rate": EMA_RATES[0][1],
        "ema_warmup": True,
        **({"label_dropout": LABEL_DROPOUT} if wanted.num_classes and not wanted.source else {}),
        **({"precision": "float16"} if on_cuda else {}),
        **({} if on_cuda or wanted.cores < 4 else {"threads": wanted.cores // 2}),
    }


def _flops(model: dict[str, Any]) -> float:
    return network_cost(DiffusionModelParams.model_validate(model)).flops


def rounded(iterations: float) -> int:
    """Round down to a multiple of eight, at least eight: an eighth of training is kept, too."""
    return max(int(iterations) // 8 * 8, 8)
