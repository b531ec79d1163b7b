"""Time to quality: FID against the seconds of one core that training took, ours and other libraries'.

Run as `python -m benchmarks.quality fashion|FOLDER --out FILE.csv`. A folder holds a folder of images a class. Each
contender trains as its own documentation says, with 32 channels on three levels or its library's like of it, and again
with ours in the place of what is meant for days: rate, batch, bfloat16, nothing mirrored ("our settings"). All read the
same images from memory, on one thread.

A second is one of processor time in updates. What an update takes is measured first, of all in turns, and kept beside
FILE.csv; a budget is as many updates as fit. What falls to zero at the end, as a rate of diffusers does, is trained
anew for each budget. Samples are drawn from the average of weights and from the last ones.

Everyone is sampled by our fast sampler. A library's first seed is sampled by its own default, too, at the last budget,
from the better weights, beside as many by ours. One judge, trained before on the same images and used for nothing else,
scores all: FID to training and to held-out images, KID to held-out ones; of Fashion-MNIST these are the 10,000 of its
test set, which chose nothing here but which weights are the better ones.
A call that was stopped goes on with what is missing in FILE.csv. `python -m benchmarks.quality --show FILE.csv` prints
the table.
"""

import argparse
import csv
import math
import time
from abc import ABC, abstractmethod
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from adm.config.models import DiffusionModel, TargetName, TrainingParams, VarianceKind
from adm.config.networks import UNetParams
from adm.config.samplers import FAST_STEPS
from adm.config.sampling import GuidedSampling
from adm.config.schedules import respaced_timesteps
from adm.data.batches import to_uint8, to_unit_range
from adm.data.clusters import clusters_of
from adm.data.duplicates import thumbnail
from adm.data.sources.idx import read_idx
from adm.determinism import generator, make_deterministic
from adm.diffusion.process import Denoiser, Diffusion
from adm.diffusion.samplers import DDPM, last, sample
from adm.diffusion.solvers import DPMSolverPP
from adm.metrics.frechet import frechet_distance
from adm.metrics.kernel import kernel_distance
from adm.metrics.statistics import feature_statistics
from adm.nets.forward import Forward
from adm.nets.weights import build
from adm.planning.recipe import EMA_RATES, LABEL_DROPOUT
from adm.report.figures import COLORS, LINES, MARKERS, STYLE, axis_label
from adm.sampling.guided import guidance
from adm.tools.new import CLUSTERS
from adm.training.inputs import Noise, dropped_labels
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from adm.training.updates import warmed_up
from benchmarks.plain import PlainTraining, plain
from benchmarks.short_training import FASHION, OBJECTIVES, Images, Labels, features_of, judge_of, read, section
from benchmarks.table import RIVALS

BUDGETS = (60.0, 120.0, 300.0)
"""Seconds of training after which all are sampled."""

ROUNDS, LEAST = 6, 1.0
"""Turns in which it is measured what an update takes, for so many seconds; the first one does not count."""

JUDGE_SEED = 1
"""Of the judge, another one than that of `benchmarks.levers`, by which `adm new` was chosen."""

BATCH = 50
"""Images that are sampled together."""

NETWORK = {"channel_multiplier": [0.5, 1, 2], "groups": 4}
"""Levels of the narrowest network of `adm new`; others have [1, 2, 2], and "as wide as others" tells what that is."""

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A network of (x_t: (B, C, H, W) in [-1, 1], timesteps: (B,), classes: (B,)); (B, C or 2C, H, W)."""


class Task(NamedTuple):
    """What all train on: images (N, side, side, 3) uint8 with their classes, and the channels of networks."""

    images: Images
    labels: Labels
    channels: int

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(self.labels.max()) + 1

    def model(
        self, objective: str, seed: int, labelled: bool = True, batch: int = 16, **training: Any
    ) -> DiffusionModel:
        """A model of 32 channels on three levels, with an objective and changes of its training."""
        classes = self.classes if labelled else None
        whole = section(self.images.shape[1], self.channels, classes, batch, OBJECTIVES[objective], seed)
        return whole.model_copy(update={"training": whole.training.model_copy(update=training)})


class Weights(NamedTuple):
    """Trained weights: what they predict, and the process that they were trained on; `own` is the library's object."""

    name: str
    predict: Predict
    betas: NDArray[np.float64]
    predicts: TargetName = "eps"
    variance: VarianceKind = "beta_tilde"
    own: Any = None

    def respaced(self, steps: str) -> Diffusion:
        """The process of fewer steps."""
        sigmas = np.sqrt(1 / np.cumprod(1 - self.betas) - 1).tolist()
        timesteps = respaced_timesteps(len(self.betas), steps, sigmas)
        return Diffusion(self.betas, timesteps, self.variance, self.predicts)

    def given(self, y: Tensor) -> Denoiser:
        """The network, given the classes of a batch."""
        return lambda x, t: self.predict(x, t, y)


