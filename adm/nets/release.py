"""Published checkpoints in the released format: their weights under our names, and whole networks.

The attention order, the number of heads and the dropout do not show in any tensor's shape. They come from the preset or
the params file and cannot be checked: a file loads without an error as any network of the same shapes.
"""

import pickle
import pickletools
import re
import zipfile
from collections.abc import Mapping
from difflib import get_close_matches
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor, nn

from adm.artifacts.reading import check_entries
from adm.config.models import AnyModel
from adm.config.networks import ClassifierParams, UpsamplerParams
from adm.errors import UserError
from adm.nets.classifier import Classifier
from adm.nets.presets import PRESETS
from adm.nets.release_names import from_released, to_released
from adm.nets.unet import UNet, Upsampler
from adm.nets.weights import build

Shapes = dict[str, tuple[int, ...]]
"""Shapes of tensors, by their released names."""

RELEASED_CHANNELS = 6
"""Output channels of the released diffusion models and upsamplers: three of noise and three of learned variance."""


def load_released(path: Path, preset: str) -> nn.Module:
    """Load one of the fifteen released networks with the averaged weights of a file.

    Args:
        path: A `.pt` file of tensors only, in any floating dtype. Float32 weights are mapped from the file: while the
            network is in use, never change the file in place; to replace it, rename another file to its name.
        preset: The network's name, a key of `PRESETS`. It decides the attention order, the number of heads and the
            dropout; a wrong preset of the same shapes loads without an error.

    Returns:
        A `UNet`, `Upsampler` or `Classifier` in evaluation mode, with float32 parameters that require no gradient.

    Raises:
        UserError: There is no such preset, or `read_released_weights` refuses the file.
    """
    network = preset_network(preset)
    network.load_state_dict(read_released_weights(path, network, f"preset {preset!r}"), assign=True)
    return network.eval().requires_grad_(False)


def preset_network(preset: str) -> nn.Module:
    """A released network on the meta device: names and shapes without values.

    Raises:
        UserError: There is no such preset; names those that exist.
    """
    if preset not in PRESETS:
        (nearest,) = get_close_matches(preset, PRESETS, n=1, cutoff=0.0)
        raise UserError(f"preset {preset!r}: is unknown; there are {', '.join(PRESETS)}; nearest is {nearest}")
    params = PRESETS[preset]
    with torch.device("meta"):
        if isinstance(params, ClassifierParams):
            return Classifier(params)
        if isinstance(params, UpsamplerParams):
            return Upsampler(params, RELEASED_CHANNELS)
        return UNet(params, RELEASED_CHANNELS)


def model_network(model: AnyModel) -> nn.Module:
    """The network of a model of a params file on the meta device."""
    with torch.device("meta"):
        return build(model)


def read_published(path: Path, model: AnyModel, name: str) -> dict[str, Tensor]:
    """Read the weights of a model of a params file from a file in the released format.

    Args:
        path: The file.
        model: The section of the model that they must belong to.
        name: The model's key, for messages.

    Returns:
        The result of `read_released_weights`.

    Raises:
        UserError: `read_released_weights` refuses the file.
    """
    return read_released_weights(path, model_network(model), f"model {name!r}")


def read_released_weights(path: Path, network: nn.Module, owner: str) -> dict[str, Tensor]:
    """Read the weights of a network from a file in the released format.

    Args:
        path: A `.pt` file of tensors only, in any floating dtype.
        network: The network that they must fit. Only its names and shapes count, so it may be on the meta device.
        owner: The network's name in messages, such as "preset 'imagenet64'".

    Returns:
        Float32 tensors under our names, in the order of the network's state dict. Tensors that the file stores as
        float32 are mapped from it.

    Raises:
        UserError: The file is no such checkpoint, would run code, holds NaN or infinity, or does not fit the network.
            If it does not fit, the message names the presets that it fits, or up to three tensors that differ (by
            their released names).
    """
    state = read_released(path)
    _check_fit(path, owner, shapes(to_released(network.state_dict())), shapes(state))
    _require_stored(path, state)
    ours = from_released(state)
    weights = {name: ours[name].to(torch.float32).contiguous() for name in network.state_dict()}
    for released, name in zip(to_released(weights), weights, strict=True):
        if not weights[name].isfinite().all():
            raise UserError(f"{path}: {released} holds NaN or infinity")
    return weights


