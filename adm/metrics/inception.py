"""The Inception network of 2015 in torch, filled from its frozen graph.

It differs from torchvision's network in what TensorFlow did: how images are resized, pixels scaled by 128, averages
that leave out padding, and a maximum in the place of an average in the last block.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adm.metrics.graph import SPATIAL, Nodes
from adm.metrics.small_extractor import Prepare, first_channels, scaled

SIDE = 299
"""Side to which images are resized."""

RESIZE = f"ResizeBilinear to {SIDE}x{SIDE} inside the graph, corners not aligned"
"""How its graph resizes images, in the words of `Nodes.resize`."""

X = TypeVar("X")


class Layer(NamedTuple):
    """A convolution with its batch norm and ReLU, or a 3x3 pooling; with `valid` it has no padding."""

    name: str
    op: str = "Conv2D"
    stride: int = 1
    valid: bool = False


Branch = Sequence[Layer | tuple[Layer, Layer]]
"""Layers one after the other; a pair at the end reads the same map, and both are joined to the other branches."""


def _branch(*names: str) -> Branch:
    return [Layer(name) for name in names]


def _halving(*layers: Layer) -> Branch:
    """Halve the map in the last layer."""
    return [*layers[:-1], layers[-1]._replace(stride=2, valid=True)]


AVERAGE: Branch = [Layer("tower_2/pool", "AvgPool"), Layer("tower_2/conv")]

STEM = (
    Layer("conv", stride=2, valid=True),
    Layer("conv_1", valid=True),
    Layer("conv_2"),
    Layer("pool", "MaxPool", stride=2, valid=True),
    Layer("conv_3", valid=True),
    Layer("conv_4", valid=True),
    Layer("pool_1", "MaxPool", stride=2, valid=True),
)

SQUARES: Sequence[Branch] = (
    _branch("conv"),
    _branch("tower/conv", "tower/conv_1"),
    _branch("tower_1/conv", "tower_1/conv_1", "tower_1/conv_2"),
    AVERAGE,
)
"""Branches of a block of 35x35: the second branch has 5x5 windows, the third 3x3."""

STRIPS: Sequence[Branch] = (
    _branch("conv"),
    _branch("tower/conv", "tower/conv_1", "tower/conv_2"),
    _branch("tower_1/conv", *(f"tower_1/conv_{number}" for number in range(1, 5))),
    AVERAGE,
)
"""Branches of a block of 17x17: windows of 1x7 and 7x1 take turns."""


def _forks(pooling: str) -> Sequence[Branch]:
    """Return the branches of a block of 8x8; windows of 1x3 and 3x1 stand side by side."""
    first, second = ((Layer(f"{tower}/mixed/conv"), Layer(f"{tower}/mixed/conv_1")) for tower in ("tower", "tower_1"))
    return (
        _branch("conv"),
        [Layer("tower/conv"), first],
        [Layer("tower_1/conv"), Layer("tower_1/conv_1"), second],
        [Layer("tower_2/pool", pooling), Layer("tower_2/conv")],
    )


POOLING = _halving(Layer("pool", "MaxPool"))

BLOCKS: dict[str, Sequence[Branch]] = {
    "mixed": SQUARES,
    "mixed_1": SQUARES,
    "mixed_2": SQUARES,
    "mixed_3": (
        _halving(Layer("conv")),
        _halving(Layer("tower/conv"), Layer("tower/conv_1"), Layer("tower/conv_2")),
        POOLING,
    ),
    "mixed_4": STRIPS,
    "mixed_5": STRIPS,
    "mixed_6": STRIPS,
    "mixed_7": STRIPS,
    "mixed_8": (
        _halving(Layer("tower/conv"), Layer("tower/conv_1")),
        _halving(*(Layer(f"tower_1/{name}") for name in ("conv", "conv_1", "conv_2", "conv_3"))),
        POOLING,
    ),
    "mixed_9": _forks("AvgPool"),
    "mixed_10": _forks("MaxPool"),
}
"""The branches of each block, in the order in which they are joined."""


def traverse(x: X, layer: Callable[[Layer, X], X], join: Callable[[list[X]], X]) -> X:
    """Go from what the first layer reads through all layers, which get their full names, and all blocks, to their end.

    `layer` gives what a layer makes of what it reads, `join` what a block makes of the ends of its branches.
    """
    for first in STEM:
        x = layer(first, x)
    for block, branches in BLOCKS.items():
        ends = []
        for branch in branches:
            end = x
            for each in branch:
                if isinstance(each, Layer):
                    end = layer(each._replace(name=f"{block}/{each.name}"), end)
                else:
                    ends += [layer(fork._replace(name=f"{block}/{fork.name}"), end) for fork in each]
            ends += [end] if isinstance(branch[-1], Layer) else []
        x = join(ends)
    return x


class Inception(nn.Module):
    """The network, with each batch norm folded into its convolution.

    Args:
        nodes: the nodes of the graph.

    Raises:
        ValueError: they lack a weight, or resize images or shape weights as another network does.

    Source: Szegedy et al. 2015 as released; the names are those of the released graph's nodes.
    """

    def __init__(self, nodes: Nodes) -> None:
        super().__init__()
        self.prepare: Prepare = scaled
        self.convolutions = nn.ModuleDict()
        if nodes.resize() != RESIZE:
            raise ValueError(f"its images are resized otherwise: {nodes.resize()}")
        channels = traverse(3, lambda layer, inputs: self._load(nodes, layer, inputs), sum)
        self.weights = nn.Parameter(nodes.constant("softmax/weights"))
        if len(self.weights) != channels:
            raise ValueError(f"softmax/weights are of {len(self.weights)} features, expected {channels}")

    def _load(self, nodes: Nodes, layer: Layer, inputs: int) -> int:
        """Make a layer, which reads so many channels, and return the number of its own."""
        if layer.op != "Conv2D":
            return inputs
        name = layer.name
        kernel, norm = nodes.constant(f"{name}/conv2d_params"), nodes.attributes(f"{name}/batchnorm")
        parts = ("moving_mean", "moving_variance", "beta", "gamma")
        mean, variance, beta, gamma = (nodes.constant(f"{name}/batchnorm/{part}") for part in parts)
        height, width, outputs = *kernel.shape[:2], mean.numel()
        if (
            kernel.shape != (height, width, inputs, outputs)
            or not mean.shape == variance.shape == beta.shape == gamma.shape
        ):
            raise ValueError(f"node {name} has kernels of shape {list(kernel.shape)}, expected {inputs} channels")
        scale = torch.rsqrt(variance + norm["variance_epsilon"].f)
        if norm["scale_after_normalization"].b:
            scale = scale * gamma
        around = 0 if layer.valid else (height // 2, width // 2)
        made = nn.Conv2d(inputs, outputs, (height, width), layer.stride, around, device="meta")
        weight = (kernel * scale).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        made.load_state_dict({"weight": weight, "bias": beta - mean * scale}, assign=True)
        self.convolutions[name] = made
        return outputs

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the features of a batch.

        Args:
            images: (N, H, W, 3) uint8 or float32, in [0, 255].

        Returns:
            pool (N, 2048), spatial (N, 17 * 17 * 7) and logits without a bias (N, 1008), float32.
        """
        spatial: list[Tensor] = []

        def run(layer: Layer, x: Tensor) -> Tensor:
            window, around = 3, 0 if layer.valid else 1
            if layer.op == "MaxPool":
                return F.max_pool2d(x, window, layer.stride, around)
            if layer.op == "AvgPool":
                return F.avg_pool2d(x, window, layer.stride, around, count_include_pad=False)
            x = F.relu_(self.convolutions[layer.name](x))
            if layer.name == SPATIAL:
                spatial.append(x)
            return x

        last = traverse(self.prepare(images, SIDE), run, lambda ends: torch.cat(ends, dim=1))
        pool = F.avg_pool2d(last, 8).flatten(1)
        return pool, first_channels(spatial[0]), pool @ self.weights
