"""Checkpoint folders: checks of their model, and the network with its averaged weights."""

from pathlib import Path

import torch
from torch import nn

from adm.artifacts.manifest import EVERY, read_manifest
from adm.nets.weights import build, load_weights
from adm.params.errors import UserError
from adm.params.models import ModelParams


def check_checkpoint(folder: Path, model: ModelParams, checked: slice = EVERY) -> None:
    """Refuse a checkpoint whose files changed, or that belongs to another model.

    The check compares options, because some of them do not show in the shape of any tensor.

    Args:
        folder: The checkpoint.
        model: The section of the model that the checkpoint must belong to.
        checked: Which files this process checks while other processes check the rest; see `read_manifest`.

    Raises:
        UserError: The checkpoint fails a check; names the folder, what was found and what is wanted.
    """
    found = read_manifest(folder, "init", "train", "adopt", checked=checked).params.get("model", {})
    wanted = model.values()
    for name in ("kind", "network", "noise"):
        if found.get(name) != wanted.get(name):
            raise UserError(f"{folder}: was trained with {name} {found.get(name)}, not {wanted.get(name)}")


def load_network(
    folder: Path, model: ModelParams, device: torch.device | str = "cpu", checked: slice = EVERY
) -> nn.Module:
    """The network of a checkpoint with its averaged weights, in evaluation mode.

    Args:
        folder: The checkpoint.
        model: The section of the model that the checkpoint must belong to.
        device: Where to put the network.
        checked: Which files this process checks while other processes check the rest; see `read_manifest`.

    Raises:
        UserError: The folder is no checkpoint, its files changed, or its architecture differs.
    """
    check_checkpoint(folder, model, checked)
    network = build(model)
    load_weights(network, folder / "ema.safetensors")
    return network.to(device).eval().requires_grad_(False)
