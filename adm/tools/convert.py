"""`convert`: the weights of one network from the released format to ours or back."""

from pathlib import Path

from adm.artifacts.manifest import sha256
from adm.errors import UserError, shown
from adm.nets.diffusers_export import export_diffusers
from adm.nets.opening import checkpoint_model, open_network, read_converted, write_converted
from adm.nets.presets import preset_network
from adm.nets.release import ReleasedDtype, export_released, read_released_weights
from adm.nets.weights import model_network, read_tensors

RELEASED = {"groups": 32, "residual_rescaling": False}
"""What the released code fixes and no tensor tells: it would load other networks, and make wrong images."""


def run_diffusers(source: Path, out: Path, preset: str | None) -> None:
    """Write a folder that diffusers loads; see `export_diffusers`.

    Args:
        source: A `.pt` in the released format, a `.safetensors` with our names, or the folder of a checkpoint.
        out: The folder.
        preset: The network of the weights; None if SOURCE tells.

    Raises:
        UserError: SOURCE cannot be read, diffusers cannot express its network, or OUT is a file.
    """
    opened = open_network(source, preset)
    export_diffusers(out, opened.network.state_dict(), opened.model)


def run(source: Path, out: Path, preset: str | None, dtype: ReleasedDtype) -> None:
    """Convert a file, or export a checkpoint; the kinds of SOURCE and OUT decide the direction.

    Args:
        source: A `.pt` in the released format, a `.safetensors` with our names, or the folder of a checkpoint.
        out: A `.safetensors` for a `.pt`, else a `.pt`.
        preset: The network of the weights; None if SOURCE itself names it.
        dtype: The dtype of the torso's convolutions in a `.pt`; a `.safetensors` is always float32.

    Raises:
        UserError: SOURCE cannot be read or does not fit, the released code cannot express it, or OUT is a folder.
    """
    if out.is_dir():
        raise UserError(f"{out}: is a folder, but a file is to be written there")
    match "folder" if source.is_dir() else source.suffix, out.suffix:
        case ".pt", ".safetensors":
            _convert_released(source, out, preset, dtype)
        case ".safetensors", ".pt":
            export_released(out, read_converted(source, preset), dtype)
        case "folder", ".pt":
            if preset is not None:
                raise UserError(f"preset {preset!r}: is not used; the manifest of {source} tells its network")
            model = checkpoint_model(source)
            for field, fixed in RELEASED.items():
                if (found := getattr(model.network, field)) != fixed:
                    raise UserError(
                        f"{source}: cannot be written in the released format: {field} is {shown(found)}, and that "
                        f"of the released code is {shown(fixed)}"
                    )
            network = model_network(model)
            export_released(out, read_tensors(source / "ema.safetensors", network.state_dict()), dtype)
        case _:
            raise UserError(
                f"{source}: cannot be converted to '{out}'; accepted are .pt to .safetensors, and .safetensors or the "
                "folder of a checkpoint to .pt"
            )


def _convert_released(source: Path, out: Path, preset: str | None, dtype: ReleasedDtype) -> None:
    if preset is None:
        if not source.exists():
            raise UserError(f"{source}: does not exist")
        raise UserError(f"{source}: tells no preset, so one must be given; `adm identify` tells which fit")
    if dtype != "float32":
        raise UserError(f"{out}: holds float32 alone; dtype {dtype!r} is for a .pt")
    weights = read_released_weights(source, preset_network(preset), f"preset {preset!r}")
    write_converted(out, weights, preset, sha256(source))