def ema_rate(updates: int) -> float:
    """The rate of the average that `adm new` keeps of so many updates."""
    return next(rate for least, rate in EMA_RATES if updates >= least)


class Contender(ABC):
    """A way to train a network on a task.

    Attributes:
        batch: Images of a step.
        mirrored: Whether half of the images are mirrored.
        annealed: Whether something falls to zero at the end, so that each budget is a training of its own.
        low: Whether updates are in bfloat16, by torch's autocast.
        accumulated: Batches of an update.
    """

    batch: int
    mirrored = annealed = low = False
    accumulated = 1

    def __init__(self, task: Task, seed: int) -> None:
        self.task, self.seed = task, seed
        self.draws = torch.Generator().manual_seed(seed)

    @abstractmethod
    def step(self, x_0: Tensor, y: Tensor, total: int) -> None:
        """Make one step of so many on a batch, x_0 (B, C, H, W) in [-1, 1]."""

    @abstractmethod
    def weights(self) -> list[Weights]:
        """The weights that are sampled from: the average, and others that may be better."""

    def denoiser(self, weights: Weights, y: Tensor) -> Denoiser:
        """The denoiser of a batch with its classes."""
        return weights.given(y)

    def fast_samples(self, weights: Weights, steps: int = FAST_STEPS, eta: float = 1.0, **how: Any) -> Tensor:
        """Sample a batch by our fast sampler, or by one with other steps and other noise."""
        x_T, y, draw = self.drawn()
        process, denoiser = weights.respaced(f"logsnr{steps}"), self.denoiser(weights, y)
        return last(sample(DPMSolverPP(process, denoiser, eta=eta, **how), x_T, draw))

    def own_samples(self, weights: Weights) -> Tensor:
        """Sample a batch by the contender's default sampler."""
        return self.fast_samples(weights)

    def drawn(self) -> tuple[Tensor, Tensor, Callable[[], Tensor]]:
        """Draw x_T of a batch, its classes, as often as images have them, and a source of more noise."""
        side = self.task.images.shape[1]
        draw = partial(torch.randn, BATCH, self.task.channels, side, side, generator=self.draws)
        rows = torch.randint(len(self.task.labels), (BATCH,), generator=self.draws)
        return draw(), torch.from_numpy(self.task.labels)[rows], draw


class AdmNew(Contender):
    """What `adm new` writes, whose rate falls to zero; it may guide itself, or be told clusters in place of classes.

    The rate of the average goes by the number of updates made.
    """

    annealed = True

    def __init__(
        self,
        task: Task,
        seed: int,
        labelled: bool = True,
        clusters: int = 0,
        scale: float | None = None,
        levels: Mapping[str, Any] = NETWORK,
        change: Callable[[DiffusionModel], DiffusionModel] = lambda model: model,
    ) -> None:
        if clusters:
            thumbnails = np.stack([thumbnail(image) for image in task.images])
            task = task._replace(labels=clusters_of(thumbnails, clusters))
        super().__init__(task, seed)
        training = {"optimizer": "muon"} | ({"label_dropout": LABEL_DROPOUT} if labelled else {})
        model = task.model("x_0, simple, min-SNR 5", seed, labelled, **training)
        network = UNetParams.model_validate({**model.network.values(), **levels})
        self.model = change(model.model_copy(update={"network": network}))
        self.batch = self.model.training.batch_size
        self.state = TrainingState(build(self.model), build_task(self.model), self.model.training)
        self.averages = {rate: deepcopy(self.state.ema) for _, rate in EMA_RATES}
        self.scale = scale

    def step(self, x_0: Tensor, y: Tensor, total: int) -> None:
        """Make one update, and one of each average that may be wanted, of which `adm new` keeps one."""
        self.update(self.model.training.model_copy(update={"annealing": total}), x_0, y)
        for rate, average in self.averages.items():
            torch._foreach_lerp_([*average.values()], self.state.weights, 1 - warmed_up(rate, self.state.step - 1))

    def update(self, training: TrainingParams, x_0: Tensor, y: Tensor, noise: Noise | None = None) -> None:
        """Make one update as training says, which drops classes before it."""
        y = dropped_labels(y, training.label_dropout, training.seeds.noise, self.state.step, range(len(y)))
        train_step(self.state, training, x_0, y, noise=noise)

    def average(self) -> Mapping[str, Tensor]:
        """The average that `adm new` would keep of so many updates."""
        return self.averages[ema_rate(self.state.step)]

    def weights(self) -> list[Weights]:
        """The average."""
        averaged = build(self.model)
        averaged.load_state_dict(self.average())
        process = Diffusion.of(self.model.noise)
        return [Weights("average", averaged, process.training_betas, process.predicts, process.variance)]

    def denoiser(self, weights: Weights, y: Tensor) -> Denoiser:
        """The denoiser of runs of `adm new`, in its precision, guided or not."""
        how = {"sampler": "dpm_solver_pp", "steps": f"logsnr{FAST_STEPS}", "num_samples": BATCH, "micro_batch": BATCH}
        how |= {"precision": self.model.training.precision} | ({"cfg_scale": self.scale} if self.scale else {})
        run, network = GuidedSampling.model_validate(how), cast("Any", weights.predict)
        return guidance(run, Forward.frozen(network, run.precision), None, None, self.model.noise.timesteps)(y)[0]


