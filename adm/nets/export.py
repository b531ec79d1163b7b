"""Export of our weights to the released format, for programs that read it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from adm.artifacts.writing import new_file
from adm.errors import UserError
from adm.nets.release_names import to_released

ReleasedDtype = Literal["float32", "float16"]
"""Precisions in which released checkpoints are stored."""

TORSO = ("input_blocks.", "middle_block.", "output_blocks.")
"""The released code stores the convolutions of these modules (released names) in half precision."""


def export_released(path: Path, weights: Mapping[str, Tensor], dtype: ReleasedDtype = "float32") -> None:
    """Write the weights of a network in the released format; the bytes depend only on the arguments.

    Args:
        path: The `.pt` file to write: tensors by their released names, in the released order.
        weights: The network's state dict, under our names, of any floating dtype.
        dtype: "float16" stores the torso's convolutions in half precision, attention projections included, and
            leaves normalisations, embeddings and the output in float32, as the released code does.

    Raises:
        UserError: A weight is NaN, infinite or beyond the dtype's range. Nothing is written.
        ValueError: A tensor belongs to no UNet, upsampler or classifier.

    Source: the half-precision conversion of the released code.
    """
    state = to_released(weights)
    halved = half_precision_names(state) if dtype == "float16" else set()
    stored = {name: _stored(tensor, name in halved) for name, tensor in state.items()}
    for name, tensor in stored.items():
        if not tensor.isfinite().all():
            raise UserError(f"{path}: cannot be written: {name} holds NaN, infinity or what {tensor.dtype} cannot hold")
    # An open file, not a path: torch would write the path's name into the file.
    with new_file(path) as partial, partial.open("wb") as file:
        torch.save(stored, file)


def half_precision_names(state: Mapping[str, Tensor]) -> set[str]:
    """Names of the tensors that the released code stores in half precision: weights and biases of TORSO's convolutions.

    Args:
        state: The tensors of a network by their released names.
    """
    # A convolution's weight, even over tokens, has more than two axes; a linear layer's has two.
    modules = {name.removesuffix(".weight") for name, tensor in state.items() if tensor.ndim > 2}
    return {name for name in state if name.startswith(TORSO) and name.rpartition(".")[0] in modules}


def _stored(tensor: Tensor, halved: bool) -> Tensor:
    tensor = tensor.detach().to("cpu", torch.float16 if halved else torch.float32).contiguous()
    # For a view, torch would write the whole storage behind it.
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()
