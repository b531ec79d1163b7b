"""The format of released checkpoints: the names of their tensors, and files read and written.

The attention order, the number of heads and the dropout do not show in any tensor's shape. They come from the preset or
the params file and cannot be checked: a file loads without an error as any network of the same shapes.
"""

import pickle
import re
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from adm.artifacts.reading import readable
from adm.artifacts.writing import new_file
from adm.errors import UserError
from adm.nets.presets import PRESETS, preset_model
from adm.nets.weights import differing, model_network, require_finite, told_different

Shapes = dict[str, tuple[int, ...]]
"""Shapes of tensors, by their released names."""

ReleasedDtype = Literal["float32", "float16"]
"""Precisions in which released checkpoints are stored."""

TORSO = ("input_blocks.", "middle_block.", "output_blocks.")
"""The released code stores the convolutions of these modules (released names) in half precision."""

BLOCKS = {
    "time_embedding.first": "time_embed.0",
    "time_embedding.second": "time_embed.2",
    "class_embedding": "label_emb",
    "encoder.blocks.{n}.convolution": "input_blocks.{n}.0",
    "encoder.blocks.{n}.residual": "input_blocks.{n}.0",
    "encoder.blocks.{n}.attention": "input_blocks.{n}.1",
    "encoder.blocks.{n}.downsampling": "input_blocks.{n}.0.op",
    "encoder.middle.residual_in": "middle_block.0",
    "encoder.middle.attention": "middle_block.1",
    "encoder.middle.residual_out": "middle_block.2",
    "decoder.blocks.{n}.residual": "output_blocks.{n}.0",
    "decoder.blocks.{n}.attention": "output_blocks.{n}.1",
    "decoder.blocks.{n}.upsampling": "output_blocks.{n}.{last}",
    "output.{n}": "out.{n}",
    "output.{n}.qkv": "out.{n}.qkv_proj",
    "output.{n}.projection": "out.{n}.c_proj",
}
"""Our blocks' names, and the released ones.

`{n}` is any number, `{last}` the position of a decoder block's upsampling: 2 after an attention, else 1.
"""

LAYERS = {
    "norm_in": "in_layers.0",
    "convolution_in": "in_layers.2",
    "embedding": "emb_layers.1",
    "norm_out": "out_layers.0",
    "convolution_out": "out_layers.3",
    "skip": "skip_connection",
    "norm": "norm",
    "qkv": "qkv",
    "projection": "proj_out",
}
"""The names of layers in blocks, ours and the released ones."""


def released_name(name: str, names: Collection[str]) -> str:
    """Name one of our tensors as released checkpoints do.

    The position of a decoder block's upsampling depends on whether `names`, all of the state dict, have its attention.

    Raises:
        ValueError: The tensor belongs to no UNet or classifier.
    """
    module, _, parameter = name.rpartition(".")
    numbers = re.findall(r"\d+", module)
    block = re.sub(r"\d+", "{n}", module)
    layer = ""
    if block not in BLOCKS:
        block, _, layer = block.rpartition(".")
    if block not in BLOCKS or layer not in ("", *LAYERS) or parameter not in ("weight", "bias", "positional_embedding"):
        raise ValueError(
            f"tensor {name!r} is unknown; accepted are the tensors of a UNet, an upsampler or a classifier"
        )
    n = numbers[0] if numbers else ""
    last = 2 if f"decoder.blocks.{n}.attention.norm.weight" in names else 1
    # An upsampling of a block's kind has layers, and a plain one is a module around its convolution.
    plain = "conv" if block.endswith(".upsampling") and not layer else ""
    return ".".join(filter(None, (BLOCKS[block].format(n=n, last=last), LAYERS.get(layer, plain), parameter)))


