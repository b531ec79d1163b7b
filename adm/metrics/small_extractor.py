"""A small classifier whose features replace Inception's for tiny images, and its graph.

Its layers have the names of the 2015 graph, so evaluation reads the graph that `freeze` writes just like the real one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tensorboard.compat.proto.graph_pb2 import GraphDef  # type: ignore[import-untyped]
from torch import nn
from torch.nn import functional as F

CONVOLUTIONS = ("conv", "conv_1", "conv_2", "mixed_6/conv", "mixed_7/conv")
"""The convolutions in order; each is 3x3 with zero padding, followed by a ReLU."""

POOLED = ("conv_1", "conv_2")
"""Convolutions with 2x2 max-pooling after them; `mixed_6/conv` therefore sees a quarter of the side."""

CENTRE = 128.0
"""Pixels 0-255 are normalised as (x - CENTRE) / CENTRE, as in the 2015 graph."""

PRODUCER = 2474
"""The version of graphs that TensorFlow 2 writes."""

DTYPES = {"float32": 1, "int32": 3}
"""TensorFlow's numbers of dtypes."""

Prepare = Callable[[torch.Tensor, int], torch.Tensor]
"""Turns images (N, H, W, 3) in [0, 255] and a side into what a network sees, (N, 3, side, side) float32."""


class ExtractorNetwork(nn.Module):
    """A five-layer convolutional classifier of RGB images of any size.

    Args:
        num_classes: >= 2.
        side: images are first resized to side x side; a positive multiple of four.
        width: channels of the first two layers, >= 4; the next two have twice as many.
        num_features: channels of the last layer and of the pooled features, >= 1.
        generator: draws the initial weights; without one, torch's global generator does.

    Source: Appendix J; the layer names are those of Szegedy et al. 2015 as released.
    """

    def __init__(
        self,
        num_classes: int,
        side: int = 16,
        width: int = 16,
        num_features: int = 64,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.side = side
        channels = (3, width, width, 2 * width, 2 * width, num_features)
        # Made without storage first, because layers initialise themselves from the global generator.
        self.convolutions = nn.ModuleDict(
            {
                name: nn.Conv2d(channels[i], channels[i + 1], kernel_size=3, padding=1, device="meta")
                for i, name in enumerate(CONVOLUTIONS)
            }
        )
        self.logits = nn.Linear(num_features, num_classes, device="meta")
        self.to_empty(device="cpu")
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=generator)
            else:
                nn.init.zeros_(parameter)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Classify images.

        Args:
            images: (N, H, W, 3) float32 or uint8, in [0, 255].

        Returns:
            (N, num_classes) float32 logits, with the bias.
        """
        x = scaled(images, self.side)
        for name, convolution in self.convolutions.items():
            x = F.relu(convolution(x))
            if name in POOLED:
                x = F.max_pool2d(x, 2)
        logits: torch.Tensor = self.logits(x.mean(dim=(2, 3)))
        return logits


def scaled(images: torch.Tensor, side: int) -> torch.Tensor:
    """Resize images (N, H, W, 3) in [0, 255] and scale them to [-1, 1): (N, 3, side, side) float32, channels last."""
    return ((legacy_resize_bilinear(images.float(), side) - CENTRE) / CENTRE).permute(0, 3, 1, 2)


def legacy_resize_bilinear(images: torch.Tensor, side: int) -> torch.Tensor:
    """Resize as TensorFlow 1 did: corners are not aligned, and pixels are sampled at their corners, not their centres.

    No option of torch's own interpolation gives this grid, and features clearly depend on it.

    Args:
        images: (N, H, W, C) float32.
        side: height and width to resize to, >= 1.

    Returns:
        (N, side, side, C) float32; each value lies between the pixels around it.

    Source: Appendix J (the resizing inside the Inception graph); Parmar et al. 2022 on its effect.
    """
    top, bottom, down = _grid(images.shape[1], side, images.device)
    left, right, across = _grid(images.shape[2], side, images.device)
    across = across[:, None]
    # TensorFlow's order of operations, and so its rounding: across first, then down, each as a step from one corner.
    columns = images[:, :, left] + (images[:, :, right] - images[:, :, left]) * across
    return columns[:, top] + (columns[:, bottom] - columns[:, top]) * down[:, None, None]


def _grid(length: int, side: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return for each output the pixel before it, the pixel after it, and its distance from the first."""
    scale = torch.tensor(length, dtype=torch.float32, device=device) / side
    position = torch.arange(side, dtype=torch.float32, device=device) * scale
    before = position.floor().long().clamp(max=length - 1)
    after = (before + 1).clamp(max=length - 1)
    return before, after, position - before


