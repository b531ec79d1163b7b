"""The part of a frozen graph between its resized images and its features, as torch computes it node by node.

Torch's own Inception differs from the network of 2015 in what TensorFlow did: how images are resized, pixels scaled by
128, averages that leave out padding, and a maximum in the place of an average in the last block.
"""

from collections.abc import Callable, Sequence
from functools import partial
from graphlib import TopologicalSorter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adm.errors import about
from adm.metrics.graph import INPUT, LOGITS, NUM_SPATIAL_CHANNELS, POOL, SPATIAL, Nodes
from adm.metrics.small_extractor import CENTRE, Prepare, scaled

PREPARED = "Mul"
"""The node whose output is the resized and scaled images."""

PREPARATION = {
    "ResizeBilinear": (INPUT, "ResizeBilinear/size"),
    "Sub": ("ResizeBilinear", "Sub/y"),
    "Mul": ("Sub", "Mul/y"),
}
"""The nodes that do what `scaled` does, and what they read."""

ELEMENTWISE: dict[str, Callable[..., Tensor]] = {
    "Identity": lambda x: x,
    "CheckNumerics": lambda x: x,
    "Relu": F.relu,
}

POOLINGS: dict[str, Callable[..., Tensor]] = {
    "MaxPool": F.max_pool2d,
    "AvgPool": partial(F.avg_pool2d, count_include_pad=False),
}

Step = tuple[Callable[..., Tensor], Sequence[str]]
"""What computes a node, and the nodes that it takes."""


class GraphNetwork(nn.Module):
    """A graph of convolutions with batch norms or biases, ReLUs and poolings, such as the Inception graph of 2015.

    Each batch norm is folded into its convolution.

    Args:
        nodes: The nodes of the graph.

    Raises:
        ValueError: A node is missing, or is of a kind that is unknown here; or images are resized or scaled otherwise.

    Source: Szegedy et al. 2015 as released; Appendix J.
    """

    def __init__(self, nodes: Nodes) -> None:
        super().__init__()
        self.weights: Tensor
        self.prepare: Prepare = scaled
        self.side = int(nodes.constant("ResizeBilinear/size")[0])
        resize = f"ResizeBilinear to {self.side}x{self.side} inside the graph, corners not aligned"
        levels = [nodes.constant(name).item() for name in ("Sub/y", "Mul/y")]
        read = {name: tuple(nodes.node(name).input) for name in PREPARATION}
        if nodes.resize() != resize or levels != [CENTRE, 1 / CENTRE] or read != PREPARATION:
            raise ValueError(f"its images are resized otherwise: {nodes.resize()}")
        steps: dict[str, Step] = {}
        waiting = [POOL, SPATIAL]
        while waiting:
            if (name := waiting.pop()) not in steps and name != PREPARED:
                with about(f"node {name}"):
                    steps[name] = self._step(nodes, name)
                waiting += steps[name][1]
        order = TopologicalSorter({name: taken for name, (_, taken) in steps.items()}).static_order()
        self._steps = {name: steps[name] for name in order if name != PREPARED}
        self._last = {each: name for name, (_, taken) in self._steps.items() for each in taken}
        self._last |= {SPATIAL: "", POOL: ""}
        self.register_buffer("weights", nodes.constant(nodes.node(LOGITS).input[1]))

    def _step(self, nodes: Nodes, name: str) -> Step:
        node = nodes.node(name)
        inputs = [each for each in node.input if not each.startswith("^")]
        if node.op in ELEMENTWISE:
            return ELEMENTWISE[node.op], inputs
        if node.op in POOLINGS:
            window = tuple(node.attr["ksize"].list.i)[1:3]
            stride, padding = _moves(node, window)
            return partial(POOLINGS[node.op], kernel_size=window, stride=stride, padding=padding), inputs
        if node.op == "Concat" and nodes.constant(inputs[0]).item() == 3:
            return lambda *maps: torch.cat(maps, dim=1), inputs[1:]
        if node.op == "BiasAdd":
            # Not with the convolution in one step, which rounds otherwise.
            self.register_buffer(name, nodes.constant(inputs[1])[:, None, None])
            return lambda x: x + getattr(self, name), inputs[:1]
        if node.op == "BatchNormWithGlobalNormalization":
            mean, variance, beta, gamma = (nodes.constant(each) for each in inputs[1:])
            scale = torch.rsqrt(variance + node.attr["variance_epsilon"].f)
            if node.attr["scale_after_normalization"].b:
                scale = scale * gamma
            return self._convolution(nodes, name, nodes.node(inputs[0]), scale, beta - mean * scale)
        return self._convolution(nodes, name, node)

    def _convolution(
        self, nodes: Nodes, name: str, node: Any, scale: Tensor | None = None, bias: Tensor | None = None
    ) -> Step:
        if node.op != "Conv2D":
            raise ValueError(f"{node.op} is unknown here")
        x, name_of_kernel = node.input
        kernel = nodes.constant(name_of_kernel)
        stride, padding = _moves(node, tuple(kernel.shape[:2]))
        weight = (kernel if scale is None else kernel * scale).permute(3, 2, 0, 1)
        self.register_buffer(f"{name}/weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer(f"{name}/bias", bias)
        return (
            lambda x: F.conv2d(x, getattr(self, f"{name}/weight"), getattr(self, f"{name}/bias"), stride, padding),
            [x],
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the features of a batch.

        Args:
            images: (N, H, W, 3) uint8 or float32, in [0, 255].

        Returns:
            pool (N, D), spatial (N, H' W' 7) and logits without a bias (N, C), float32; of the graph of 2015 D is
            2048, H' and W' are 17, and C is 1008.
        """
        found = {PREPARED: self.prepare(images, self.side)}
        for name, (compute, taken) in self._steps.items():
            maps = [found[each] for each in taken]
            found = {each: x for each, x in found.items() if self._last[each] != name}  # frees what is not read again
            # In place, which saves a twelfth of all time, unless the map is read again, perhaps by another name.
            in_place = compute is F.relu and not any(maps[0] is x for x in found.values())
            found[name] = F.relu_(maps[0]) if in_place else compute(*maps)
        pool, spatial = found[POOL].flatten(1), found[SPATIAL][:, :NUM_SPATIAL_CHANNELS]
        return pool, spatial.permute(0, 2, 3, 1).flatten(1), pool @ self.weights


def _moves(node: Any, window: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """Return the stride of a convolution or pooling, and the padding of height and width."""
    down, across = tuple(node.attr["strides"].list.i)[1:3]
    padding = (0, 0) if node.attr["padding"].s == b"VALID" else tuple(side // 2 for side in window)
    is_even = any(padding) and (down > 1 or any(side % 2 == 0 for side in window))
    is_wide = any(rate != 1 for rate in node.attr["dilations"].list.i)
    if down != across or is_even or is_wide or node.attr["data_format"].s == b"NCHW":
        raise ValueError("its padding, strides, dilations or layout are unknown here")
    return down, padding
