"""`export`: the weights of one network as one file, of ours or in the released format; and what a file is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from adm.api import Model
from adm.config.models import ClassifierModel
from adm.errors import UserError
from adm.nets.opening import fitting_presets, open_network, write_network
from adm.nets.release import ReleasedDtype, export_released

RELEASED = {"groups": 32, "residual_rescaling": False}
"""Fields that the released code fixes and no tensor tells: it would load other networks, and make wrong images."""


def run(
    source: Path, out: Path, preset: str | None, dtype: ReleasedDtype, sampling: Mapping[str, Any] | None = None
) -> None:
    """Write a network as one file, whose ending tells the format.

    Args:
        source: A `.pt` in the released format, a `.safetensors` of ours, or the folder of a checkpoint.
        out: A `.safetensors`, which tells all that `Card` has, or a `.pt` in the released format.
        preset: The network of the weights; None if SOURCE itself names it.
        dtype: Of the weights of a `.safetensors`, or of the torso's convolutions of a `.pt`.
        sampling: How the network is best sampled, for the card.

    Raises:
        UserError: SOURCE cannot be read or does not fit, a run has no such field, the released code cannot express the
            network, or OUT cannot be written.
    """
    match "folder" if source.is_dir() else source.suffix, out.suffix:
        case "folder" | ".safetensors" | ".pt" as kind, ".safetensors":
            if kind == ".pt" and preset is None and source.exists():
                raise UserError(f"{source}: tells no preset, so one must be given; adm export {source} tells which fit")
            opened = open_network(source, preset)
            if sampling and isinstance(opened.model, ClassifierModel):
                raise UserError(f"--set {next(iter(sampling))}: is not used; {source} is a classifier")
            if sampling:
                Model(opened, None, "float32").check_recommended(sampling, out.parent)
            write_network(out, opened, getattr(torch, dtype), sampling or {})
        case "folder" | ".safetensors", ".pt":
            opened = open_network(source, preset)
            for field, fixed in RELEASED.items() if opened.card.preset is None else ():
                if (value := getattr(opened.model.network, field)) != fixed:
                    raise UserError(
                        f"{source}: {field} is {value!r}, and networks in the released format have {fixed!r}"
                    )
            if (predicts := getattr(opened.model.noise, "predicts", "eps")) != "eps":
                raise UserError(f"{source}: predicts {predicts}, and networks in the released format predict the noise")
            export_released(out, opened.network.state_dict(), dtype)
        case _:
            raise UserError(
                f"{source}: cannot be written as '{out}'; accepted are .pt to .safetensors, and .safetensors or the "
                "folder of a checkpoint to either"
            )


def identify(file: Path) -> str:
    """Tell what a file or a folder holds; of a file in the released format, which presets it fits.

    Raises:
        UserError: It is no checkpoint, or fits no preset.
    """
    if file.is_dir() or file.suffix == ".safetensors":
        return open_network(file).describe()
    return f"{file}: fits {', '.join(fitting_presets(file))}"