class _Written:
    """A GraphDef that nodes are added to; each method returns its node's name."""

    def __init__(self) -> None:
        self.graph = GraphDef()
        self.graph.versions.producer = PRODUCER

    def node(self, name: str, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; attributes are a dtype's number, bytes or a list of whole numbers."""
        made = self.graph.node.add(name=name, op=op, input=inputs)
        for key, value in attributes.items():
            if isinstance(value, list):
                made.attr[key].list.i.extend(value)
            elif isinstance(value, bytes):
                made.attr[key].s = value
            else:
                made.attr[key].type = value
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        dtype = DTYPES[value.dtype.name]
        self.node(name, "Const", dtype=dtype)
        tensor = self.graph.node[-1].attr["value"].tensor
        tensor.dtype, tensor.tensor_content = dtype, value.tobytes()
        for length in value.shape:
            tensor.tensor_shape.dim.add(size=length)
        return name

    def layer(self, name: str, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node that computes in float32."""
        return self.node(name, op, *inputs, T=DTYPES["float32"], **attributes)

    def pooled(self, name: str, op: str, x: str, window: int, stride: int) -> str:
        """Add a pooling without padding."""
        moves = {"ksize": [1, window, window, 1], "strides": [1, stride, stride, 1]}
        return self.layer(name, op, x, **moves, padding=b"VALID")


def freeze(network: ExtractorNetwork) -> bytes:
    """Serialise a network, with weights as constants and `ExpandDims` as a placeholder for (N, H, W, 3) images.

    Attributes with TensorFlow's defaults are left out.

    Args:
        network: a network on any device; it is not changed.

    Returns:
        A binary GraphDef. The same weights give the same bytes.

    Source: Appendix J; `adm.metrics.graph` reads these names.
    """
    to = _Written()
    x = to.node("ExpandDims", "Placeholder", dtype=DTYPES["float32"])
    sides = to.constant("ResizeBilinear/size", np.full(2, network.side, np.int32))
    x = to.layer("ResizeBilinear", "ResizeBilinear", x, sides)
    x = to.layer("Sub", "Sub", x, to.constant("Sub/y", np.array(CENTRE, np.float32)))
    x = to.layer("Mul", "Mul", x, to.constant("Mul/y", np.array(1.0 / CENTRE, np.float32)))
    for name, convolution in network.convolutions.items():
        weight, bias = map(_array, convolution.parameters())
        kernel = to.constant(f"{name}/conv2d_params", weight.transpose(2, 3, 1, 0))
        x = to.layer(f"{name}/Conv2D", "Conv2D", x, kernel, strides=[1, 1, 1, 1], padding=b"SAME")
        x = to.layer(f"{name}/BiasAdd", "BiasAdd", x, to.constant(f"{name}/biases", bias))
        x = to.layer(name, "Relu", x)
        if name in POOLED:
            x = to.pooled(f"pool_{POOLED.index(name)}", "MaxPool", x, 2, 2)
    x = to.pooled("pool_3", "AvgPool", x, network.side // 4, 1)
    shape = to.constant("pool_3/_reshape/shape", np.array([-1, network.logits.in_features], np.int32))
    x = to.layer("pool_3/_reshape", "Reshape", x, shape, Tshape=DTYPES["int32"])
    x = to.layer("softmax/logits/MatMul", "MatMul", x, to.constant("softmax/weights", _array(network.logits.weight).T))
    biases = to.constant("softmax/biases", _array(network.logits.bias))
    to.layer("softmax", "Softmax", to.layer("softmax/logits/BiasAdd", "BiasAdd", x, biases))
    frozen: bytes = to.graph.SerializeToString(deterministic=True)
    return frozen


def _array(parameter: Any) -> Any:
    return parameter.detach().cpu().numpy()
