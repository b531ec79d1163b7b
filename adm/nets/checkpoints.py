"""Checkpoint folders: the network with its averaged weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from adm.artifacts.manifest import EVERY, read_manifest
from adm.config.models import AnyModel
from adm.nets.weights import build, read_tensors

AVERAGES = "averages.safetensors"
"""The file of the averages that training kept beside that of `ema_rate`."""


def load_network(
    folder: Path,
    model: AnyModel,
    device: torch.device | str = "cpu",
    checked: slice = EVERY,
    ema_length: float | None = None,
) -> nn.Module:
    """Load the network of a checkpoint with its averaged weights, in evaluation mode.

    The average has `ema_length`, one of those that training kept; None takes that of `ema_rate`.

    Raises:
        UserError: The folder is no checkpoint, its files changed, its architecture differs, or it lacks that average.
    """
    read_manifest(folder, checked=checked)
    network = build(model)
    like = network.state_dict()
    if ema_length is None:
        network.load_state_dict(read_tensors(folder / "ema.safetensors", like))
    else:
        kept = read_tensors(folder / AVERAGES, named_averages(model.training.averages or [], like))
        network.load_state_dict({name: kept[f"{ema_length}/{name}"] for name in like})
    return network.to(device).eval().requires_grad_(False)


def named_averages(lengths: Sequence[float], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name weights as the file of averages does, once for each length: "LENGTH/NAME"."""
    return {f"{length}/{name}": tensor for length in lengths for name, tensor in weights.items()}
