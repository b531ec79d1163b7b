"""What the operations of a frozen TensorFlow graph compute, in torch.

Tensors keep TensorFlow's axes (N, H, W, C); a convolution sees them through a permutation, which to torch is
its channels-last layout and moves no memory.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from adm.metrics.small_extractor import legacy_resize_bilinear

Operation = Callable[[Any, list[torch.Tensor]], torch.Tensor]

VALUES = {
    1: (np.float32, "float_val"),
    2: (np.float64, "double_val"),
    3: (np.int32, "int_val"),
    4: (np.uint8, "int_val"),
    9: (np.int64, "int64_val"),
    10: (np.bool_, "bool_val"),
    19: (np.float16, "half_val"),
}
"""TensorFlow's number of a data type: numpy's type, and the field that holds its values one by one."""

ACCEPTED: dict[str, tuple[Any, ...]] = {
    "data_format": (b"NHWC",),
    "padding": (b"SAME", b"VALID"),
    "align_corners": (False,),
    "half_pixel_centers": (False,),
    "is_training": (False,),
}
"""Attributes that change what an operation computes, and the values of them that are known here."""


def require_known(node: Any) -> None:
    """Check that a node's operation is written here, with the attributes that the node gives it.

    Raises:
        ValueError: it is not.
    """
    if node.op not in OPERATIONS:
        raise ValueError(f"op {node.op} of node {node.name} is not one of {', '.join(sorted(OPERATIONS))}")
    for name, accepted in ACCEPTED.items():
        # This one alone is not accepted where it is left out: a batch norm trains unless told otherwise.
        default = node.op.startswith("FusedBatchNorm") if name == "is_training" else accepted[0]
        value = _attribute(node, name, default)
        if value not in accepted:
            raise ValueError(f"{name} of node {node.name} ({node.op}) is {value!r}, expected {accepted[0]!r}")


def _attribute(node: Any, name: str, default: Any) -> Any:
    if name not in node.attr:
        return default
    value = node.attr[name]
    return getattr(value, value.WhichOneof("value"))


def _integers(node: Any, name: str) -> list[int]:
    return list(node.attr[name].list.i) if name in node.attr else []


def constant(node: Any) -> torch.Tensor:
    """Return a Const node's value; where values are left out, the last one given stands for the rest.

    Raises:
        ValueError: its data type is not known here, or it holds too many or too few values.
    """
    tensor = node.attr["value"].tensor
    shape = [dimension.size for dimension in tensor.tensor_shape.dim]
    if tensor.dtype not in VALUES:
        known = ", ".join(map(str, VALUES))
        raise ValueError(f"constant {node.name} has data type {tensor.dtype}, expected one of {known}")
    dtype, field = VALUES[tensor.dtype]
    size = int(np.prod(shape))
    flat: npt.NDArray[Any]
    if tensor.tensor_content:
        flat = np.frombuffer(tensor.tensor_content, dtype=dtype)
    elif field == "half_val":  # the bits, as integers
        flat = np.array(tensor.half_val, dtype=np.uint16).view(dtype)
    else:
        flat = np.array(getattr(tensor, field), dtype=dtype)
    if not tensor.tensor_content and len(flat) < size:
        flat = np.pad(flat, (0, size - len(flat)), mode="edge" if len(flat) > 0 else "constant")
    if len(flat) != size:
        raise ValueError(f"constant {node.name} holds {len(flat)} values, expected {size}")
    value = torch.from_numpy(flat.reshape(shape).copy())
    if value.ndim == 4:  # a kernel: the layout that channels-last convolutions read, with the axes as they were
        value = value.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
    return value


def _padded(
    node: Any, x: torch.Tensor, window: list[int], strides: list[int], value: float = 0.0
) -> tuple[torch.Tensor, list[int]]:
    """Pad (N, C, H, W) as far as it is lopsided; return it with the rows and columns to add on either side.

    SAME makes ceil(length / stride) outputs; of an odd padding, the larger part goes behind.
    """
    if _attribute(node, "padding", b"VALID") == b"VALID":
        return x, [0, 0]
    lengths = zip(x.shape[2:], window, strides, strict=True)
    totals = [max((-(-length // stride) - 1) * stride + size - length, 0) for length, size, stride in lengths]
    if all(total % 2 == 0 for total in totals):
        return x, [total // 2 for total in totals]
    height, width = totals
    sides = (width // 2, width - width // 2, height // 2, height - height // 2)
    return F.pad(x, sides, value=value), [0, 0]


def _convolution(node: Any, inputs: list[torch.Tensor]) -> torch.Tensor:
    x, kernel = inputs[0].permute(0, 3, 1, 2), inputs[1].permute(3, 2, 0, 1)
    strides = _integers(node, "strides")[1:3]
    dilations = _integers(node, "dilations")[1:3] or [1, 1]
    window = [(size - 1) * step + 1 for size, step in zip(kernel.shape[2:], dilations, strict=True)]
    x, padding = _padded(node, x, window, strides)
    return F.conv2d(x, kernel, stride=strides, padding=padding, dilation=dilations).permute(0, 2, 3, 1)


def _max_pool(node: Any, inputs: list[torch.Tensor]) -> torch.Tensor:
    window, strides = _integers(node, "ksize")[1:3], _integers(node, "strides")[1:3]
    x, padding = _padded(node, inputs[0].permute(0, 3, 1, 2), window, strides, value=-torch.inf)
    return F.max_pool2d(x, window, strides, padding).permute(0, 2, 3, 1)


def _average_pool(node: Any, inputs: list[torch.Tensor]) -> torch.Tensor:
    """Average over the part of each window that lies inside: the padding is not counted."""
    window, strides = _integers(node, "ksize")[1:3], _integers(node, "strides")[1:3]
    given = inputs[0].permute(0, 3, 1, 2)
    x, padding = _padded(node, given, window, strides)
    if x is given:
        y = F.avg_pool2d(x, window, strides, padding, count_include_pad=False)
    else:
        ones, _ = _padded(node, torch.ones_like(given[:1, :1]), window, strides)
        y = F.avg_pool2d(x, window, strides) / F.avg_pool2d(ones, window, strides)
    return y.permute(0, 2, 3, 1)


def _fused_batch_norm(node: Any, inputs: list[torch.Tensor]) -> torch.Tensor:
    x, gamma, beta, mean, variance = inputs
    scale = gamma * torch.rsqrt(variance + _attribute(node, "epsilon", 1.0e-4))
    return torch.addcmul(beta - mean * scale, x, scale)


def _old_batch_norm(node: Any, inputs: list[torch.Tensor]) -> torch.Tensor:
    x, mean, variance, beta, gamma = inputs
    scale = torch.rsqrt(variance + _attribute(node, "variance_epsilon", 0.0))
    if _attribute(node, "scale_after_normalization", False):
        scale = scale * gamma
    return torch.addcmul(beta - mean * scale, x, scale)


def _resize(node: Any, inputs: list[torch.Tensor]) -> torch.Tensor:
    height, width = inputs[1].tolist()
    if height != width:
        raise ValueError(f"node {node.name} resizes to {height} x {width}, expected a square")
    return legacy_resize_bilinear(inputs[0].float(), height)


def _multiply_matrices(node: Any, inputs: list[torch.Tensor]) -> torch.Tensor:
    a = inputs[0].T if _attribute(node, "transpose_a", False) else inputs[0]
    b = inputs[1].T if _attribute(node, "transpose_b", False) else inputs[1]
    return a @ b


def _squeeze(node: Any, inputs: list[torch.Tensor]) -> torch.Tensor:
    axes = _integers(node, "squeeze_dims")
    return inputs[0].squeeze(axes) if axes else inputs[0].squeeze()


def _mean(node: Any, inputs: list[torch.Tensor]) -> torch.Tensor:
    x, axes = inputs
    return x.mean(dim=axes.reshape(-1).tolist(), keepdim=_attribute(node, "keep_dims", False))


OPERATIONS: dict[str, Operation] = {
    "Add": lambda _, inputs: inputs[0] + inputs[1],
    "AddV2": lambda _, inputs: inputs[0] + inputs[1],
    "AvgPool": _average_pool,
    "BatchNormWithGlobalNormalization": _old_batch_norm,
    "BiasAdd": lambda _, inputs: inputs[0] + inputs[1],
    "CheckNumerics": lambda _, inputs: inputs[0],
    "Concat": lambda _, inputs: torch.cat(inputs[1:], dim=int(inputs[0])),
    "ConcatV2": lambda _, inputs: torch.cat(inputs[:-1], dim=int(inputs[-1])),
    "Conv2D": _convolution,
    "ExpandDims": lambda _, inputs: inputs[0].unsqueeze(int(inputs[1])),
    "FusedBatchNorm": _fused_batch_norm,
    "FusedBatchNormV2": _fused_batch_norm,
    "FusedBatchNormV3": _fused_batch_norm,
    "Identity": lambda _, inputs: inputs[0],
    "MatMul": _multiply_matrices,
    "MaxPool": _max_pool,
    "Maximum": lambda _, inputs: torch.maximum(inputs[0], inputs[1]),
    "Mean": _mean,
    "Mul": lambda _, inputs: inputs[0] * inputs[1],
    "Pad": lambda _, inputs: F.pad(inputs[0], inputs[1].flip(0).reshape(-1).tolist()),
    "RealDiv": lambda _, inputs: inputs[0] / inputs[1],
    "Relu": lambda _, inputs: inputs[0].relu(),
    "Relu6": lambda _, inputs: inputs[0].clamp(0, 6),
    "Reshape": lambda _, inputs: inputs[0].reshape(inputs[1].tolist()),
    "ResizeBilinear": _resize,
    "Softmax": lambda _, inputs: inputs[0].softmax(dim=-1),
    "Squeeze": _squeeze,
    "Sub": lambda _, inputs: inputs[0] - inputs[1],
}
"""What each operation computes from its node's attributes and its inputs."""
