"""A training step of 64 channels at 32x32, batch 64, against the plain float32 loop over the same network."""

import copy

import torch

from adm.params.models import DiffusionModelParams
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from adm.training.throughput import NaiveTraining
from benchmarks.clock import paired

BATCH = 64


def model(precision: str) -> DiffusionModelParams:
    """An ADM of 64 channels for 32x32 images."""
    network = {
        "image_size": 32,
        "channels": 64,
        "channel_multiplier": [1, 2],
        "depth": 1,
        "attention_resolutions": [16],
        "head_channels": 64,
        "num_classes": 10,
    }
    training = {
        "batch_size": BATCH,
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

    params = model("bfloat16")
    network = build(params)
    plain = NaiveTraining(copy.deepcopy(network), params)
    state = TrainingState(network, build_task(params), params.training)
    generator = torch.Generator().manual_seed(0)
    x_0 = torch.rand(BATCH, 3, 32, 32, generator=generator) * 2 - 1
    y = torch.randint(10, (BATCH,), generator=generator)
    ours, theirs, ratio = paired(
        lambda: train_step(state, params.training, x_0, y), lambda: plain.step(x_0, y, generator), repeats=5
    )
    print(
        f"training step, 64 channels, 32x32, batch {BATCH}, {torch.get_num_threads()} threads: "
        f"{BATCH / ours:.1f} images/s, plain loop {BATCH / theirs:.1f} images/s, ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
