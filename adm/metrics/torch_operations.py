"""The operations of frozen TensorFlow graphs in torch.

Tensors keep TensorFlow's axes (N, H, W, C). Convolutions see them permuted; for torch this is its channels-last layout,
and no memory moves. Constants of an operation (axes, kernels, statistics of a batch norm) are bound to it once, when
the graph is loaded: numbers as Python numbers, arrays on the device.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from adm.metrics.graph_nodes import PASSING
from adm.metrics.small_extractor import legacy_resize_bilinear

Operation = Callable[..., torch.Tensor]
"""Computes a node's output from the inputs that are not bound to it."""

Padding = Callable[[torch.Tensor], tuple[torch.Tensor, list[int]]]

VALUES = {
    1: (np.float32, "float_val"),
    2: (np.float64, "double_val"),
    3: (np.int32, "int_val"),
    4: (np.uint8, "int_val"),
    9: (np.int64, "int64_val"),
    10: (np.bool_, "bool_val"),
    19: (np.float16, "half_val"),
}
"""By TensorFlow's number of a data type: numpy's type, and the field that holds single values."""

LARGEST_SIDE = 1 << 12
"""Largest side that an image may be resized to, and largest padding, in pixels."""

ACCEPTED: dict[str, tuple[Any, ...]] = {
    "data_format": (b"NHWC",),
    "padding": (b"SAME", b"VALID"),
    "align_corners": (False,),
    "half_pixel_centers": (False,),
    "is_training": (False,),
}
"""Attributes that change the result of an operation, with the values that are supported here."""


@dataclass(frozen=True)
class Rule:
    """How a node becomes an operation.

    Attributes:
        bind: makes the operation from the node and its constant inputs.
        constants: the positions of these inputs; negative ones count from the end.
    """

    bind: Callable[..., Operation]
    constants: tuple[int, ...] = ()


def require_known(node: Any) -> None:
    """Check that a node's operation is supported with the node's attributes.

    Raises:
        ValueError: it is not.
    """
    if node.op not in OPERATIONS:
        known = ", ".join(sorted([*OPERATIONS, *PASSING]))
        raise ValueError(f"op {node.op} of node {node.name} is not one of {known}")
    for name, accepted in ACCEPTED.items():
        # The only attribute that may not be left out: a batch norm is in training mode by default.
        default = node.op.startswith("FusedBatchNorm") if name == "is_training" else accepted[0]
        value = _attribute(node, name, default)
        if value not in accepted:
            raise ValueError(f"{name} of node {node.name} ({node.op}) is {value!r}, expected {accepted[0]!r}")


def _attribute(node: Any, name: str, default: Any) -> Any:
    if name not in node.attr:
        return default
    value = node.attr[name]
    kind = value.WhichOneof("value")
    if kind is None:
        raise ValueError(f"{name} of node {node.name} ({node.op}) has no value")
    return getattr(value, kind)


def _integers(node: Any, name: str) -> list[int]:
    return list(node.attr[name].list.i) if name in node.attr else []


def constant(node: Any) -> torch.Tensor:
    """Return a Const node's value; if values are left out, the last one given is repeated.

    Raises:
        ValueError: its data type is not supported, or it holds too many or too few values.
    """
    tensor = node.attr["value"].tensor
    shape = [dimension.size for dimension in tensor.tensor_shape.dim]
    if tensor.dtype not in VALUES:
        known = ", ".join(map(str, VALUES))
        raise ValueError(f"constant {node.name} has data type {tensor.dtype}, expected one of {known}")
    dtype, field = VALUES[tensor.dtype]
    size = math.prod(shape)
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
    return torch.from_numpy(flat.reshape(shape).copy())


