"""Networks from any file that holds one: a released `.pt`, a `.safetensors` of ours, or the folder of a checkpoint."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import safe_open
from torch import Tensor, nn

from adm.artifacts.manifest import MANIFEST, read_manifest
from adm.artifacts.reading import readable
from adm.artifacts.writing import new_file
from adm.config.models import AnyModel
from adm.config.released import CHECKPOINTS
from adm.errors import UserError, some
from adm.nets.presets import PRESETS, preset_model, preset_network
from adm.nets.release import compare_presets, preset_shapes, read_released, read_released_weights, shapes
from adm.nets.weights import differing, model_network, read_tensors, write_tensors

ORIGIN = "adm"
"""Metadata entry of a converted file: JSON with the preset and the sha256 of the file that it was converted from."""

Schedule = Literal["linear", "cosine"]
AttentionOrder = Literal["legacy", "new"]


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
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
        """Return a line that tells what the file is taken for."""
        params, noise = self.model.network, self.model.noise
        classes = f"{params.num_classes} classes" if params.num_classes else "no classes"
        known = f"preset {self.preset}" if self.preset else f"{self.model.kind} model of a results folder"
        side = f"{params.image_size}x{params.image_size}"
        order = f"attention order {params.attention_order}"
        return f"{self.path}: {known}, {side}, {classes}, schedule {noise.schedule}, {order}"


def open_network(
    path: Path,
    preset: str | None = None,
    schedule: Schedule | None = None,
    attention_order: AttentionOrder | None = None,
    device: torch.device | str = "cpu",
) -> LoadedNetwork:
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
        model = _changed(_checkpoint_model(path), schedule, attention_order)
        weights = read_tensors(path / "ema.safetensors", model_network(model).state_dict())
    else:
        if path.suffix == ".safetensors":
            preset = _preset_of(path, preset)
            weights = read_tensors(path, preset_network(preset).state_dict())
        else:
            preset = preset or _identified(path)
            weights = read_released_weights(path, preset_network(preset), f"preset {preset!r}")
        model = _changed(preset_model(preset), schedule, attention_order)
    network = model_network(model)
    network.load_state_dict(weights, assign=True)
    return LoadedNetwork(path, network.to(device).eval().requires_grad_(False), model, preset)


def write_converted(path: Path, weights: Mapping[str, Tensor], preset: str, source_sha256: str) -> None:
    """Write the float32 weights of a preset, under our names, as `.safetensors`; the bytes depend on the arguments.

    `source_sha256` is of the file that they were converted from.
    """
    # One entry only: the library writes several in an order that differs between processes.
    origin = json.dumps({"preset": preset, "source_sha256": source_sha256})
    with new_file(path) as partial:
        write_tensors(partial, weights, {ORIGIN: origin})


def _checkpoint_model(folder: Path) -> AnyModel:
    section = read_manifest(folder, "init", "train", "adopt").params.get("model")
    try:
        model: AnyModel = TypeAdapter(AnyModel).validate_python(section)
        return model
    except ValidationError as error:
        raise UserError(f"{folder}: its manifest describes no model: {error.errors()[0]['msg'].lower()}") from error


def _preset_of(path: Path, preset: str | None) -> str:
    """Return the preset in the metadata of a `.safetensors` file, which must be the given one if both are there."""
    with readable(path, "is no readable safetensors file"), safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        found = str(json.loads(metadata[ORIGIN])["preset"]) if ORIGIN in metadata else preset
    if found is None:
        raise UserError(f"{path}: tells no preset, so one must be given")
    if ORIGIN in metadata and found not in PRESETS:
        raise UserError(f"{path}: is of preset {found!r}, which is unknown; there are {', '.join(PRESETS)}")
    if preset not in (None, found):
        raise UserError(f"{path}: is of preset {found!r}, not {preset!r}")
    return found


def _changed(model: AnyModel, schedule: Schedule | None, attention_order: AttentionOrder | None) -> AnyModel:
    noise = model.noise if schedule is None else model.noise.model_copy(update={"schedule": schedule})
    network = model.network
    if attention_order is not None:
        network = network.model_copy(update={"attention_order": attention_order})
    return model.model_copy(update={"noise": noise, "network": network})


def _identified(path: Path) -> str:
    """Find the preset of a file in the released format: that which its name says, if it fits, else the first to fit."""
    found = shapes(read_released(path))
    named = CHECKPOINTS.get(path.stem)
    if named is not None and not differing(preset_shapes(named.preset), found):
        return named.preset
    differences = compare_presets(found)
    fitting = [preset for preset, different in differences.items() if not different]
    if fitting:
        return fitting[0]
    nearest, different = min(differences.items(), key=lambda item: len(item[1]))
    first = some(different, separator="; ") + "; a network of one's own is read from its folder, checkpoints/KEY"
    raise UserError(f"{path}: fits no preset; of the nearest, {nearest}, {len(different)} tensors differ: {first}")
