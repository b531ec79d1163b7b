"""Checkpoints that others published, in the released format, as tensors under our names."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adm.nets.classifier import Classifier
from adm.nets.presets import PRESETS
from adm.nets.released import from_released
from adm.nets.unet import UNet, Upsampler
from adm.nets.weights import build
from adm.params.errors import UserError
from adm.params.models import ModelParams, UniformModelParams
from adm.params.networks import ClassifierParams, UpsamplerParams

Shapes = dict[str, tuple[int, ...]]


def read_published(path: Path, model: ModelParams, name: str) -> dict[str, Tensor]:
    """Read the weights of a model from a released checkpoint.

    Args:
        path: A `.pt` file of tensors alone, in any floating dtype.
        model: The section of the model that they must be of.
        name: Its key, for messages.

    Returns:
        Float32 tensors in the order of the network's state dict.

    Raises:
        UserError: The file is no such checkpoint, would run code, holds NaN or infinity, or does not fit the model;
            then it names up to three tensors that differ, and the presets that the file does fit.
    """
    if isinstance(model, UniformModelParams):
        raise UserError(f"{path}: cannot be adopted: model {name!r} is of kind 'uniform', without weights")
    with torch.device("meta"):
        wanted = _shapes(build(model).state_dict())
    state = _read_released(path)
    _check_fit(path, name, wanted, _shapes(state))
    for key, tensor in state.items():
        if not tensor.isfinite().all():
            raise UserError(f"{path}: {key} holds NaN or infinity")
    return {key: state[key].to(torch.float32).contiguous() for key in wanted}


def _check_fit(path: Path, name: str, wanted: Shapes, found: Shapes) -> None:
    different = [key for key in dict.fromkeys([*wanted, *found]) if found.get(key) != wanted.get(key)]
    if different:
        lines = [f"{key} is {found.get(key, 'missing')}, not {wanted.get(key, 'expected')}" for key in different[:3]]
        presets = _fitting_presets(found)
        hint = f"; the file fits preset {' or '.join(presets)}" if presets else ""
        raise UserError(
            f"{path}: does not fit model {name!r}; {len(different)} tensors differ: {'; '.join(lines)}{hint}"
        )


def _read_released(path: Path) -> dict[str, Tensor]:
    """The tensors of a released checkpoint under our names, mapped into memory."""
    try:
        # `weights_only` refuses pickled code; files from before torch 1.6 are no zip and cannot be mapped.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: is no checkpoint of tensors alone; pickled code is never run") from error
    except Exception as error:  # damaged bytes make torch's reader raise nearly anything
        brief = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: is no readable checkpoint, truncated or of another format ({brief})") from error
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise UserError(f"{path}: holds {type(state).__name__}, not a table of tensors by name")
    for name, tensor in state.items():
        if not tensor.is_floating_point() or tensor.layout != torch.strided:
            raise UserError(f"{path}: {name} is {tensor.dtype} ({tensor.layout}), not a dense tensor of floats")
    try:
        return from_released(state)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _fitting_presets(found: Shapes) -> list[str]:
    return [name for name, params in PRESETS.items() if _shapes(_released_network(params).state_dict()) == found]


def _released_network(params: Any) -> nn.Module:
    with torch.device("meta"):
        if isinstance(params, ClassifierParams):
            return Classifier(params)
        # The released models learn their variance.
        return Upsampler(params, 6) if isinstance(params, UpsamplerParams) else UNet(params, 6)


def _shapes(state: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
