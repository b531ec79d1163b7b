"""Networks from any file that holds one: a released `.pt`, a `.safetensors` of ours, or the folder of a checkpoint."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import BaseModel, ConfigDict
from safetensors import safe_open
from torch import nn

from adm.artifacts.class_names import FACT, Names, imagenet_names
from adm.artifacts.manifest import MANIFEST, identity, read_manifest, validated
from adm.artifacts.reading import readable
from adm.artifacts.writing import new_file
from adm.config.files import CHECKPOINTS
from adm.config.models import AnyModel
from adm.errors import UserError, some
from adm.nets.presets import PRESETS, preset_model
from adm.nets.release import compare_presets, preset_shapes, read_released, read_weights, shapes
from adm.nets.weights import differing, model_network, read_tensors, told_different, write_tensors

CARD = "adm"
"""The metadata entry of a file of ours that holds its card, as JSON."""


class Card(BaseModel):
    """The facts that a `.safetensors` of ours tells beside the weights.

    Attributes:
        preset: The name of the released network; None for one that was trained here.
        model: What the network is and how it was trained; None for a preset.
        class_names: The name of each class; None where classes have numbers alone.
        background: The colour that its training images were laid on, if any.
        sampling: How it is sampled if nothing else is said: fields of a run, `scale`, and `classifier`, a file beside.
        source_sha256: Of the file, or of the checkpoint's manifest, that the weights were taken from.
        made_by: What made that checkpoint, from its manifest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str | None = None
    model: AnyModel | None = None
    class_names: tuple[str, ...] | None = None
    background: str | None = None
    sampling: dict[str, Any] = {}
    source_sha256: str = ""
    made_by: dict[str, Any] = {}


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A network with the averaged weights of a file.

    Attributes:
        path: The file or the folder.
        network: In evaluation mode; its parameters are float32, until they are rounded for sampling, and require no
            gradient.
        model: What the network is, and the noise that it was trained on. Of a released network the section tells
            nothing of its training.
        card: What its file tells of itself.
    """

    path: Path
    network: nn.Module
    model: AnyModel
    card: Card

    def __repr__(self) -> str:
        return f"LoadedNetwork({self.describe()})"

    @property
    def class_names(self) -> Names:
        """The names of its classes: its own, else ImageNet's if it has 1000 classes."""
        if self.card.class_names is None and self.model.network.num_classes == len(imagenet_names()):
            return imagenet_names()
        return self.card.class_names

    def save(self, path: str | Path) -> None:
        """Write the network as one file, which ends in `.safetensors`.

        Raises:
            UserError: It ends otherwise, or cannot be written; or the weights are not `whole`.
        """
        if Path(path).suffix != ".safetensors":
            raise UserError(f"{path}: ends in no .safetensors; adm export writes other formats")
        write_network(Path(path), self.whole(), torch.float32, {})

    def whole(self) -> Self:
        """Return itself, or raise a UserError: sampling in half precision has rounded the weights in place."""
        if rounded := {str(each.dtype).removeprefix("torch.") for each in self.network.parameters()} - {"float32"}:
            raise UserError(f"{self.path}: is rounded to {rounded.pop()}; load it anew")
        return self

    def describe(self) -> str:
        """Return a line that tells what the file is taken for."""
        params, noise = self.model.network, self.model.noise
        classes = f"{params.num_classes} classes" if params.num_classes else "no classes"
        if self.class_names and not self.card.preset:
            classes += f" ({some(self.class_names, 12)})"
        known = f"preset {self.card.preset}" if self.card.preset else f"{self.model.kind} model"
        side = f"{params.image_size}x{params.image_size}"
        order = f"attention order {params.attention_order}"
        return f"{self.path}: {known}, {side}, {classes}, schedule {noise.schedule}, {order}"


