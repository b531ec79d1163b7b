"""Checkpoint folders: checks of their model, and the network with its averaged weights."""

from pathlib import Path

import torch
from torch import nn

from adm.artifacts.manifest import EVERY, Manifest, read_manifest
from adm.config.models import AnyModel
from adm.errors import UserError
from adm.nets.averages import averaged_weights
from adm.nets.weights import build, load_weights


def check_checkpoint(folder: Path, model: AnyModel, checked: slice = EVERY) -> Manifest:
    """Refuse a checkpoint whose files changed, or that belongs to another model.

    The check compares options, because some of them do not show in the shape of any tensor.

    Args:
        folder: The checkpoint.
        model: The section of the model that the checkpoint must belong to.
        checked: Which files this process checks while other processes check the rest; see `read_manifest`.

    Returns:
        Its manifest.

    Raises:
        UserError: The checkpoint fails a check; names the folder, what was found and what is wanted.
    """
    manifest = read_manifest(folder, "init", "train", "adopt", checked=checked)
    found, wanted = manifest.params.get("model", {}), model.values()
    for name in ("kind", "network", "noise"):
        if found.get(name) != wanted.get(name):
            raise UserError(f"{folder}: was trained with {name} {found.get(name)}, not {wanted.get(name)}")
    return manifest


def load_network(
    folder: Path,
    model: AnyModel,
    device: torch.device | str = "cpu",
    checked: slice = EVERY,
    ema_length: float | None = None,
) -> nn.Module:
    """The network of a checkpoint with its averaged weights, in evaluation mode.

    Args:
        folder: The checkpoint.
        model: The section of the model that the checkpoint must belong to.
        device: Where to put the network.
        checked: Which files this process checks while other processes check the rest; see `read_manifest`.
        ema_length: The length of the average, combined from those that training kept; None takes that of `ema_rate`.

    Raises:
        UserError: The folder is no checkpoint, its files changed, its architecture differs, or it lacks that average.
    """
    manifest = check_checkpoint(folder, model, checked)
    network = build(model)
    if ema_length is None:
        load_weights(network, folder / "ema.safetensors")
    else:
        kept, step = model.training.averages, manifest.facts["step"]
        network.load_state_dict(averaged_weights(folder, kept, step, ema_length, network.state_dict()))
    return network.to(device).eval().requires_grad_(False)
