"""Time to quality: FID against the seconds of one core that training took, ours and other libraries'.

Run as `python -m benchmarks.quality fashion|FOLDER --out FILE.csv`. A folder holds a folder of images a class. Each
contender trains as its own documentation says, with the layers of the narrowest network of `adm new` or its library's
like of it, and again, where its learning rate is meant for days, with one that is meant for minutes ("tuned"). All read
the same images from memory, on one thread; a second is one of processor time in updates. Samples are drawn from the
average of weights, and from the last weights, too, where the average is still of the first ones.

Everyone is sampled by our fast sampler, and the first seed at the last budget by its own default. One judge, trained
before on the same images, scores all: FID to training and to held-out images, KID to held-out ones. A call that was
stopped goes on with what is missing in FILE.csv. `python -m benchmarks.quality --show FILE.csv` prints the table.
"""

import argparse
import csv
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adm.config.models import DiffusionModel, TargetName, VarianceKind
from adm.config.respacing import respaced_timesteps
from adm.config.sampling import GuidedSampling
from adm.data.batches import to_uint8, to_unit_range
from adm.determinism import generator, make_deterministic
from adm.diffusion.process import Denoiser, Diffusion
from adm.diffusion.samplers import DDPM, last, sample
from adm.diffusion.solvers import DPMSolverPP
from adm.metrics.frechet import frechet_distance
from adm.metrics.kernel import kernel_distance
from adm.metrics.statistics import feature_statistics
from adm.nets.forward import Forward
from adm.nets.weights import build
from adm.planning.recipe import LABEL_DROPOUT, STEPS
from adm.sampling.guided import guidance
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from benchmarks.objectives import OBJECTIVES, Images, Labels, features_of, judge_of, read, section
from benchmarks.plain import PlainTraining
from benchmarks.table import RIVALS