class Released(Contender):
    """The released code, as its README and the one it refers to say: L_hybrid, a batch of 128, a rate of 1e-4."""

    def __init__(self, task: Task, seed: int, is_ours: bool = False) -> None:
        super().__init__(task, seed)
        self.is_ours, self.made = is_ours, 0
        self.batch = 16 if is_ours else 128
        self.mirrored, self.low = not is_ours, is_ours
        changes = {} if is_ours else {"learning_rate": 1.0e-4, "ema_rate": 0.9999}
        self.model = task.model("eps", seed, batch=self.batch, **changes)
        self.process = Diffusion.of(self.model.noise)
        self.training = PlainTraining(build(self.model), self.process, self.model.training)
        self.training.draws = np.random.default_rng(seed)

    def step(self, x_0: Tensor, y: Tensor, total: int) -> None:
        """Make one update."""
        if self.is_ours:
            self.training.ema_rate = warmed_up(ema_rate(total), self.made)
        self.training.step(x_0, y)
        self.made += 1

    def weights(self) -> list[Weights]:
        """The average, of 10,000 updates by the released rate or that of `adm new`, and the last weights."""
        averaged = plain(self.training.network)
        with torch.no_grad():
            for parameter, average in zip(averaged.parameters(), self.training.average, strict=True):
                parameter.copy_(average)
        given = self.process.training_betas, self.process.predicts, self.process.variance
        return [Weights("average", averaged, *given), Weights("last", self.training.network, *given)]

    def own_samples(self, weights: Weights) -> Tensor:
        """Sample a batch by DDPM in 250 steps."""
        x_T, y, draw = self.drawn()
        return last(sample(DDPM(weights.respaced("250"), weights.given(y)), x_T, draw))


class Diffusers(Contender):
    """diffusers' example of unconditional generation, as its README calls it, with 32 channels on three levels.

    The average is the example's, whose warm-up fits short trainings.
    """

    batch, annealed = 16, True

    def __init__(self, task: Task, seed: int, is_ours: bool = False) -> None:
        from benchmarks.diffusers import DDPMScheduler, ExampleTraining, unet

        super().__init__(task, seed)
        self.rate, self.warm_up, self.made = (FOR_MINUTES, 0, 0) if is_ours else (1.0e-4, 500, 0)
        self.mirrored, precision = not is_ours, "bfloat16" if is_ours else "float32"
        self.training = ExampleTraining(unet(task.model("eps, simple", seed, labelled=False)), precision)
        self.training.process = DDPMScheduler()

    def step(self, x_0: Tensor, y: Tensor, total: int) -> None:
        """Make one update; the rate rises over the first updates, and falls from there along a cosine to the end."""
        if self.made < self.warm_up:
            factor = self.made / self.warm_up
        else:
            factor = 0.5 * (1 + math.cos(math.pi * (self.made - self.warm_up) / max(1, total - self.warm_up)))
        for group in self.training.optimizer.param_groups:
            group["lr"] = self.rate * factor
        self.training.step(x_0, None)  # type: ignore[arg-type]
        self.made += 1

    def weights(self) -> list[Weights]:
        """The average and the last weights."""
        networks = {name: deepcopy(self.training.network).eval() for name in ("average", "last")}
        self.training.average.copy_to(networks["average"].parameters())
        betas = self.training.process.betas.double().numpy()
        return [
            Weights(name, _unlabelled(lambda x, t, n=network: n(x, t).sample), betas)
            for name, network in networks.items()
        ]

    def own_samples(self, weights: Weights) -> Tensor:
        """Sample a batch by DDPM in all 1000 steps, as the pipeline does."""
        x_T, y, draw = self.drawn()
        return last(sample(DDPM(weights.respaced("1000"), weights.given(y)), x_T, draw))


