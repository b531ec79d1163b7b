"""Checkpoint folders: the network with its averaged weights, and snapshots of averages."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from adm.artifacts.manifest import EVERY, read_manifest
from adm.config.averages import combination, snapshot_steps
from adm.config.models import AnyModel, AveragesParams
from adm.nets.weights import build, load_weights, read_tensors, write_tensors

Averages = Mapping[float, Mapping[str, Tensor]]
"""Averaged weights by the length of the average and the name of the tensor."""


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
        load_weights(network, folder / "ema.safetensors")
    else:
        kept, step = model.training.averages, manifest.facts["step"]
        assert kept is not None, "params files are checked for it"
        network.load_state_dict(averaged_weights(folder, kept, step, ema_length, network.state_dict()))
    return network.to(device).eval().requires_grad_(False)


def snapshot_file(step: int) -> str:
    """Name the file with the averages at an iteration."""
    return f"averages-{step:09d}.safetensors"


def write_snapshot(path: Path, averages: Averages) -> None:
    """Write the averages at an iteration.

    Raises:
        NotFiniteError: A tensor holds NaN or infinity.
    """
    write_tensors(path, _named(averages))


def read_snapshot(path: Path, like: Averages) -> Averages:
    """Read averages with exactly the lengths, names, shapes and dtypes of `like`.

    Raises:
        UserError: The file is missing or unreadable, or its averages differ.
    """
    stored = read_tensors(path, _named(like))
    return {length: {name: stored[_name(length, name)] for name in tensors} for length, tensors in like.items()}


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
    kept = dict.fromkeys(averages.lengths, like)
    for at, coefficients in zip(steps, combination(steps, averages.lengths, length)[0].tolist(), strict=True):
        snapshot = read_snapshot(folder / snapshot_file(at), kept)
        for tensors, coefficient in zip(snapshot.values(), coefficients, strict=True):
            for name, tensor in tensors.items():
                sums[name].add_(tensor, alpha=coefficient)
    return {name: total.to(like[name].dtype) for name, total in sums.items()}


def _named(averages: Averages) -> dict[str, Tensor]:
    return {_name(length, name): tensor for length, tensors in averages.items() for name, tensor in tensors.items()}


def _name(length: float, name: str) -> str:
    return f"{length}/{name}"