BUDGETS = (15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds of training after which all are sampled."""

BATCH = 50
"""Images that are sampled together."""

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
        """The narrowest model of `adm new`, with an objective and changes of its training."""
        classes = self.classes if labelled else None
        whole = section(self.images.shape[1], self.channels, classes, batch, OBJECTIVES[objective], seed)
        return whole.model_copy(update={"training": whole.training.model_copy(update=training)})


class Weights(NamedTuple):
    """Trained weights: what they predict, and the process that they were trained on."""

    name: str
    predict: Predict
    betas: NDArray[np.float64]
    predicts: TargetName = "eps"
    variance: VarianceKind = "beta_tilde"

    def respaced(self, steps: str) -> Diffusion:
        """The process of fewer steps."""
        sigmas = np.sqrt(1 / np.cumprod(1 - self.betas) - 1).tolist()
        timesteps = respaced_timesteps(len(self.betas), steps, sigmas)
        return Diffusion(self.betas, timesteps, self.variance, self.predicts)

    def given(self, y: Tensor) -> Denoiser:
        """The network, given the classes of a batch."""
        return lambda x, t: self.predict(x, t, y)


class Contender(ABC):
    """A way to train a network on a task, of which `batch` images are taken for an update."""

    batch: int

    def __init__(self, task: Task, seed: int) -> None:
        self.task, self.seed = task, seed
        self.draws = torch.Generator().manual_seed(seed)

    @abstractmethod
    def step(self, x_0: Tensor, y: Tensor, share: float) -> None:
        """Make one update on a batch, x_0 (B, C, H, W) in [-1, 1]; `share` of the last budget is spent."""

    @abstractmethod
    def weights(self) -> list[Weights]:
        """The weights that are sampled from: the average, and others that may be better."""

    def fast_samples(self, weights: Weights) -> Tensor:
        """Sample a batch by our fast sampler."""
        x_T, y, draw = self.drawn()
        return last(sample(DPMSolverPP(weights.respaced(f"logsnr{STEPS}"), weights.given(y), eta=1.0), x_T, draw))

    def own_samples(self, weights: Weights) -> Tensor:
        """Sample a batch by the contender's default sampler."""
        return self.fast_samples(weights)

    def half_mirrored(self, x_0: Tensor) -> Tensor:
        """Mirror some images, each with probability 1/2."""
        mirrored = torch.rand(len(x_0), 1, 1, 1, generator=self.draws) < 0.5
        return torch.where(mirrored, x_0.flip(-1), x_0)

    def drawn(self) -> tuple[Tensor, Tensor, Callable[[], Tensor]]:
        """Draw x_T of a batch, its classes, and a source of more noise."""
        side = self.task.images.shape[1]
        draw = partial(torch.randn, BATCH, self.task.channels, side, side, generator=self.draws)
        return draw(), torch.randint(self.task.classes, (BATCH,), generator=self.draws), draw


class AdmNew(Contender):
    """What `adm new` writes, sampled as it samples; with classes by the scale that is best after short trainings."""

    def __init__(self, task: Task, seed: int, labelled: bool = True) -> None:
        super().__init__(task, seed)
        dropout = {"label_dropout": LABEL_DROPOUT} if labelled else {}
        self.model = task.model("x_0, simple, min-SNR 5", seed, labelled, **dropout)
        self.batch = self.model.training.batch_size
        self.state = TrainingState(build(self.model), build_task(self.model), self.model.training)
        self.scale = 1.5 if labelled else None

    def step(self, x_0: Tensor, y: Tensor, share: float) -> None:
        """Make one update."""
        train_step(self.state, self.model.training, x_0, y)

    def weights(self) -> list[Weights]:
        """The average."""
        averaged = build(self.model)
        averaged.load_state_dict(self.state.ema)
        process = Diffusion.of(self.model.noise)
        return [Weights("average", averaged, process.training_betas, process.predicts, process.variance)]

    def fast_samples(self, weights: Weights) -> Tensor:
        """Sample a batch as `adm new` does."""
        how = {"sampler": "dpm_solver_pp", "eta": 1.0, "steps": f"logsnr{STEPS}", "num_samples": BATCH}
        how |= {"micro_batch": BATCH, "precision": self.model.training.precision}
        run = GuidedSampling.model_validate(how | ({"cfg_scale": self.scale} if self.scale else {}))
        network: Any = weights.predict
        x_T, y, draw = self.drawn()
        denoiser, _ = guidance(run, Forward.frozen(network, run.precision), None, None, self.model.noise.timesteps)(y)
        return last(sample(DPMSolverPP(weights.respaced(run.steps), denoiser, eta=1.0), x_T, draw))


class Released(Contender):
    """The released code: L_hybrid, the released arithmetic, a batch of 128, a rate of 1e-4, an average of 0.9999."""

    def __init__(self, task: Task, seed: int, batch: int = 128, rate: float = 1.0e-4, average: float = 0.9999) -> None:
        super().__init__(task, seed)
        self.batch = batch
        self.model = task.model("eps", seed, batch=batch, learning_rate=rate, ema_rate=average)
        self.process = Diffusion.of(self.model.noise)
        self.training = PlainTraining(build(self.model), self.process, self.model.training)

    def step(self, x_0: Tensor, y: Tensor, share: float) -> None:
        """Make one update."""
        self.training.step(x_0, y)

    def weights(self) -> list[Weights]:
        """The average, which is of 10,000 updates, and the last weights."""
        averaged = deepcopy(self.training.network)
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
    """diffusers' example of unconditional generation, as its README calls it, with the layers of `adm new`."""

    batch = 16

    def __init__(self, task: Task, seed: int, rate: float = 1.0e-4, warm_up: int = 500) -> None:
        from benchmarks.diffusers import DDPMScheduler, ExampleTraining, unet

        super().__init__(task, seed)
        self.rate, self.warm_up, self.made = rate, warm_up, 0
        self.training = ExampleTraining(unet(task.model("eps, simple", seed, labelled=False)), "float32")
        self.training.process = DDPMScheduler()

    def step(self, x_0: Tensor, y: Tensor, share: float) -> None:
        """Make one update; the rate rises over the first updates and falls along a cosine to the end."""
        warm = min(self.made / self.warm_up, 1.0) if self.warm_up else 1.0
        for group in self.training.optimizer.param_groups:
            group["lr"] = self.rate * warm * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
        self.training.step(self.half_mirrored(x_0), None)  # type: ignore[arg-type]
        self.made += 1

    def weights(self) -> list[Weights]:
        """The average."""
        averaged = deepcopy(self.training.network).eval()
        self.training.average.copy_to(averaged.parameters())
        betas = self.training.process.betas.double().numpy()
        return [Weights("average", lambda x, t, y: averaged(x, t).sample, betas)]

    def own_samples(self, weights: Weights) -> Tensor:
        """Sample a batch by DDPM in all 1000 steps, as the pipeline does."""
        x_T, y, draw = self.drawn()
        return last(sample(DDPM(weights.respaced("1000"), weights.given(y)), x_T, draw))


class DenoisingDiffusion(Contender):
    """denoising-diffusion-pytorch: its README, with a network as narrow as the others'."""

    batch = 32

    def __init__(self, task: Task, seed: int, rate: float = 8.0e-5, accumulated: int = 2) -> None:
        library = import_module("denoising_diffusion_pytorch")
        average = import_module("ema_pytorch").EMA
        super().__init__(task, seed)
        self.accumulated, self.made = accumulated, 0
        network = library.Unet(dim=32, dim_mults=(1, 2, 2), channels=task.channels)
        side = task.images.shape[1]
        self.diffusion = library.GaussianDiffusion(network, image_size=side, timesteps=1000, sampling_timesteps=250)
        self.optimizer = torch.optim.Adam(self.diffusion.parameters(), lr=rate, betas=(0.9, 0.99))
        self.average = average(self.diffusion, beta=0.995, update_every=10)

    def step(self, x_0: Tensor, y: Tensor, share: float) -> None:
        """Accumulate the gradient of a batch, half of it mirrored; some batches make an update, as the trainer does."""
        loss = self.diffusion((self.half_mirrored(x_0) + 1) / 2) / self.accumulated
        loss.backward()
        self.made += 1
        if self.made % self.accumulated == 0:
            nn.utils.clip_grad_norm_(self.diffusion.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.average.update()

    def weights(self) -> list[Weights]:
        """The average."""
        averaged = deepcopy(self.average.ema_model).eval()
        predicts: TargetName = {"pred_noise": "eps", "pred_v": "v", "pred_x0": "x_0"}[averaged.objective]  # type: ignore[assignment]
        betas = averaged.betas.double().numpy()
        return [Weights("average", lambda x, t, y: averaged.model(x, t), betas, predicts)]

    def own_samples(self, weights: Weights) -> Tensor:
        """Sample a batch by the library's DDIM in 250 steps."""
        samples: Tensor = self.average.ema_model.sample(batch_size=BATCH)
        return samples * 2 - 1


@dataclass(frozen=True)
class Entry:
    """A row of the table: how to make a contender, and whether it is one of ours."""

    make: Callable[[Task, int], Contender]
    ours: bool = False


FOR_MINUTES = 1.0e-3
"""A learning rate for minutes, that of `adm new`'s narrowest network."""

CONTENDERS = {
    "adm new": Entry(AdmNew, ours=True),
    "adm new --unlabelled": Entry(partial(AdmNew, labelled=False), ours=True),
    "released code": Entry(Released),
    "released code, tuned": Entry(partial(Released, batch=32, rate=FOR_MINUTES, average=0.99)),
    "diffusers": Entry(Diffusers),
    "diffusers, tuned": Entry(partial(Diffusers, rate=FOR_MINUTES, warm_up=0)),
    "denoising-diffusion-pytorch": Entry(DenoisingDiffusion),
    "denoising-diffusion-pytorch, tuned": Entry(partial(DenoisingDiffusion, rate=FOR_MINUTES, accumulated=1)),
}


class Judge:
    """Scores samples against a task's images and held-out ones."""

    def __init__(self, task: Task, unseen: Images, iterations: int) -> None:
        self.network = judge_of(task.images, task.labels, iterations)
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


def trained(contender: Contender, budgets: list[float]) -> Iterator[tuple[float, int]]:
    """Train, and yield the seconds that were spent and the updates, as each budget is reached."""
    task, draws = contender.task, generator(contender.seed)
    spent, left = 0.0, list(budgets)
    updates = 0
    while left:
        rows = torch.randint(len(task.images), (contender.batch,), generator=draws).numpy()
        x_0, y = to_unit_range(task.images[rows], task.channels), torch.from_numpy(task.labels[rows])
        began = time.process_time()
        contender.step(x_0, y, spent / budgets[-1])
        spent += time.process_time() - began
        updates += 1
        while left and spent >= left[0]:
            yield left.pop(0), updates


FIELDS = ("contender", "seed", "seconds", "updates", "weights", "sampler", "fid", "fid_held_out", "kid_held_out")


def measure(options: argparse.Namespace) -> None:
    """Append what is missing in the file of results."""
    images, labels, unseen, _, channels = read(options.source, 32)
    task = Task(images, labels, channels)
    judge = Judge(task, unseen, options.judge)
    done = pd.read_csv(options.out) if options.out.exists() else pd.DataFrame(columns=FIELDS)
    with options.out.open("a", newline="") as file:
        table = csv.DictWriter(file, FIELDS)
        if not file.tell():
            table.writeheader()
        for seed in options.seeds:
            for name in options.names or CONTENDERS:
                if ((done.contender == name) & (done.seed == seed)).any():
                    continue
                torch.manual_seed(seed)
                try:
                    contender = CONTENDERS[name].make(task, seed)
                except ModuleNotFoundError as error:
                    if error.name not in RIVALS:
                        raise
                    print(f"{name}: {error.name} is not installed: `make rivals`")
                    continue
                # Written at once, so that a contender that was stopped begins anew.
                table.writerows(rows_of(name, contender, judge, options))
                file.flush()


def rows_of(name: str, contender: Contender, judge: Judge, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train a contender, and score its samples at each budget."""
    found: list[dict[str, Any]] = []

    def score(seconds: float, updates: int, weights: Weights, by: str) -> None:
        draw = contender.fast_samples if by == "fast" else contender.own_samples
        count = options.samples if by == "fast" else options.own_samples
        with torch.no_grad():
            images = np.concatenate([to_uint8(draw(weights)) for _ in range(count // BATCH)])
        about = (name, contender.seed, seconds, updates, weights.name, by)
        found.append(dict(zip(FIELDS, about, strict=False)) | judge.scores(images))
        print(found[-1], flush=True)

    for seconds, updates in trained(contender, options.budgets):
        for weights in contender.weights():
            score(seconds, updates, weights, "fast")
    if options.own_samples and contender.seed == options.seeds[0] and not CONTENDERS[name].ours:
        for weights in contender.weights():
            score(seconds, updates, weights, "its own")
    return found


def show(path: Path) -> None:
    """Print FID to held-out images of the better weights over seconds, and how much sooner ours has the best rival's.

    Each cell is the median over seeds, and the lowest and highest.
    """
    rows = pd.read_csv(path)
    fast = rows[rows.sampler == "fast"].groupby(["contender", "seconds", "seed"]).fid_held_out.min()
    over_seeds = fast.groupby(["contender", "seconds"]).agg(["median", "min", "max"])
    medians = over_seeds["median"].unstack()
    print(f"| contender | {' | '.join(f'{each:g} s' for each in medians)} |\n|:--|{'--:|' * medians.shape[1]}")
    for name in filter(medians.index.__contains__, CONTENDERS):
        cells = (f"{middle:.2f} ({low:.2f}-{high:.2f})" for middle, low, high in over_seeds.loc[name].to_numpy())
        print(f"| {name} | {' | '.join(cells)} |")
    last_budget = medians.columns[-1]
    rivals = medians[[not CONTENDERS[name].ours for name in medians.index]][last_budget]
    if not rivals.empty and "adm new" in medians.index:
        ours, least = medians.loc["adm new"], rivals.min()
        reached = ours.index[ours <= least]
        when = f"after {reached[0]:g} s" if len(reached) else "not yet"
        print(f"\n{rivals.idxmin()} ends with {least:.2f} after {last_budget:g} s; adm new has it {when}.")
    for row in rows[rows.sampler != "fast"].itertuples():
        kid = 1000 * row.kid_held_out
        print(f"{row.contender}, {row.weights}, by its own sampler: KID x 1000 to held-out images {kid:.2f}")


def main() -> None:
    """Measure, or print the table of what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("source", nargs="?", help="fashion, or a folder")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {'; '.join(CONTENDERS)} (default: all)")
    parser.add_argument("--out", type=Path, help="the file of results, which is gone on with")
    parser.add_argument("--show", type=Path, metavar="FILE.csv", help="print the table of a file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[201, 202, 203])
    parser.add_argument("--budgets", type=float, nargs="+", default=BUDGETS, help="seconds, in order")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--own-samples", type=int, default=200, help="by a contender's own sampler; 0 leaves it out")
    parser.add_argument("--judge", type=int, default=2000, help="iterations of the judge")
    options = parser.parse_args()
    if options.show:
        return show(options.show)
    if not options.source or not options.out:
        parser.error("a source and --out are needed, or --show")
    make_deterministic(1)
    return measure(options)


if __name__ == "__main__":
    main()
