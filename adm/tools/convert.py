"""`convert`: the weights of one network from the released format to ours or back."""

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from adm.artifacts.manifest import read_manifest, sha256
from adm.artifacts.writing import new_file
from adm.nets.export import ReleasedDtype, export_released
from adm.nets.published import model_network, preset_network, read_released_weights
from adm.nets.weights import read_tensors
from adm.params.errors import UserError
from adm.params.models import ModelParams

ORIGIN = "adm"
"""The entry of a safetensors file's metadata that tells, in JSON, the preset and the sha256 of what it was made of."""


def run(source: Path, out: Path, preset: str | None, dtype: ReleasedDtype) -> None:
    """Convert a file, or export a checkpoint; the kinds of SOURCE and OUT tell the direction.

    Args:
        source: A `.pt` of the released kind, a `.safetensors` under our names, or the folder of a checkpoint.
        out: A `.safetensors` for a `.pt`, a `.pt` for anything else.
        preset: What network the weights are of; None where SOURCE itself tells.
        dtype: How a `.pt` stores the torso's convolutions; a `.safetensors` is always of float32.

    Raises:
        UserError: SOURCE cannot be read or does not fit, or OUT is a folder.
    """
    if out.is_dir():
        raise UserError(f"{out}: is a folder, but a file is to be written there")
    match "folder" if source.is_dir() else source.suffix, out.suffix:
        case ".pt", ".safetensors":
            _adopt(source, out, preset, dtype)
        case ".safetensors", ".pt":
            name = _preset_of(source, preset)
            export_released(out, read_tensors(source, preset_network(name).state_dict()), dtype)
        case "folder", ".pt":
            if preset is not None:
                raise UserError(f"preset {preset!r}: is not used; the manifest of {source} tells its network")
            export_released(out, read_tensors(source / "ema.safetensors", _network_of(source).state_dict()), dtype)
        case _:
            raise UserError(
                f"{source}: cannot be converted to '{out}'; accepted are .pt to .safetensors, and .safetensors or the "
                "folder of a checkpoint to .pt"
            )


def _adopt(source: Path, out: Path, preset: str | None, dtype: ReleasedDtype) -> None:
    if preset is None:
        raise UserError(f"{source}: tells no preset, so one must be given; `adm identify` tells which fit")
    if dtype != "float32":
        raise UserError(f"{out}: holds float32 alone; dtype {dtype!r} is for a .pt")
    weights: dict[str, Tensor] = read_released_weights(source, preset_network(preset), f"preset {preset!r}")
    # In one entry: the library writes several in an order that changes from process to process.
    origin = json.dumps({"preset": preset, "source_sha256": sha256(source)})
    with new_file(out) as partial:
        save_file(weights, partial, metadata={ORIGIN: origin})
        # The library makes files that only their owner can read.
        partial.chmod(0o644)


def _preset_of(source: Path, given: str | None) -> str:
    """The preset that a safetensors file is of: what its own metadata say, else the one given."""
    try:
        with safe_open(source, framework="pt") as file:
            metadata = file.metadata() or {}
        found = json.loads(metadata[ORIGIN])["preset"] if ORIGIN in metadata else None
    except FileNotFoundError as error:
        raise UserError(f"{source}: does not exist") from error
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        brief = " ".join(f"{type(error).__name__} {error}".split())[:120]
        raise UserError(f"{source}: is no readable safetensors file ({brief})") from error
    if given is None and found is None:
        raise UserError(f"{source}: tells no preset, so one must be given")
    if None not in (given, found) and given != found:
        raise UserError(f"{source}: is of preset {found!r}, not {given!r}")
    return str(given or found)


def _network_of(folder: Path) -> nn.Module:
    """The network of a checkpoint, as its manifest describes it."""
    section = read_manifest(folder, "init", "train", "adopt").params.get("model")
    try:
        model: ModelParams = TypeAdapter(ModelParams).validate_python(section)
    except ValidationError as error:
        raise UserError(f"{folder}: its manifest describes no model: {error.errors()[0]['msg'].lower()}") from error
    return model_network(model, f"{folder}: its model")