def open_network(path: Path, preset: str | None = None, device: torch.device | str = "cpu") -> LoadedNetwork:
    """Read a network and find out what it is.

    Args:
        path: A `.pt` in the released format, a `.safetensors` that `adm export` wrote, or a checkpoint's folder. Never
            change a `.pt` in place while its network is in use.
        preset: The released network that the file holds; None goes by the file's shapes and, where several presets
            have these, by its name.
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
            lacks = f"it holds no {MANIFEST}, and no model.safetensors of a hub's folder"
            raise UserError(f"{path}: is no checkpoint: {lacks}; give results/NAME/checkpoints/KEY")
        card = _card_of_checkpoint(path)
    elif path.suffix == ".safetensors":
        card = _card_of_file(path, preset)
    else:
        card = Card(preset=preset or fitting_presets(path)[0])
    model = card.model or preset_model(card.preset or "")
    network = model_network(model)
    if path.is_dir() or path.suffix == ".safetensors":
        weights_file = path / "ema.safetensors" if path.is_dir() else path
        weights = read_tensors(weights_file, network.state_dict(), widened=True)
    else:
        weights = read_weights(path, network, f"preset {card.preset!r}")
    network.load_state_dict(weights, assign=True)
    return LoadedNetwork(path, network.to(device).eval().requires_grad_(False), model, card)


def write_network(path: Path, opened: LoadedNetwork, dtype: torch.dtype, sampling: Mapping[str, Any]) -> None:
    """Write a network as one `.safetensors`, in a dtype, with its card; the bytes depend on the arguments.

    `sampling` is of the card; none leaves what the network's own file recommends, but for a classifier that does not
    lie beside `path`, its scale, and its interval; a line says so.

    Raises:
        NotFiniteError: The dtype cannot hold a weight.
    """
    sampling = dict(sampling or opened.card.sampling)
    if (named := sampling.get("classifier")) and not (path.parent / named).exists():
        print(f"{path}: recommends no classifier, as {named} does not lie beside it")
        gone = {"classifier", "scale"} | ({"guidance_interval"} if sampling.get("cfg_scale", 1) == 1 else set())
        sampling = {name: value for name, value in sampling.items() if name not in gone}
    card = opened.card.model_copy(update={"sampling": sampling})
    if not card.source_sha256 and opened.path.exists():
        card = card.model_copy(update={"source_sha256": identity(opened.path)})
    weights = {name: tensor.to(dtype) for name, tensor in opened.network.state_dict().items()}
    with new_file(path) as partial:
        # One entry only: the library writes several in an order that differs between processes.
        write_tensors(partial, weights, {CARD: json.dumps(card.model_dump(mode="json", exclude_defaults=True))})


def _card_of_checkpoint(folder: Path) -> Card:
    manifest = read_manifest(folder, "init", "train", "adopt")
    dataset = manifest.params.get("dataset") or {}
    with validated(folder, "its manifest describes no model"):
        return Card(
            model=manifest.params.get("model") or {},
            class_names=manifest.facts.get(FACT),
            background=dataset.get("background"),
            source_sha256=identity(folder),
            made_by={
                "stage": manifest.stage,
                "step": manifest.facts.get("step"),
                "code": manifest.code,
                "versions": manifest.versions,
                "dataset": dataset,
            },
        )


def _card_of_file(path: Path, preset: str | None) -> Card:
    """Read the card of a `.safetensors`, whose preset must be the given one if both are there."""
    with readable(path, "is no readable safetensors file"), safe_open(path, framework="pt") as file:
        written = (file.metadata() or {}).get(CARD)
    if written is None and preset is None:
        raise UserError(f"{path}: tells no preset, so one must be given")
    with validated(path, "tells of no network of this version"):
        card = Card(preset=preset) if written is None else Card.model_validate_json(written)
    if card.model is None and card.preset not in PRESETS:
        raise UserError(f"{path}: is of preset {card.preset!r}, which is unknown; there are {', '.join(PRESETS)}")
    if preset not in (None, card.preset):
        raise UserError(f"{path}: is of preset {card.preset or 'none'!r}, not {preset!r}")
    return card


def fitting_presets(path: Path) -> list[str]:
    """Name the presets that a file in the released format fits: that which its name says, if it fits, else all.

    Raises:
        UserError: There is none; names the nearest.
    """
    tensors = shapes(read_released(path))
    named = CHECKPOINTS.get(path.stem)
    if named is not None and not differing(preset_shapes(named), tensors):
        return [named]
    differences = compare_presets(tensors)
    if fitting := [preset for preset, different in differences.items() if not different]:
        return fitting
    nearest, different = min(differences.items(), key=lambda item: len(item[1]))
    raise UserError(
        f"{path}: fits no preset; of the nearest, {nearest}, {told_different(different)}; a network of "
        "one's own is read from its folder, checkpoints/KEY, or a .safetensors of `adm export`"
    )