def read_released(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file in the released format, for any network, mapped and under their released names.

    Raises:
        UserError: The file is missing or damaged, would run code, or holds anything but dense tensors of floats under
            the names of released networks.
    """
    state = _read_table(path)
    try:
        from_released(state)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    _require_floats(path, state)
    return state


def read_weights(path: Path, network: nn.Module, owner: str) -> dict[str, Tensor]:
    """Read the weights of a published network that has the names of its file; tensors of other names are left out.

    Args:
        path: A `.pt` or `.pth` file of tensors only.
        network: The network that they must fit; it may be on the meta device.
        owner: The network's name in messages.

    Returns:
        Float32 tensors in the order of the network's state dict.

    Raises:
        UserError: The file is no such table of tensors, would run code, or does not fit the network.
    """
    wanted = shapes(network.state_dict())
    state = {name: tensor for name, tensor in _read_table(path).items() if name in wanted}
    _require_floats(path, state)
    if different := differing(wanted, shapes(state)):
        raise UserError(f"{path}: does not fit {owner}; {len(different)} tensors differ: {'; '.join(different[:3])}")
    _require_stored(path, state)
    return {name: state[name].to(torch.float32).contiguous() for name in wanted}


def _read_table(path: Path) -> dict[str, Tensor]:
    state = _load(path)
    if not isinstance(state, Mapping):
        raise UserError(f"{path}: holds {type(state).__name__}, not a table of tensors by name")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise UserError(f"{path}: holds {type(tensor).__name__} {name!r}; accepted is a table of tensors by name")
    return dict(state)


def _require_floats(path: Path, state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        if not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.is_meta:
            found = f"{tensor.dtype} ({tensor.layout}, {tensor.device.type})"
            raise UserError(f"{path}: {name} is {found}, not a dense tensor of floats")


def _require_stored(path: Path, state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        # With a stride of zero, one stored value could stand for any number of values.
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            raise UserError(f"{path}: {name} is of shape {tuple(tensor.shape)}, but fewer values are stored")


def compare_presets(found: Shapes) -> dict[str, list[str]]:
    """The differences between tensors and those of every preset, as phrases from `differing`.

    A preset that fits has no differences. Several may fit, such as all of LSUN.
    """
    return {preset: differing(preset_shapes(preset), found) for preset in PRESETS}


def preset_shapes(preset: str) -> Shapes:
    """The released names and shapes of a preset's tensors."""
    return shapes(to_released(preset_network(preset).state_dict()))


def shapes(state: Mapping[str, Tensor]) -> Shapes:
    """The shapes of tensors by name."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def differing(wanted: Shapes, found: Shapes) -> list[str]:
    """A phrase for each tensor whose shape differs, in the network's order, then in the file's."""
    return [
        f"{name} is {found.get(name, 'missing')}, not {wanted.get(name, 'expected')}"
        for name in dict.fromkeys([*wanted, *found])
        if found.get(name) != wanted.get(name)
    ]


def _check_fit(path: Path, owner: str, wanted: Shapes, found: Shapes) -> None:
    if different := differing(wanted, found):
        presets = [preset for preset, others in compare_presets(found).items() if not others]
        if not presets:
            why = f"{len(different)} tensors differ: {'; '.join(different[:3])}"
        elif len(presets) == 1:
            why = f"the file fits preset {presets[0]}"
        else:
            why = f"the file fits presets {', '.join(presets)}, which share their shapes"
        raise UserError(f"{path}: does not fit {owner}; {why}")


def _load(path: Path) -> Any:
    try:
        return _load_mapped(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: does not exist") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder, not a file") from error
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        found = f"no checkpoint of tensors alone: it asks for {asked[1]}" if asked else "no readable checkpoint"
        raise UserError(f"{path}: is {found}; pickled code is never run") from error
    except Exception as error:  # damaged bytes make torch's reader raise nearly anything
        found = " ".join(f"{type(error).__name__} {error}".split())[:120]
        raise UserError(f"{path}: is no readable checkpoint, truncated or of another format ({found})") from error


def _load_mapped(path: Path) -> Any:
    """The content of a file, mapped if its format allows; `weights_only` refuses pickled code."""
    if not zipfile.is_zipfile(path):  # a format from before torch 1.6
        _check_legacy(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    with zipfile.ZipFile(path) as archive:
        check_entries(archive, path.stat().st_size)
        # Torch checks no checksum, and would map compressed bytes of another program as if they were values.
        damaged = archive.testzip()
        stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    if damaged is not None:
        raise zipfile.BadZipFile(f"{damaged} does not match its checksum")
    return torch.load(path, map_location="cpu", weights_only=True, mmap=stored)


def _check_legacy(path: Path) -> None:
    """Check, without running it, that a file of several pickles in a row declares no more values than it holds.

    Torch allocates the memory that a pickle declares for each storage and each text without comparing it to the file.

    Raises:
        ValueError: It declares more than it holds.
        pickle.UnpicklingError: A part of it is no pickle.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        for kind in ("magic", "protocol", "system", "tensors", "keys"):
            if content.tell() == len(content) or content[:2] == b"PK":
                return  # a pickle of something else, or a zip cut short; torch's own error says so
            try:
                numbers = [
                    found for _, found, _ in pickletools.genops(cast(IO[bytes], content)) if isinstance(found, int)
                ]
            except Exception as error:  # damaged bytes can raise nearly any exception
                raise pickle.UnpicklingError(str(error)) from error
            most = max(map(abs, numbers), default=0)
            if kind == "tensors" and most > len(content):
                raise ValueError(f"declares {most:.3g} values in {len(content)} bytes")
