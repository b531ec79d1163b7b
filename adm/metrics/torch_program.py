"""The part of a frozen graph that computes features, as a function of torch tensors."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch

from adm.metrics.graph_contract import INPUT, LOGITS, MOST_FILLED, NUM_SPATIAL_CHANNELS, POOL, SPATIAL, require_channels
from adm.metrics.graph_nodes import GraphNodes
from adm.metrics.torch_operations import (
    BATCH_NORMS,
    OPERATIONS,
    Operation,
    constant,
    convolution,
    require_known,
    scale_and_shift,
)

FRESH = (*BATCH_NORMS, "BiasAdd", "Conv2D")
"""Operations whose result has its own memory and is never a view of an input."""

FAILURES = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError)
"""Exceptions of torch, numpy and the rules for invalid nodes, besides ValueError."""

MOST_COMPUTED = 8
"""Most values that may be computed from constants, as a multiple of the constants' own, plus a fixed allowance."""

Constants = dict[str, torch.Tensor]
TensorOutputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class _Step:
    """The computation of one node, and the results that no later step reads."""

    name: str
    op: str
    run: Operation
    inputs: list[str]
    spent: tuple[str, ...] = ()


class TorchProgram:
    """The nodes of a graph that features depend on, in order of computation, bound to one device.

    Identities are skipped. Nodes that depend only on constants are computed once. A batch norm that is the only reader
    of a convolution is folded into its kernel. A call makes all tensors on the device.

    Args:
        definition: a GraphDef with the nodes that `graph_contract` names.
        device: the device of the constants and the images.

    Attributes:
        constants: constants that a call reads and that are not bound to an operation, on the device.

    Raises:
        ValueError: an input is missing or is not a node's first output, nodes depend on themselves, or the features
            depend on an operation, or on inputs of one, that are not supported.
    """

    def __init__(self, definition: Any, device: torch.device) -> None:
        nodes = GraphNodes(definition)
        # The 2015 graph's own MatMul reads a reshaped pool with a fixed batch size of one, so it cannot be used.
        inputs = nodes.inputs(LOGITS)
        if len(inputs) != 2:
            raise ValueError(f"{LOGITS} has {len(inputs)} inputs, expected 2")
        targets = [nodes.origin(POOL), nodes.origin(SPATIAL), inputs[1]]
        self._pool, self._spatial, self._weight = targets
        order = nodes.order(targets)
        known = _constants(nodes, order)
        steps = _steps(nodes, order, targets, known, device)
        read = {*targets, *(name for step in steps for name in step.inputs)}
        self.constants = {name: value.to(device) for name, value in known.items() if name in read}
        self._steps = _forgetful(steps, {*targets, *self.constants})

    def __call__(self, images: torch.Tensor) -> TensorOutputs:
        """Compute the features of a batch.

        Args:
            images: (N, H, W, 3), any real dtype, in [0, 255].

        Returns:
            pool (N, D), spatial (N, H' W' 7) and logits (N, C), float32.

        Raises:
            ValueError: a node does not accept its inputs, or the spatial features have too few channels.
        """
        values = {INPUT: images.float(), **self.constants}
        for step in self._steps:
            values[step.name] = _named(step, step.run, *[values[name] for name in step.inputs])
            for name in step.spent:
                del values[name]
        spatial, weight = values[self._spatial], values[self._weight]
        if spatial.ndim == 0 or weight.ndim != 2:
            raise ValueError(f"{SPATIAL} has no channels, or {LOGITS} reads weights that are no matrix")
        require_channels(spatial.shape[-1])
        flat = values[self._pool].reshape(-1, weight.shape[0])
        spatial = spatial[..., :NUM_SPATIAL_CHANNELS].reshape(len(spatial), -1)
        return flat, spatial, flat @ weight


