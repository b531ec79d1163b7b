"""Checkpoint folders: the network with its averaged weights, and snapshots of averages."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from adm.artifacts.manifest import EVERY, read_manifest
from adm.config.averages import combination, snapshot_steps
from adm.config.models import AnyModel, AveragesParams
from adm.nets.weights import build, read_tensors


def load_network(
    folder: Path,
    model: AnyModel,
    device: torch.device | str = "cpu",
    checked: slice = EVERY,
    ema_length: float | None = None,
) -> nn.Module:
    """Load the network of a checkpoint with its averaged weights, in evaluation mode.

    The average has `ema_length`, combined from those that training kept; None takes that of `ema_rate`.

    Raises:
        UserError: The folder is no checkpoint, its files changed, its architecture differs, or it lacks that average.
    """
    manifest = read_manifest(folder, checked=checked)
    network = build(model)
    if ema_length is None:
        network.load_state_dict(read_tensors(folder / "ema.safetensors", network.state_dict()))
    else:
        kept, step = model.training.averages, manifest.facts["step"]
        assert kept is not None, "params files are checked for it"
        network.load_state_dict(averaged_weights(folder, kept, step, ema_length, network.state_dict()))
    return network.to(device).eval().requires_grad_(False)


def snapshot_file(step: int) -> str:
    """Name the file with the averages at an iteration."""
    return f"averages-{step:09d}.safetensors"


def named_averages(lengths: Sequence[float], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name weights as the file of a snapshot does, once for each length: "LENGTH/NAME"."""
    return {f"{length}/{name}": tensor for length in lengths for name, tensor in weights.items()}


def averaged_weights(
    folder: Path, averages: AveragesParams, step: int, length: float, like: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Combine the average of any length (sigma_rel) at a checkpoint, summed in float64 from its snapshots.

    Its model keeps `averages`, and its network has tensors of the names, shapes and dtypes of `like`.

    Raises:
        UserError: A snapshot is missing.

    Source: Karras et al. (2024), EDM2, section 3.2.
    """
    steps = snapshot_steps(averages.every, step)
    sums = {name: torch.zeros(tensor.shape, dtype=torch.float64) for name, tensor in like.items()}
    kept = named_averages(averages.lengths, like)
    for at, coefficients in zip(steps, combination(steps, averages.lengths, length)[0].tolist(), strict=True):
        snapshot = read_tensors(folder / snapshot_file(at), kept)
        for own, coefficient in zip(averages.lengths, coefficients, strict=True):
            for name, total in sums.items():
                total.add_(snapshot[f"{own}/{name}"], alpha=coefficient)
    return {name: total.to(like[name].dtype) for name, total in sums.items()}
