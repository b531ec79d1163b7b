"""Networks from any file that holds one: a released `.pt`, a `.safetensors` of ours, or the folder of a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from adm.artifacts.manifest import MANIFEST, read_manifest
from adm.config.models import AnyModel
from adm.config.networks import ClassifierParams, UpsamplerParams
from adm.config.released import CHECKPOINTS
from adm.errors import UserError, some
from adm.nets.conversion import preset_of, read_converted
from adm.nets.presets import PRESETS
from adm.nets.release import (
    compare_presets,
    differing,
    model_network,
    preset_network,
    preset_shapes,
    read_released,
    read_released_weights,
    shapes,
)
from adm.nets.weights import read_tensors

COSINE = ("imagenet64", "classifier_imagenet64")
"""The presets that were trained with the cosine schedule; all others were with the linear one. Source: Table 11."""

Schedule = Literal["linear", "cosine"]
AttentionOrder = Literal["legacy", "new"]


@dataclass(frozen=True, eq=False)
class Opened:
    """A network with the averaged weights of a file.

    Attributes:
        path: The file or the folder.
        network: In evaluation mode; its parameters are float32 and require no gradient.
        model: What the network is, and the noise that it was trained on. Of a released network the section tells
            nothing of its training.
        preset: The name of the released network; None for a checkpoint of a results folder.
    """

    path: Path
    network: nn.Module
    model: AnyModel
    preset: str | None

    def describe(self) -> str:
        """A line that tells what the file is taken for."""
        params, noise = self.model.network, self.model.noise
        classes = f"{params.num_classes} classes" if params.num_classes else "no classes"
        known = f"preset {self.preset}" if self.preset else f"a {self.model.kind} model of a results folder"
        side = f"{params.image_size}x{params.image_size}"
        order = f"attention order {params.attention_order}"
        return f"{self.path}: {known}, {side}, {classes}, schedule {noise.schedule}, {order}"


def open_network(
    path: Path,
    preset: str | None = None,
    schedule: Schedule | None = None,
    attention_order: AttentionOrder | None = None,
    device: torch.device | str = "cpu",
) -> Opened:
    """Read a network and find out what it is.

    Args:
        path: A `.pt` in the released format, a `.safetensors` that `adm convert` wrote, or a checkpoint's folder. Never
            change a `.pt` in place while its network is in use.
        preset: The released network that the file holds; None goes by the file's shapes and, where several presets
            have these, by its name.
        schedule: Of the noise; None is the preset's or the checkpoint's own. No shape shows it.
        attention_order: Of the packed queries, keys and values; None as for `schedule`.
        device: Where to put the network.

    Raises:
        UserError: The file is missing, damaged or no network, or is of another preset.
    """
    if path.name == "ema.safetensors" and path.with_name(MANIFEST).exists():
        path = path.parent
    if path.is_dir():
        if preset is not None:
            raise UserError(f"preset {preset!r}: is not used; the manifest of {path} tells its network")
        if not (path / MANIFEST).exists():
            raise UserError(f"{path}: is no checkpoint: it holds no {MANIFEST}; give results/NAME/checkpoints/KEY")
        model = _changed(checkpoint_model(path), schedule, attention_order)
        network = model_network(model)
        return _opened(path, network, read_tensors(path / "ema.safetensors", network.state_dict()), model, None, device)
    if path.suffix == ".safetensors":
        preset = preset or preset_of(path)
        weights = read_converted(path, preset)
    else:
        preset = preset or _identified(path)
        weights = read_released_weights(path, preset_network(preset), f"preset {preset!r}")
    assert preset is not None
    model = _changed(preset_model(preset), schedule, attention_order)
    return _opened(path, model_network(model), weights, model, preset, device)


def preset_model(preset: str) -> AnyModel:
    """The section of a released network, with the noise that it was trained on, but nothing of its training.

    Raises:
        UserError: There is no such preset.
    """
    preset_network(preset)
    params = PRESETS[preset]
    kind = "diffusion"
    if isinstance(params, ClassifierParams):
        kind = "classifier"
    elif isinstance(params, UpsamplerParams):
        kind = "upsampler"
    noise = {"schedule": "cosine" if preset in COSINE else "linear"}
    # A section must tell of training; of this one nothing is trained.
    return _model({"kind": kind, "network": params, "noise": noise, "training": {"batch_size": 1}})


def checkpoint_model(folder: Path) -> AnyModel:
    """The model of a checkpoint as its manifest describes it.

    Raises:
        UserError: The folder is no checkpoint, a file of it changed, or its manifest describes no model.
    """
    section = read_manifest(folder, "init", "train", "adopt").params.get("model")
    try:
        return _model(section)
    except ValidationError as error:
        raise UserError(f"{folder}: its manifest describes no model: {error.errors()[0]['msg'].lower()}") from error


def _model(section: Any) -> AnyModel:
    model: AnyModel = TypeAdapter(AnyModel).validate_python(section)
    return model


def _changed(model: AnyModel, schedule: Schedule | None, attention_order: AttentionOrder | None) -> AnyModel:
    noise = model.noise if schedule is None else model.noise.model_copy(update={"schedule": schedule})
    network = model.network
    if attention_order is not None:
        network = network.model_copy(update={"attention_order": attention_order})
    return model.model_copy(update={"noise": noise, "network": network})


def _identified(path: Path) -> str:
    """The preset of a file in the released format: that which its name says, if it fits, else the first that fits."""
    found = shapes(read_released(path))
    named = CHECKPOINTS.get(path.stem)
    if named is not None and not differing(preset_shapes(named.preset), found):
        return named.preset
    differences = compare_presets(found)
    fitting = [preset for preset, different in differences.items() if not different]
    if fitting:
        return fitting[0]
    nearest, different = min(differences.items(), key=lambda item: len(item[1]))
    first = some(different, separator="; ")
    raise UserError(f"{path}: fits no preset; of the nearest, {nearest}, {len(different)} tensors differ: {first}")


def _opened(
    path: Path,
    network: nn.Module,
    weights: Mapping[str, Tensor],
    model: AnyModel,
    preset: str | None,
    device: torch.device | str,
) -> Opened:
    network.load_state_dict(dict(weights), assign=True)
    return Opened(path, network.to(device).eval().requires_grad_(False), model, preset)
