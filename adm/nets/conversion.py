"""Weights of released networks as safetensors files under our names; metadata name the preset and the source."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from adm.artifacts.writing import new_file
from adm.errors import UserError
from adm.nets.presets import PRESETS
from adm.nets.release import preset_network
from adm.nets.weights import read_tensors, write_tensors

ORIGIN = "adm"
"""Metadata entry of the file: JSON with the preset and the sha256 of the file that it was converted from."""


def write_converted(path: Path, weights: Mapping[str, Tensor], preset: str, source_sha256: str) -> None:
    """Write the weights of a preset; the bytes depend only on the arguments.

    Args:
        path: The `.safetensors` file to write.
        weights: Float32 tensors under our names.
        preset: The network's name, a key of `PRESETS`.
        source_sha256: 64 hexadecimal digits, of the file that they were converted from.
    """
    # One entry only: the library writes several in an order that differs between processes.
    origin = json.dumps({"preset": preset, "source_sha256": source_sha256})
    with new_file(path) as partial:
        write_tensors(partial, weights, {ORIGIN: origin})


def read_converted(path: Path, preset: str | None) -> dict[str, Tensor]:
    """Read the weights of a preset.

    Args:
        path: A `.safetensors` file of float32 tensors under our names.
        preset: The network that they must belong to; None takes the preset that the file names.

    Raises:
        UserError: The file is missing or unreadable, is of another or an unknown preset, or fails the checks of
            `read_tensors`.
    """
    found = preset_of(path)
    if preset is None and found is None:
        raise UserError(f"{path}: tells no preset, so one must be given")
    if found is not None and found not in PRESETS:
        raise UserError(f"{path}: is of preset {found!r}, which is unknown; there are {', '.join(PRESETS)}")
    if None not in (preset, found) and preset != found:
        raise UserError(f"{path}: is of preset {found!r}, not {preset!r}")
    return read_tensors(path, preset_network(str(preset or found)).state_dict())


def preset_of(path: Path) -> str | None:
    """The preset in a file's metadata, or None.

    Raises:
        UserError: The file is missing or unreadable.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        return str(json.loads(metadata[ORIGIN])["preset"]) if ORIGIN in metadata else None
    except FileNotFoundError as error:
        raise UserError(f"{path}: does not exist") from error
    except Exception as error:  # as in `read_tensors`
        brief = " ".join(f"{type(error).__name__} {error}".split())[:120]
        raise UserError(f"{path}: is no readable safetensors file ({brief})") from error