def to_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of our state dict to the names of released checkpoints; the tensors are not changed.

    Raises:
        ValueError: A tensor belongs to no UNet or classifier.
    """
    return {released_name(name, state): tensor for name, tensor in state.items()}


def read_weights(path: Path, network: nn.Module, owner: str, released: bool = True) -> dict[str, Tensor]:
    """Read the weights of a network from a file in the released format.

    The network that they must fit may be on the meta device; `owner` is its name in messages. One that is not
    `released` has the names of its file, which may hold other tensors, too.

    Returns:
        Float32 tensors under our names, in the order of the network's state dict, mapped from a file of float32.

    Raises:
        UserError: The file is no such checkpoint, would run code, holds NaN or infinity, or does not fit the network.
    """
    own, found = network.state_dict(), read_released(path)
    if not released:
        found = {name: tensor for name, tensor in found.items() if name in own}
    named = to_released(own) if released else own
    if different := differing(shapes(named), shapes(found)):
        why = told_different(different)
        if presets := [preset for preset, others in compare_presets(shapes(found)).items() if not others]:
            same = ", which share their shapes" if len(presets) > 1 else ""
            why = f"the file fits preset{'s' if same else ''} {', '.join(presets)}{same}"
        raise UserError(f"{path}: does not fit {owner}; {why}")
    require_finite(str(path), found)
    return {name: found[key].to(torch.float32).contiguous() for name, key in zip(own, named, strict=True)}


def read_released(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file in the released format, for any network, mapped and under their released names.

    Raises:
        UserError: The file is missing or damaged, would run code, or holds anything but dense tensors of floats.
    """
    state = _load(path)
    if not isinstance(state, Mapping):
        raise UserError(f"{path}: holds {type(state).__name__}, not a table of tensors by name")
    for name, tensor in state.items():
        if not (isinstance(name, str) and name.isprintable() and isinstance(tensor, Tensor)):
            raise UserError(f"{path}: holds {type(tensor).__name__} {name!r}; accepted is a table of tensors by name")
        if not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.is_meta:
            kind = f"{tensor.dtype} ({tensor.layout}, {tensor.device.type})"
            raise UserError(f"{path}: {name} is {kind}, not a dense tensor of floats")
    return dict(state)


def compare_presets(tensors: Shapes) -> dict[str, list[str]]:
    """Compare tensors with those of every preset, in phrases from `differing`.

    A preset that fits has no differences. Several may fit, such as all of LSUN.
    """
    return {preset: differing(preset_shapes(preset), tensors) for preset in PRESETS}


def preset_shapes(preset: str) -> Shapes:
    """List the released names and shapes of a preset's tensors."""
    return shapes(to_released(model_network(preset_model(preset)).state_dict()))


def shapes(state: Mapping[str, Tensor]) -> Shapes:
    """List the shapes of tensors by name."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def export_released(path: Path, weights: Mapping[str, Tensor], dtype: ReleasedDtype = "float32") -> None:
    """Write the weights of a network in the released format; the bytes depend only on the arguments.

    Weights are the network's state dict, under our names, of any floating dtype. "float16" stores the torso's
    convolutions in half precision, attention projections included, and leaves the rest in float32.

    Raises:
        UserError: A weight is NaN, infinite or beyond the dtype's range. Nothing is written.
        ValueError: A tensor belongs to no UNet or classifier.

    Source: the half-precision conversion of the released code.
    """
    state = to_released(weights)
    # A convolution's weight, even over tokens, has more than two axes; a linear layer's has two.
    modules = {name.removesuffix(".weight") for name, tensor in state.items() if tensor.ndim > 2}
    stored = {}
    for name, weight in state.items():
        halved = dtype == "float16" and name.startswith(TORSO) and name.rpartition(".")[0] in modules
        tensor = weight.detach().to("cpu", torch.float16 if halved else torch.float32).contiguous()
        if not tensor.isfinite().all():
            raise UserError(f"{path}: cannot be written: {name} holds NaN, infinity or what {tensor.dtype} cannot hold")
        # For a view, torch would write the whole storage behind it.
        stored[name] = tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()
    # An open file, not a path: torch would write the path's name into the file.
    with new_file(path) as partial, partial.open("wb") as file:
        torch.save(stored, file)


def _load(path: Path) -> Any:
    """Return the content of a file, mapped if its format allows; `weights_only` refuses pickled code."""
    stored = False  # in a format from before torch 1.6
    with readable(path, "is no readable checkpoint, truncated or of another format"):
        try:
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    # Torch checks no checksum, and would map another program's compressed bytes as if they were values.
                    if (damaged := archive.testzip()) is not None:
                        raise zipfile.BadZipFile(f"{damaged} does not match its checksum")
                    stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
            return torch.load(path, map_location="cpu", weights_only=True, mmap=stored)
        except pickle.UnpicklingError as error:
            asked = re.search(r"GLOBAL ([\w.]+)", str(error))
            why = f"no checkpoint of tensors alone: it asks for {asked[1]}" if asked else "no readable checkpoint"
            raise UserError(f"{path}: is {why}; pickled code is never run") from error
