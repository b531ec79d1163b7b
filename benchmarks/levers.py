"""Levers of short trainings: FID after equal seconds of training, with one thing changed of "constant rate".

That is what `adm new` does, but for its rate, which falls ("rate falls linearly").

Run as `python -m benchmarks.levers fashion|FOLDER [NAME ...] --out FILE.csv`. The average is of rate 0.99 throughout,
where `adm new` has it from 500 to 5,000 updates, unless a lever has another. Seconds, samples and scores are those of
`benchmarks.quality`, with other seeds, another judge and, of garments, other held-out images, so that what wins here
can be judged there. A call that was stopped goes on with what is missing. `python -m benchmarks.levers --show FILE.csv`
prints each lever's FID, and its ratio to that at a constant rate, or of another --base, with the same seed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from adm.config.models import DiffusionModel
from adm.data.batches import to_unit_range
from adm.determinism import make_deterministic
from adm.diffusion.process import Denoiser
from adm.training.inputs import Noise
from benchmarks.quality import AdmNew, Entry, Task, Weights, measure, parser_of, ratio_of, ratios_to, task_of
from benchmarks.short_training import OBJECTIVES

JUDGE_SEED = 0
"""Of the judge."""

BASE = "constant rate"


def _log_normal(u: Tensor, alpha_bar: Tensor, spread: float = 0.65) -> Tensor:
    """Draw timesteps as EDM draws log sigma, a normal with mean -1.2 and standard deviation 1.2, where images have 0.5.

    Garments have a `spread` of 0.7 and emoji of 0.6 here.
    """
    log_sigma = torch.special.ndtri(u.double()) * 1.2 - 1.2 + np.log(spread / 0.5)
    rising = 0.5 * torch.log((1 - alpha_bar) / alpha_bar)
    return torch.searchsorted(rising, log_sigma).clamp(max=len(alpha_bar) - 1)


def _stratified(u: Tensor, alpha_bar: Tensor) -> Tensor:
    """Draw one timestep in each of as many equal parts as the batch has images."""
    return ((u[0] + torch.arange(len(u)) / len(u)) % 1 * len(alpha_bar)).long()


def _middle(u: Tensor, alpha_bar: Tensor) -> Tensor:
    """Draw timesteps more often in the middle: a logit-normal of t / T, with a standard deviation of 1."""
    return (torch.sigmoid(torch.special.ndtri(u)) * len(alpha_bar)).long().clamp(max=len(alpha_bar) - 1)


@dataclass(frozen=True)
class Lever:
    """What is changed.

    Attributes:
        model: Fields of the model's section.
        network: Fields of its network.
        training: Fields of its training.
        batches: Sizes of batches, in turn over equal numbers of updates.
        warm_up: Updates over which the learning rate rises.
        falls: How it falls to zero at the end, along a "cosine" or a "linear" line; "" if it is constant.
        timesteps: Chooses them from u (B,), uniform in [0, 1), and alpha_bar (T,); None as u T.
        mirrored: Whether half of the images are mirrored.
        tells: Whether a mirrored image has a class of its own, so that samples are not mirrored.
        divided: Whether images are divided by their standard deviation. With v that is EDM's preconditioning, but that
            the network is told t in place of log sigma / 4.
    """

    model: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    batches: tuple[int, ...] = (16,)
    warm_up: int = 0
    falls: str = ""
    timesteps: Callable[[Tensor, Tensor], Tensor] | None = None
    mirrored: bool = False
    tells: bool = False
    divided: bool = False

    def of(self, model: DiffusionModel) -> DiffusionModel:
        """The model, changed."""
        network = {**model.network.values(), **self.network}
        if self.tells:
            network["num_classes"] *= 2
        training = {**model.training.values(), "batch_size": max(self.batches), **self.training}
        return DiffusionModel.model_validate({**model.values(), **self.model, "network": network, "training": training})


def _objective(name: str) -> dict[str, Any]:
    changed = {"objective": "hybrid", "min_snr": None, **OBJECTIVES[name]}
    return {**changed, "noise": {"schedule": "cosine", **changed.get("noise", {})}}


ADAMW = {"optimizer": "adamw"}
AS_WIDE = {"channel_multiplier": [1, 2, 2], "groups": 8}

LEVERS = {
    BASE: Lever(),
    "without label dropout": Lever(training={"label_dropout": 0.0}),
    "batch 8": Lever(batches=(8,)),
    "batch 32": Lever(batches=(32,)),
    "batch 8, then 16, then 32": Lever(batches=(8, 16, 32)),
    "rate 5e-4": Lever(training={"learning_rate": 5.0e-4}),
    "rate 2e-3": Lever(training={"learning_rate": 2.0e-3}),
    "AdamW": Lever(training=ADAMW),
    "AdamW, batch 8": Lever(training=ADAMW, batches=(8,)),
    "AdamW, as wide at full size": Lever(training=ADAMW, network=AS_WIDE),
    "warm-up of 100": Lever(warm_up=100),
    "rate falls": Lever(falls="cosine"),
    "rate falls linearly": Lever(falls="linear"),
    "average 0.98": Lever(training={"ema_rate": 0.98}),
    "average 0.995": Lever(training={"ema_rate": 0.995}),
    "average 0.999": Lever(training={"ema_rate": 0.999}),
    "eps, L_hybrid": Lever(_objective("eps")),
    "v, L_hybrid": Lever(_objective("v")),
    "eps": Lever(_objective("eps, simple")),
    "v": Lever(_objective("v, simple")),
    "EDM's preconditioning and timesteps": Lever(
        _objective("v, simple"), timesteps=partial(_log_normal, spread=1.0), divided=True
    ),
    "without min-SNR": Lever({"min_snr": None}),
    "min-SNR 1": Lever({"min_snr": 1.0}),
    "min-SNR 20": Lever({"min_snr": 20.0}),
    "EDM's timesteps": Lever(timesteps=_log_normal),
    "timesteps of the middle": Lever(timesteps=_middle),
    "stratified timesteps": Lever(timesteps=_stratified),
    "as wide at full size": Lever(network=AS_WIDE),
    "half as wide again below": Lever(network={"channel_multiplier": [0.5, 1.5, 3], "head_channels": 48}),
    "64 channels": Lever(
        network={"channels": 64, "groups": 8, "head_channels": 64}, training={"learning_rate": 5.0e-4}
    ),
    "depth 2": Lever(network={"depth": 2}),
    "no attention but in the middle": Lever(network={"attention_resolutions": []}),
    "rate falls linearly, no attention but in the middle": Lever(network={"attention_resolutions": []}, falls="linear"),
    "2 groups": Lever(network={"groups": 2}),
    "8 groups": Lever(network={"groups": 8}),
    "resampling by convolutions": Lever(network={"resampling": "convolution"}),
    "float32": Lever(training={"precision": "float32"}),
    "mirrored": Lever(mirrored=True),
    "mirrored, told": Lever(mirrored=True, tells=True),
}


class Tried(AdmNew):
    """What `adm new` writes, with a lever; its rate is constant unless that says how it falls."""

    def __init__(self, task: Task, seed: int, lever: Lever) -> None:
        super().__init__(task, seed, change=lever.of)
        self.lever = lever
        self.annealed = bool(lever.falls) or len(lever.batches) > 1
        self.unit = float(to_unit_range(task.images, task.channels).std()) if lever.divided else 1.0

    def average(self) -> Mapping[str, Tensor]:
        """The average of the lever's own rate."""
        return self.state.ema

    def step(self, x_0: Tensor, y: Tensor, total: int) -> None:
        """Make one update of so many."""
        lever, training, made = self.lever, self.model.training, self.state.step
        # What an update takes is measured beyond the end, too.
        size = lever.batches[made * len(lever.batches) // total % len(lever.batches)]
        x_0, y = x_0[:size] / self.unit, y[:size]
        if lever.mirrored:
            turned = torch.rand(len(y), generator=self.draws) < 0.5
            x_0 = torch.where(turned[:, None, None, None], x_0.flip(-1), x_0)
            y = y + self.task.classes * turned if lever.tells else y
        fall = {"": 1.0, "cosine": (1 + np.cos(np.pi * made / total)) / 2, "linear": 1 - made / total}[lever.falls]
        rate = training.learning_rate * min(1.0, (made + 1) / (lever.warm_up + 1)) * max(fall, 0.0)
        training = training.model_copy(update={"learning_rate": rate, "batch_size": size})
        diffusion = self.state.task.diffusion
        noise = Noise.of(training.seeds.noise, made, range(size), x_0.shape[1:], diffusion.num_timesteps)
        if lever.timesteps:
            u = (noise.t + 0.5) / diffusion.num_timesteps
            alpha_bar = torch.from_numpy(np.cumprod(1 - diffusion.training_betas))
            noise = noise._replace(t=lever.timesteps(u, alpha_bar))
        self.update(training, x_0, y, noise)

    def denoiser(self, weights: Weights, y: Tensor) -> Denoiser:
        """The denoiser of `adm new`; what is divided is clipped to its own range, as samplers clip to [-1, 1]."""
        v_of, alpha_bar = super().denoiser(weights, y), torch.from_numpy(np.cumprod(1 - weights.betas))

        def clipped(x: Tensor, t: Tensor) -> Tensor:
            a, s = (each.sqrt().float()[t, None, None, None] for each in (alpha_bar, 1 - alpha_bar))
            x_0 = (a * x - s * v_of(x, t)).clamp(-1 / self.unit, 1 / self.unit)
            return (a * x - x_0) / s

        return clipped if self.lever.divided else v_of

    def fast_samples(self, weights: Weights, **how: Any) -> Tensor:
        """Sample a batch; what is divided is multiplied again."""
        if self.lever.divided:
            how["clipping"] = "none"
        return self.unit * super().fast_samples(weights, **how)


def show(path: Path, base: str) -> None:
    """Print FID of each lever, one of a seed, and its ratio to the base's; "all" is over what `ratios_to` says."""
    rows = pd.read_csv(path)
    rows["contender"] = rows.contender.where(rows.sampler == "fast", rows.contender + ", by " + rows.sampler)
    logs = np.log(rows.pivot(index=["contender", "seed"], columns="seconds", values="fid_held_out"))
    ratios = ratios_to(logs, base)
    updates = rows.groupby(["contender", "seconds"]).updates.max()
    print("| lever | seconds | updates | FID, held out | ratio (95 %) |\n|:--|--:|--:|:--|--:|")
    for seconds in ratios:
        for name in rows.contender.unique():
            ratio = ratio_of(ratios.loc[name, seconds]) if name != base else "1.00"
            if seconds == "all":
                print(f"| {name} | all | | | {ratio} |")
            elif (name, seconds) in updates.index:
                each = ", ".join(f"{fid:.2f}" for fid in np.exp(logs.loc[name, seconds].dropna()))
                print(f"| {name} | {seconds:g} | {updates[name, seconds]} | {each} | {ratio} |")


def main() -> None:
    """Measure, or print what was measured."""
    about = {"prog": "python -m benchmarks.levers", "description": __doc__}
    parser = parser_of(LEVERS, [101, 102, 103], [60.0, 90.0, 120.0], BASE, **about)
    options = parser.parse_args()
    for path in options.show or ():
        show(path, options.base)
    if options.show:
        return None
    if not options.source or not options.out:
        parser.error("a source and --out are needed, or --show")
    make_deterministic(1)
    entries = {name: Entry(partial(Tried, lever=lever), ours=True) for name, lever in LEVERS.items()}
    return measure(options, entries, *task_of(options.source), JUDGE_SEED)


if __name__ == "__main__":
    main()