def _named(node: Any, make: Callable[..., Made], *arguments: Any) -> Made:
    """Return `make(*arguments)`; torch's error becomes one line that names the node or step."""
    try:
        return make(*arguments)
    except FAILURES as error:
        raise ValueError(f"node {node.name} ({node.op}): {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Return the first line of torch's message; stack traces and advice follow it."""
    return str(error).strip().partition("\n")[0]


def _constants(nodes: GraphNodes, order: list[str]) -> Constants:
    """Return, on the CPU, the constants and the nodes that depend only on them; check that the others are supported."""
    known: Constants = {}
    room = MOST_FILLED
    for name in order:
        if name == INPUT:
            continue
        if nodes[name].op == "Const":
            known[name] = _named(nodes[name], constant, nodes[name])
            room += MOST_COMPUTED * known[name].numel()
            continue
        require_known(nodes[name])
        inputs = nodes.inputs(name)
        if inputs and all(read in known for read in inputs):
            room -= _num_values(nodes, name, known)
            if room < 0:
                raise ValueError(f"node {name} ({nodes[name].op}) makes far more of constants than these hold")
            step = _step(nodes, name, known, torch.device("cpu"))
            known[name] = _named(nodes[name], step.run, *[known[read] for read in step.inputs])
    return known


def _num_values(nodes: GraphNodes, name: str, known: Constants) -> int:
    """The number of values that a node would compute from constants, found on torch's meta device."""
    step = _step(nodes, name, known, torch.device("meta"))
    return _named(nodes[name], step.run, *[known[read].to("meta") for read in step.inputs]).numel()


def _steps(
    nodes: GraphNodes, order: list[str], targets: list[str], known: Constants, device: torch.device
) -> list[_Step]:
    """Bind every node that depends on the images."""
    readers = Counter([*targets, *(read for name in order for read in nodes.inputs(name))])
    products: dict[str, str] = {}
    computed = [name for name in order if name != INPUT and name not in known]
    for name in computed:
        for read in nodes.inputs(name)[:1]:
            if nodes[name].op in BATCH_NORMS and nodes[read].op == "Conv2D" and readers[read] == 1:
                products[name] = read
    steps = []
    for name in computed:
        if name in products:
            steps.append(_folded(nodes, products[name], name, known, device))
        elif name not in products.values():
            step = _step(nodes, name, known, device)
            alone = [readers[read] == 1 and nodes[read].op in FRESH for read in step.inputs]
            # This ReLU is the only reader of its input, so it works in place.
            steps.append(replace(step, run=torch.relu_) if nodes[name].op == "Relu" and alone == [True] else step)
    return steps


def _step(nodes: GraphNodes, name: str, known: Constants, device: torch.device) -> _Step:
    """Bind a node to the constants that its rule asks for."""
    node, inputs = nodes[name], nodes.inputs(name)
    bound = _bound(node, inputs, known)
    # Integers are sizes and axes. The rules turn them into Python numbers, so they stay on the CPU.
    constants = [value.to(device) if value.is_floating_point() else value for value in bound.values()]
    run = _named(node, OPERATIONS[node.op].bind, node, *constants)
    return _Step(name, node.op, run, [read for position, read in enumerate(inputs) if position not in bound])


def _folded(nodes: GraphNodes, product: str, name: str, known: Constants, device: torch.device) -> _Step:
    """Bind a convolution and the batch norm that reads it as one convolution with a bias."""
    inputs = nodes.inputs(product)
    (kernel,) = _bound(nodes[product], inputs, known).values()
    statistics = _bound(nodes[name], nodes.inputs(name), known).values()
    scale, shift = _named(nodes[name], scale_and_shift, nodes[name], *statistics)
    if kernel.shape[-1:] != scale.shape:
        raise ValueError(
            f"node {name} ({nodes[name].op}) has statistics of {len(scale)} channels, but {product} a kernel of shape "
            f"{tuple(kernel.shape)}"
        )
    scaled = _named(nodes[name], torch.mul, kernel, scale)
    run = _named(nodes[product], convolution, nodes[product], scaled.to(device), shift.to(device))
    return _Step(name, nodes[name].op, run, inputs[:1])


def _bound(node: Any, inputs: list[str], known: Constants) -> dict[int, torch.Tensor]:
    """Return the inputs that must be constants, by their positions."""
    bound = {}
    for wanted in OPERATIONS[node.op].constants:
        if not -len(inputs) <= wanted < len(inputs):
            raise ValueError(f"node {node.name} ({node.op}) has {len(inputs)} inputs, expected more")
        name = inputs[wanted]
        if name not in known:
            raise ValueError(f"node {node.name} ({node.op}) reads {name}, expected a constant there")
        bound[wanted % len(inputs)] = known[name]
    return bound


def _forgetful(steps: list[_Step], kept: set[str]) -> list[_Step]:
    """Drop each result that is not in `kept` after its last reader, because feature maps are large."""
    made: list[_Step] = []
    seen = set(kept)
    for step in reversed(steps):
        spent = sorted(set(step.inputs) - seen)
        seen.update(spent)
        made.append(replace(step, spent=tuple(spent)))
    return made[::-1]
