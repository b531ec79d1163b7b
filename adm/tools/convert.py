"""`convert`: the weights of one network from the released format to ours or back, and which network they are of."""

from collections import Counter
from pathlib import Path

from adm.artifacts.manifest import sha256
from adm.errors import UserError, shown
from adm.nets.opening import open_network, write_converted
from adm.nets.presets import preset_network
from adm.nets.release import (
    ReleasedDtype,
    compare_presets,
    export_released,
    read_released,
    read_released_weights,
    shapes,
)

RELEASED = {"groups": 32, "residual_rescaling": False}
"""What the released code fixes and no tensor tells: it would load other networks, and make wrong images."""


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
        case "folder" | ".safetensors", ".pt":
            opened = open_network(source, preset)
            for field, fixed in RELEASED.items() if opened.preset is None else ():
                if (found := getattr(opened.model.network, field)) != fixed:
                    raise UserError(
                        f"{source}: cannot be written in the released format: {field} is {shown(found)}, and that "
                        f"of the released code is {shown(fixed)}"
                    )
            export_released(out, opened.network.state_dict(), dtype)
        case _:
            raise UserError(
                f"{source}: cannot be converted to '{out}'; accepted are .pt to .safetensors, and .safetensors or the "
                "folder of a checkpoint to .pt"
            )


def _convert_released(source: Path, out: Path, preset: str | None, dtype: ReleasedDtype) -> None:
    if preset is None:
        if not source.exists():
            raise UserError(f"{source}: does not exist")
        raise UserError(f"{source}: tells no preset, so one must be given; `adm convert {source}` tells which fit")
    if dtype != "float32":
        raise UserError(f"{out}: holds float32 alone; dtype {dtype!r} is for a .pt")
    weights = read_released_weights(source, preset_network(preset), f"preset {preset!r}")
    write_converted(out, weights, preset, sha256(source))


def identify(file: Path) -> list[str]:
    """Compare a file in the released format with every preset, or tell what a checkpoint's folder holds.

    Returns:
        Lines to print: the number of parameters by dtype, and the presets that the file fits. If it fits none, the
        nearest preset and the first three tensors that differ.

    Raises:
        UserError: The file is no checkpoint in the released format.
    """
    if file.is_dir():
        return [open_network(file).describe()]
    state = read_released(file)
    counts = Counter[str]()
    for tensor in state.values():
        counts[str(tensor.dtype).removeprefix("torch.")] += tensor.numel()
    mix = ", ".join(f"{count:,} {dtype}" for dtype, count in sorted(counts.items()))
    lines = [f"{file}: {sum(counts.values()):,} parameters ({mix})"]
    differences = compare_presets(shapes(state))
    if presets := [preset for preset, different in differences.items() if not different]:
        return [*lines, *(f"fits {preset}" for preset in presets)]
    nearest, different = min(differences.items(), key=lambda item: len(item[1]))
    return [*lines, f"fits no preset; of the nearest, {nearest}, {len(different)} tensors differ:", *different[:3]]
