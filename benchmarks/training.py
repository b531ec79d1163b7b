"""A training step at 32x32 against the plain float32 loop over the same network."""

import argparse
import copy
from dataclasses import dataclass

import torch

from adm.params.models import DiffusionModelParams
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from adm.training.throughput import NaiveTraining
from benchmarks.clock import paired


@dataclass(frozen=True)
class Size:
    """How large the work is: the network's channels, images a batch, and how often both ways are timed."""

    channels: int
    batch: int
    repeats: int


FULL, SMALLEST = Size(64, 64, 5), Size(32, 4, 1)


def size_asked_for(description: str | None) -> Size:
    """The size that the command line asks for."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--smallest", action="store_true", help=f"{SMALLEST} in place of {FULL}")
    return SMALLEST if parser.parse_args().smallest else FULL


def model(size: Size, precision: str) -> DiffusionModelParams:
    """An ADM for 32x32 images."""
    network = {
        "image_size": 32,
        "channels": size.channels,
        "channel_multiplier": [1, 2],
        "depth": 1,
        "attention_resolutions": [16],
        "head_channels": size.channels,
        "num_classes": 10,
    }
    training = {
        "batch_size": size.batch,
        "learning_rate": 1.0e-4,
        "ema_rate": 0.9999,
        "precision": precision,
        "flip": False,
        "seed": 0,
        "threads": torch.get_num_threads(),
    }
    noise = {"timesteps": 1000, "schedule": "cosine"}
    sections = {"network": network, "noise": noise, "objective": "hybrid", "training": training}
    return DiffusionModelParams.model_validate({"kind": "diffusion", **sections})


def main() -> None:
    """Print images a second and the ratio."""
    from adm.nets.weights import build  # noqa: PLC0415

    size = size_asked_for(__doc__)
    params = model(size, "bfloat16")
    network = build(params)
    plain = NaiveTraining(copy.deepcopy(network), params)
    state = TrainingState(network, build_task(params), params.training)
    generator = torch.Generator().manual_seed(0)
    x_0 = torch.rand(size.batch, 3, 32, 32, generator=generator) * 2 - 1
    y = torch.randint(10, (size.batch,), generator=generator)
    ours, theirs, ratio = paired(
        lambda: train_step(state, params.training, x_0, y), lambda: plain.step(x_0, y, generator), size.repeats
    )
    print(
        f"training step, {size.channels} channels, 32x32, batch {size.batch}, {torch.get_num_threads()} threads: "
        f"{size.batch / ours:.3g} images/s, plain loop {size.batch / theirs:.3g} images/s, ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