def _sides(node: Any, window: list[int], strides: list[int], value: float = 0.0) -> Padding:
    """Return a function that pads (N, C, H, W) if the padding is asymmetric, and returns the padding still to add.

    SAME makes ceil(length / stride) outputs; if the padding is odd, the larger part comes after the data.
    """
    if _attribute(node, "padding", b"VALID") == b"VALID":
        return lambda x: (x, [0, 0])

    def pad(x: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
        lengths = zip(x.shape[2:], window, strides, strict=True)
        totals = [max((-(-length // stride) - 1) * stride + size - length, 0) for length, size, stride in lengths]
        if all(total % 2 == 0 for total in totals):
            return x, [total // 2 for total in totals]
        height, width = totals
        sides = (width // 2, width - width // 2, height // 2, height - height // 2)
        return F.pad(x, sides, value=value), [0, 0]

    return pad


def convolution(node: Any, kernel: torch.Tensor, bias: torch.Tensor | None = None) -> Operation:
    """Bind a convolution to its kernel, which is stored channels-last.

    Args:
        node: a Conv2D node.
        kernel: (H, W, inputs, outputs) float32.
        bias: (outputs,) float32; the node itself has none.
    """
    strides = _integers(node, "strides")[1:3]
    dilations = _integers(node, "dilations")[1:3] or [1, 1]
    weight = kernel.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    window = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilations, strict=True)]
    pad = _sides(node, window, strides)

    def convolve(x: torch.Tensor) -> torch.Tensor:
        padded, padding = pad(x.permute(0, 3, 1, 2))
        return F.conv2d(padded, weight, bias, strides, padding, dilations).permute(0, 2, 3, 1)

    return convolve


def _max_pool(node: Any) -> Operation:
    window, strides = _integers(node, "ksize")[1:3], _integers(node, "strides")[1:3]
    pad = _sides(node, window, strides, value=-torch.inf)

    def pool(x: torch.Tensor) -> torch.Tensor:
        padded, padding = pad(x.permute(0, 3, 1, 2))
        return F.max_pool2d(padded, window, strides, padding).permute(0, 2, 3, 1)

    return pool


def _average_pool(node: Any) -> Operation:
    """Average over the part of each window inside the image; padding does not count."""
    window, strides = _integers(node, "ksize")[1:3], _integers(node, "strides")[1:3]
    pad = _sides(node, window, strides)

    def pool(x: torch.Tensor) -> torch.Tensor:
        given = x.permute(0, 3, 1, 2)
        padded, padding = pad(given)
        if padded is given:
            y = F.avg_pool2d(padded, window, strides, padding, count_include_pad=False)
        else:
            ones, _ = pad(torch.ones_like(given[:1, :1]))
            y = F.avg_pool2d(padded, window, strides) / F.avg_pool2d(ones, window, strides)
        return y.permute(0, 2, 3, 1)

    return pool


def scale_and_shift(node: Any, *statistics: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the scale and the shift of a batch norm, (C,) each.

    Args:
        node: a node of one of the operations in `BATCH_NORMS`.
        statistics: its other inputs in their order, (C,) each.

    Raises:
        ValueError: they have other shapes, which torch would broadcast.
    """
    if len({*map(_shape, statistics)}) > 1 or statistics[0].ndim != 1:
        shapes = ", ".join(str(_shape(value)) for value in statistics)
        raise ValueError(f"node {node.name} ({node.op}) has statistics of shapes {shapes}, expected (C,) each")
    if node.op == "BatchNormWithGlobalNormalization":
        mean, variance, beta, gamma = statistics
        scale = torch.rsqrt(variance + _attribute(node, "variance_epsilon", 0.0))
        if _attribute(node, "scale_after_normalization", False):
            scale = scale * gamma
    else:
        gamma, beta, mean, variance = statistics
        scale = gamma * torch.rsqrt(variance + _attribute(node, "epsilon", 1.0e-4))
    return scale, beta - mean * scale


def _shape(value: torch.Tensor) -> tuple[int, ...]:
    return tuple(value.shape)


def _batch_norm(node: Any, *statistics: torch.Tensor) -> Operation:
    scale, shift = scale_and_shift(node, *statistics)
    return lambda x: torch.addcmul(shift, x, scale)


def _resize(node: Any, size: torch.Tensor) -> Operation:
    height, width = size.tolist()
    if height != width:
        raise ValueError(f"node {node.name} resizes to {height} x {width}, expected a square")
    if not 0 < height <= LARGEST_SIDE:
        raise ValueError(f"node {node.name} resizes to {height} x {width}, expected at most {LARGEST_SIDE}")
    return lambda x: legacy_resize_bilinear(x.float(), height)


def _multiply_matrices(node: Any) -> Operation:
    first, second = (_attribute(node, name, False) for name in ("transpose_a", "transpose_b"))
    return lambda a, b: (a.mT if first else a) @ (b.mT if second else b)


def _squeeze(node: Any) -> Operation:
    axes = _integers(node, "squeeze_dims")
    return lambda x: x.squeeze(axes) if axes else x.squeeze()


def _mean(node: Any, axes: torch.Tensor) -> Operation:
    dim, keepdim = axes.reshape(-1).tolist(), _attribute(node, "keep_dims", False)
    return lambda x: x.mean(dim=dim, keepdim=keepdim)


def _concatenate(_: Any, axis: torch.Tensor) -> Operation:
    dim = int(axis)
    return lambda *parts: torch.cat(parts, dim=dim)


def _expand(_: Any, axis: torch.Tensor) -> Operation:
    dim = int(axis)
    return lambda x: x.unsqueeze(dim)


def _pad(_: Any, paddings: torch.Tensor) -> Operation:
    sides = paddings.flip(0).reshape(-1).tolist()  # torch starts from the last axis
    if not all(0 <= side <= LARGEST_SIDE for side in sides):
        raise ValueError(f"pads by {paddings.tolist()}, expected at most {LARGEST_SIDE}")
    return lambda x: F.pad(x, sides)


def _reshape(_: Any, shape: torch.Tensor) -> Operation:
    sizes = shape.tolist()
    return lambda x: x.reshape(sizes)


def _plain(function: Operation) -> Rule:
    """A node without attributes or constants that matter."""
    return Rule(lambda _: function)


BATCH_NORMS = ("BatchNormWithGlobalNormalization", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
OPERATIONS: dict[str, Rule] = {
    "Add": _plain(torch.add),
    "AddV2": _plain(torch.add),
    "AvgPool": Rule(_average_pool),
    "BiasAdd": _plain(torch.add),
    "Concat": Rule(_concatenate, (0,)),
    "ConcatV2": Rule(_concatenate, (-1,)),
    "Conv2D": Rule(convolution, (1,)),
    "ExpandDims": Rule(_expand, (1,)),
    "MatMul": Rule(_multiply_matrices),
    "MaxPool": Rule(_max_pool),
    "Maximum": _plain(torch.maximum),
    "Mean": Rule(_mean, (1,)),
    "Mul": _plain(torch.mul),
    "Pad": Rule(_pad, (1,)),
    "RealDiv": _plain(torch.div),
    "Relu": _plain(torch.relu),
    "Relu6": _plain(lambda x: x.clamp(0, 6)),
    "Reshape": Rule(_reshape, (1,)),
    "ResizeBilinear": Rule(_resize, (1,)),
    "Softmax": _plain(lambda x: x.softmax(dim=-1)),
    "Squeeze": Rule(_squeeze),
    "Sub": _plain(torch.sub),
    **dict.fromkeys(BATCH_NORMS, Rule(_batch_norm, (1, 2, 3, 4))),
}
"""The rule of each supported operation."""