class DenoisingDiffusion(Contender):
    """denoising-diffusion-pytorch: its README, with a network as narrow as the others' that halves 28 pixels twice.

    The README's half precision, float16, needs a GPU, and is left off on a CPU.
    """

    def __init__(self, task: Task, seed: int, is_ours: bool = False) -> None:
        library = import_module("denoising_diffusion_pytorch")
        average = import_module("ema_pytorch").EMA
        super().__init__(task, seed)
        # The README's batch of 32 is accumulated twice.
        self.batch, self.accumulated, self.made = (16, 1, 0) if is_ours else (32, 2, 0)
        self.mirrored, self.low = not is_ours, is_ours
        network = library.Unet(dim=32, dim_mults=(1, 2, 2), channels=task.channels, flash_attn=True)
        side = task.images.shape[1]
        self.diffusion = library.GaussianDiffusion(network, image_size=side, timesteps=1000, sampling_timesteps=250)
        rate = FOR_MINUTES if is_ours else 8.0e-5
        self.optimizer = torch.optim.Adam(self.diffusion.parameters(), lr=rate, betas=(0.9, 0.99))
        how = (
            {"beta": 0.99, "update_every": 1, "update_after_step": 0}
            if is_ours
            else {"beta": 0.995, "update_every": 10}
        )
        self.average = average(self.diffusion, **how)

    def step(self, x_0: Tensor, y: Tensor, total: int) -> None:
        """Accumulate the gradient of a batch; some batches make an update, as the trainer does."""
        loss = self.diffusion((x_0 + 1) / 2) / self.accumulated
        loss.backward()
        self.made += 1
        if self.made % self.accumulated == 0:
            nn.utils.clip_grad_norm_(self.diffusion.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.average.update()

    def weights(self) -> list[Weights]:
        """The average and the last weights."""
        found = []
        for name, network in (("average", self.average.ema_model), ("last", self.diffusion)):
            kept = deepcopy(network).eval()
            predicts: TargetName = {"pred_noise": "eps", "pred_v": "v", "pred_x0": "x_0"}[kept.objective]  # type: ignore[assignment]
            betas = kept.betas.double().numpy()
            found.append(Weights(name, _unlabelled(kept.model), betas, predicts, own=kept))
        return found

    def own_samples(self, weights: Weights) -> Tensor:
        """Sample a batch by the library's DDIM in 250 steps."""
        samples: Tensor = weights.own.sample(batch_size=BATCH)
        return samples * 2 - 1


class SmallDiffusion(Contender):
    """smalldiffusion's example of Fashion-MNIST, with its network of 64 channels, in our settings.

    The example is for a GPU: an update of its 1,024 images takes two minutes of one core here, and 20 GB.
    """

    batch, low = 16, True

    def __init__(self, task: Task, seed: int) -> None:
        self.library = import_module("smalldiffusion")
        super().__init__(task, seed)
        self.made = 0
        side, channels = task.images.shape[1], task.channels
        network = self.library.Scaled(self.library.Unet)
        self.network = network(side, channels, channels, ch=64, ch_mult=(1, 1, 2), attn_resolutions=(side // 2,))
        self.averaged = deepcopy(self.network).eval()
        self.schedule = self.library.ScheduleLogLinear(sigma_min=0.01, sigma_max=20, N=800)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=FOR_MINUTES)

    def step(self, x_0: Tensor, y: Tensor, total: int) -> None:
        """Make one update, as the library's loop does, and one of the average, as torch-ema does."""
        self.optimizer.zero_grad()
        drawn = self.library.diffusion.generate_train_sample(x_0, self.schedule)
        self.network.train().get_loss(*drawn).backward()
        self.optimizer.step()
        self.made += 1
        decay = min(0.99, (1 + self.made) / (10 + self.made))
        with torch.no_grad():
            torch._foreach_lerp_([*self.averaged.parameters()], [*self.network.parameters()], 1 - decay)

    def weights(self) -> list[Weights]:
        """The average and the last weights, of x / sqrt(alpha_bar) and sigma."""
        sigmas = self.schedule.sigmas.double().numpy()
        alpha_bar = 1 / (1 + sigmas**2)
        betas = 1 - alpha_bar / np.concatenate([[1.0], alpha_bar[:-1]])

        def of(network: nn.Module) -> Predict:
            def predict(x: Tensor, t: Tensor, y: Tensor) -> Tensor:
                sigma = self.schedule.sigmas[t][:, None, None, None]
                predicted: Tensor = network(x * (1 + sigma**2).sqrt(), sigma)
                return predicted

            return predict

        networks = {"average": self.averaged, "last": deepcopy(self.network).eval()}
        return [Weights(name, of(network), betas, own=network) for name, network in networks.items()]

    def own_samples(self, weights: Weights) -> Tensor:
        """Sample a batch in 20 steps, as the example does."""
        *_, x_0 = self.library.samples(weights.own, self.schedule.sample_sigmas(20), gam=1.6, batchsize=BATCH)
        samples: Tensor = x_0.clamp(-1, 1)
        return samples


def _unlabelled(network: Callable[[Tensor, Tensor], Tensor]) -> Predict:
    return lambda x, t, y: network(x, t)


@dataclass(frozen=True)
class Entry:
    """A row of the table: how to make a contender, and whether it is ours, is given classes, samples by its own way."""

    make: Callable[[Task, int], Contender]
    ours: bool = False
    labelled: bool = False
    is_own_sampled: bool = False


FOR_MINUTES = 1.0e-3
"""A learning rate for minutes, that of `adm new`'s narrowest network."""

GUIDED = "adm new, guided by itself at 1.5"

CONTENDERS = {
    "adm new --unlabelled": Entry(partial(AdmNew, clusters=CLUSTERS), ours=True),
    "adm new": Entry(AdmNew, ours=True, labelled=True),
    GUIDED: Entry(partial(AdmNew, scale=1.5), ours=True, labelled=True),
    "adm new, unconditional": Entry(partial(AdmNew, labelled=False), ours=True),
    "adm new, unconditional, as wide as others": Entry(partial(AdmNew, labelled=False, levels={}), ours=True),
    "adm new, as wide as others": Entry(partial(AdmNew, levels={}), ours=True, labelled=True),
    "released code": Entry(Released, labelled=True, is_own_sampled=True),
    "released code, our settings": Entry(partial(Released, is_ours=True), labelled=True, is_own_sampled=True),
    "diffusers": Entry(Diffusers, is_own_sampled=True),
    "diffusers, our settings": Entry(partial(Diffusers, is_ours=True)),
    "denoising-diffusion-pytorch": Entry(DenoisingDiffusion, is_own_sampled=True),
    "denoising-diffusion-pytorch, our settings": Entry(partial(DenoisingDiffusion, is_ours=True)),
    "smalldiffusion, our settings": Entry(SmallDiffusion, is_own_sampled=True),
}


class Judge:
    """Scores samples against a task's images and held-out ones."""

    def __init__(self, task: Task, unseen: Images, iterations: int, seed: int) -> None:
        self.network = judge_of(task.images, task.labels, iterations, seed)
        self.rows = features_of(self.network, unseen)
        self.real = feature_statistics(features_of(self.network, task.images))
        self.unseen = feature_statistics(self.rows)

    def scores(self, images: Images) -> dict[str, float]:
        """FID to the task's images and to held-out ones, and KID to the latter."""
        rows = features_of(self.network, images)
        fitted = feature_statistics(rows)
        return {
            "fid": frechet_distance(fitted, self.real),
            "fid_held_out": frechet_distance(fitted, self.unseen),
            "kid_held_out": kernel_distance(self.rows, rows).value,
        }


def update(contender: Contender, draws: torch.Generator, total: int) -> float:
    """Make one update, and return the seconds of a processor that it took, without reading and mirroring."""
    task = contender.task
    rows = torch.randint(len(task.images), (contender.batch,), generator=draws).numpy()
    x_0, y = to_unit_range(task.images[rows], task.channels), torch.from_numpy(task.labels[rows])
    if contender.mirrored:
        turned = torch.rand(len(x_0), 1, 1, 1, generator=draws) < 0.5
        x_0 = torch.where(turned, x_0.flip(-1), x_0)
    began = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=contender.low):
        contender.step(x_0, y, total)
    return time.process_time() - began


def seconds_an_update(task: Task, entries: Mapping[str, Entry], file: Path) -> dict[str, float]:
    """Measure what an update takes, a second of each in turns, median over turns; what the file has is kept."""
    known = dict(pd.read_csv(file).itertuples(index=False)) if file.exists() else {}
    contenders: dict[str, Contender] = {}
    for name in filter(lambda name: name not in known, entries):
        try:
            contenders[name] = made(entries[name], task, 0)
        except ModuleNotFoundError as error:
            if error.name not in RIVALS:
                raise
            print(f"{name}: {error.name} is not installed: `make rivals`")
    turns: dict[str, list[float]] = {name: [] for name in contenders}
    draws = generator(0)
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            taken: list[float] = []
            # Trainings of three updates, so that batches of all sizes are among them.
            while not taken or sum(taken) < LEAST or len(taken) % 3:
                taken.append(update(contender, draws, 3))
            turns[name].append(float(np.mean(taken)))
    known |= {name: float(np.median(each[1:])) for name, each in turns.items()}
    pd.DataFrame(known.items(), columns=["contender", "seconds"]).to_csv(file, index=False)
    return known


def made(entry: Entry, task: Task, seed: int) -> Contender:
    """Make a contender; its library draws from torch's own generator."""
    torch.manual_seed(seed)
    return entry.make(task, seed)


OWN, AS_MANY = "its own", "fast, as many"

SAMPLERS: dict[str, dict[str, Any]] = {
    "fast": {},
    "2m 8": {"steps": 8, "eta": 0.0},
    "2m 12": {"eta": 0.0},
}
"""Ways to sample from everyone's weights: the keywords of `fast_samples`."""

OURS = ("#D55E00", "#9C1C1C", "#E69F00", "#F0B080", "#C98080", "#8C6D3F")

COLORS_OF_ALL = (*OURS, *(color for color in COLORS if color not in OURS))
"""Colours of curves, ours first and warm."""

TITLES = {"quality_fashion": "Garments, 28×28", "quality_emoji": "Emoji, 32×32"}
"""Titles of panels by the file's name; of others the name itself."""

FIELDS = ("contender", "seed", "seconds", "updates", "weights", "sampler", "fid", "fid_held_out", "kid_held_out")


def task_of(source: str) -> tuple[Task, Images]:
    """Read what all train on, and held-out images."""
    images, labels, unseen, _, channels = read(source, 32, keeps_alike=True)
    return Task(images, labels, channels), unseen


def tested_garments() -> Images:
    """Read the 10,000 garments of the test set."""
    grey = read_idx(next(Path(FASHION["root"]).glob("t10k-images-idx3-ubyte*")), 3)
    return np.repeat(grey[..., None], 3, axis=3)


def measure(
    options: argparse.Namespace, entries: Mapping[str, Entry], task: Task, unseen: Images, judge_seed: int
) -> None:
    """Append what is missing in the file of results, of all entries or those that are named."""
    chosen = {name: entries[name] for name in options.names or entries}
    speeds = seconds_an_update(task, chosen, options.out.with_suffix(".speeds.csv"))
    judge = Judge(task, unseen, options.judge, judge_seed)
    # A call that was stopped before its first row has left an empty file.
    is_begun = options.out.exists() and options.out.stat().st_size
    done = pd.read_csv(options.out) if is_begun else pd.DataFrame(columns=FIELDS)
    with options.out.open("a", newline="") as file:
        table = csv.DictWriter(file, FIELDS)
        if not file.tell():
            table.writeheader()
        for seed in options.seeds:
            for name in filter(speeds.__contains__, chosen):
                if not ((done.contender == name) & (done.seed == seed)).any():
                    print(f"{name}, seed {seed}:", flush=True)
                    found = rows_of(entries[name], task, seed, judge, speeds[name], options)
                    # Written at once, so that a contender that was stopped begins anew.
                    table.writerows({"contender": name, **row} for row in found)
                    file.flush()


def rows_of(
    entry: Entry, task: Task, seed: int, judge: Judge, seconds: float, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Train a contender, and score its samples at each budget."""
    found: list[dict[str, Any]] = []

    def score(contender: Contender, budget: float, weights: Weights, by: str, count: int) -> None:
        draw = contender.own_samples if by == OWN else partial(contender.fast_samples, **SAMPLERS.get(by, {}))
        contender.draws.manual_seed(seed)  # all begin with the same noise and classes: differences are less noisy
        with torch.no_grad():
            images = np.concatenate([to_uint8(draw(weights)) for _ in range(count // BATCH)])
        about = (seed, budget, done // contender.accumulated, weights.name, by)
        found.append(dict(zip(FIELDS[1:], about, strict=False)) | judge.scores(images))
        print(found[-1], flush=True)

    contender, draws, done = made(entry, task, seed), generator(seed), 0
    for budget in options.budgets:
        total = int(budget / seconds)
        if not total:
            continue  # the first update would take longer
        if contender.annealed and done:
            contender, draws, done = made(entry, task, seed), generator(seed), 0
        for _ in range(done, total):
            update(contender, draws, total)
        done = total
        for weights in contender.weights():
            for sampler in options.samplers:
                score(contender, budget, weights, sampler, options.samples)
    if found and entry.is_own_sampled and options.own_samples and seed == options.seeds[0]:
        trained = {weights.name: weights for weights in contender.weights()}
        fast = [row for row in found if row["seconds"] == budget and row["sampler"] == options.samplers[0]]
        better = min(fast, key=lambda row: row["fid_held_out"])["weights"]
        # FID falls with the number of samples.
        for by in (OWN, AS_MANY):
            score(contender, budget, trained[better], by, options.own_samples)
    return found


def over_seeds_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return FID to held-out images of the better weights, by contender and seconds: median, min and max over seeds."""
    fast = rows[rows.sampler == "fast"].groupby(["contender", "seconds", "seed"]).fid_held_out.min()
    return fast.groupby(["contender", "seconds"]).agg(["median", "min", "max"])


def ratio_of(logs: pd.Series) -> str:
    """Tell a ratio: the geometric mean over seeds, and its 95 % interval by Student's t, of logarithms, one a seed."""
    logs = logs.dropna()
    if len(logs) < 2:
        return "".join(f"{ratio:.2f}" for ratio in np.exp(logs))
    half = stats.t.ppf(0.975, len(logs) - 1) * stats.sem(logs)
    return "{:.2f} ({:.2f}-{:.2f})".format(*np.exp([logs.mean(), logs.mean() - half, logs.mean() + half]))


def ratios_to(logs: pd.DataFrame, base: str) -> pd.DataFrame:
    """Divide by a base's with the same seed; "all" is the mean over the budgets that all seeds of a contender have.

    All are logarithms, by contender and seed in rows and by seconds in columns; NaN where the base has none.
    """
    ratios = logs.sub(logs[logs.index.isin([base], level="contender")].droplevel("contender"), level="seed")
    whole = [each.dropna(how="all").dropna(axis=1).mean(axis=1) for _, each in ratios.groupby(level="contender")]
    return ratios.assign(all=pd.concat(whole))


def draw(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Draw a panel a file: FID over seconds, ours in full lines, and what has classes with filled markers."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(tables), 5.6), layout="constrained")
        panels = figure.subplots(1, len(tables), squeeze=False)[0]
        for axes, (title, rows) in zip(panels, tables.items(), strict=True):
            over_seeds = over_seeds_of(rows)
            for number, (name, entry) in enumerate(CONTENDERS.items()):
                if name not in over_seeds.index:
                    continue
                found = over_seeds.loc[name]
                color = COLORS_OF_ALL[number]
                axes.plot(
                    found.index,
                    found["median"],
                    label=name,
                    color=color,
                    marker=MARKERS[number % len(MARKERS)],
                    markerfacecolor=color if entry.labelled else "white",
                    linewidth=2.2 if entry.ours else 1.2,
                    linestyle="-" if entry.ours else LINES[1],
                )
                axes.fill_between(found.index, found["min"], found["max"], color=color, alpha=0.15, linewidth=0)
            axes.set(title=title, xscale="log", yscale="log", xlabel="Seconds of a core in training")
            budgets = over_seeds.index.unique("seconds")
            axes.set_xticks(budgets, [f"{each:g}" for each in budgets])
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
        panels[0].set_ylabel(axis_label("fid"))
        curves = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        about = "Full lines: ours. Filled: each image's class is told. Medians over seeds, and their range."
        figure.legend([*curves.values()], [*curves], title=about, loc="outside lower center", ncols=len(tables))
        figure.savefig(path, metadata={"Software": None})


def show(path: Path, base: str) -> None:
    """Print FID to held-out images of the better weights over seconds, and how much sooner ours has the best rival's.

    Each cell is the median over seeds, and the lowest and highest. What is given classes is compared with ours that is.
    A ratio to the base is a geometric mean over the budgets, with seeds paired.
    """
    rows = pd.read_csv(path)
    over_seeds = over_seeds_of(rows)
    medians = over_seeds["median"].unstack()
    updates = rows.groupby("contender").updates.max()
    fast = rows[rows.sampler == "fast"].groupby(["contender", "seed", "seconds"])
    logs = np.log(fast.fid_held_out.min().unstack())
    ratios = ratios_to(logs, base)["all"]
    better = rows.loc[fast.fid_held_out.idxmin()].groupby(["contender", "seconds"]).kid_held_out.median()
    kid = better.groupby("contender").last()
    times = " | ".join(f"{each:g} s" for each in medians)
    print(f"| contender | updates | {times} | times {base}'s (95 %) | KID at the end |")
    print(f"|:--|--:|{'--:|' * medians.shape[1]}--:|--:|")
    for name in filter(medians.index.__contains__, CONTENDERS):
        of_all = over_seeds.loc[name].reindex(medians.columns).to_numpy()
        cells = ("" if np.isnan(middle) else f"{middle:.2f} ({low:.2f}-{high:.2f})" for middle, low, high in of_all)
        ratio = ratio_of(ratios.loc[name]) if name != base else "1.00"
        print(f"| {name} | {updates[name]} | {' | '.join(cells)} | {ratio} | {kid[name]:.3g} |")
    end = medians.columns[-1]
    for ours in filter(medians.index.__contains__, ("adm new --unlabelled", "adm new", GUIDED)):
        alike = [
            name
            for name in filter(CONTENDERS.__contains__, medians.index)
            if CONTENDERS[name].labelled == CONTENDERS[ours].labelled
        ]
        rivals = medians.loc[[name for name in alike if not CONTENDERS[name].ours], end]
        if rivals.empty:
            continue
        reached = medians.columns[medians.loc[ours] <= rivals.min()]
        when = f"after {reached[0]:g} s" if len(reached) else "not yet"
        print(f"\n{rivals.idxmin()} ends with {rivals.min():.2f} after {end:g} s; {ours} has it {when}.")
    at_end = rows[(rows.seconds == end) & (rows.seed == rows.seed.iloc[0])]
    print("\n| contender | weights | sampler | FID | FID, held out | KID, held out |\n|:--|:--|:--|--:|--:|--:|")
    for row in at_end.sort_values(["contender", "weights"]).itertuples():
        scores = f"{row.fid:.2f} | {row.fid_held_out:.2f} | {row.kid_held_out:.3g}"
        print(f"| {row.contender} | {row.weights} | {row.sampler} | {scores} |")


def existing(name: str) -> Path:
    """Take what `--show` names, or refuse it in a line."""
    if not (path := Path(name)).is_file():
        raise ArgumentTypeError(f"{name}: no such file")
    return path


def parser_of(
    names: Iterable[str], seeds: Sequence[int], budgets: Sequence[float], base: str, **about: Any
) -> ArgumentParser:
    """Make the parser of a benchmark that trains what has names."""
    parser = ArgumentParser(**about)
    parser.add_argument("source", nargs="?", help="fashion, or a folder")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {'; '.join(names)} (default: all)")
    parser.add_argument("--out", type=Path, help="the file of results, which is gone on with")
    parser.add_argument("--show", type=existing, nargs="+", metavar="FILE.csv", help="print the tables of files")
    help_of_base = "what others of --show are divided by (default: %(default)s)"
    parser.add_argument("--base", default=base, choices=names, metavar="NAME", help=help_of_base)
    parser.add_argument("--seeds", type=int, nargs="+", default=seeds)
    parser.add_argument("--budgets", type=float, nargs="+", default=budgets, help="seconds, in order")
    parser.add_argument("--samples", type=int, default=500)
    help_of_samplers = "of everyone's weights; a seed that the file has is not sampled again"
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=["fast"], help=help_of_samplers)
    parser.add_argument("--judge", type=int, default=2000, help="iterations of the judge")
    return parser


def main() -> None:
    """Measure, or print the table of what was measured."""
    about = {"prog": "python -m benchmarks.quality", "description": __doc__}
    parser = parser_of(CONTENDERS, [201, 202, 203], BUDGETS, "adm new", **about)
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="draw the files of --show, a panel each")
    parser.add_argument("--own-samples", type=int, default=100, help="by a contender's own sampler; 0 leaves it out")
    options = parser.parse_args()
    for path in options.show or ():
        show(path, options.base)
    if options.picture and not options.show:
        parser.error("--picture draws what --show names")
    if options.picture:
        draw({TITLES.get(path.stem, path.stem): pd.read_csv(path) for path in options.show}, options.picture)
    if options.show:
        return None
    if not options.source or not options.out:
        parser.error("a source and --out are needed, or --show")
    make_deterministic(1)
    task, unseen = task_of(options.source)
    return measure(options, CONTENDERS, task, tested_garments() if options.source == "fashion" else unseen, JUDGE_SEED)


if __name__ == "__main__":
    main()
