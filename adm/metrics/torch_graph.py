"""Run a frozen graph of the 2015 Inception graph's kind in torch: importing TensorFlow takes seconds."""

from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import torch
from tensorboard.compat.proto.graph_pb2 import GraphDef  # type: ignore[import-untyped]

from adm.metrics.features import Features
from adm.metrics.graph_contract import (
    INPUT,
    LOGITS,
    NUM_SPATIAL_CHANNELS,
    POOL,
    SPATIAL,
    Images,
    Outputs,
    features_in_batches,
    read_definition,
    require_channels,
)
from adm.metrics.torch_operations import OPERATIONS, constant, require_known


@dataclass(frozen=True, eq=False)
class _Step:
    """One node: what to compute from what, and which results nobody reads afterwards."""

    node: Any
    inputs: list[str]
    spent: list[str]


class TorchGraph:
    """A frozen graph, loaded once, that turns images into the features that `FrozenGraph` gives, up to rounding.

    Only the nodes that the features depend on are read, so a JPEG decoder in front or a head behind them may
    be of any kind. The images replace the output of `ExpandDims`.

    Args:
        path: a binary GraphDef.
        threads: torch's threads, >= 1; set for the whole process.

    Raises:
        ValueError: the file is no GraphDef, a node is missing, or the features depend on an operation that is
            not among those written here.
        OSError: the file cannot be read.

    Source: Appendix J (no resizing before the graph); Nash et al. 2021 (spatial features).
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}, expected at least 1")
        torch.set_num_threads(threads)
        self._path = path
        nodes = {node.name: node for node in read_definition(GraphDef(), path).node}
        try:
            # The graph's own MatMul reads a reshaped pool, whose batch size of one the 2015 graph bakes in.
            inputs = _inputs(nodes[LOGITS])
            if len(inputs) != 2:
                raise ValueError(f"{LOGITS} has {len(inputs)} inputs, expected 2")
            self._weight = inputs[1]
            order = _order(nodes, [POOL, SPATIAL, self._weight])
            self._constants = {name: constant(nodes[name]) for name in order if nodes[name].op == "Const"}
            computed = [nodes[name] for name in order if name not in self._constants and name != INPUT]
            for node in computed:
                require_known(node)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        self._steps = _steps(computed, {POOL, SPATIAL, self._weight, *self._constants})

    def features(self, images: Images | Iterable[Images], batch_size: int = 64) -> Features:
        """Compute the features of images, in their order; see `features_in_batches`."""
        return features_in_batches(self._outputs, images, batch_size)

    @torch.inference_mode()
    def _outputs(self, batch: Images) -> Outputs:
        values = {INPUT: torch.from_numpy(batch).float(), **self._constants}
        for step in self._steps:
            values[step.node.name] = OPERATIONS[step.node.op](step.node, [values[name] for name in step.inputs])
            for name in step.spent:
                del values[name]
        spatial, weight = values[SPATIAL], values[self._weight]
        require_channels(spatial.shape[-1], self._path)
        flat = values[POOL].reshape(-1, weight.shape[0])
        spatial = spatial[..., :NUM_SPATIAL_CHANNELS].reshape(len(spatial), -1)
        return flat.numpy(), spatial.numpy(), (flat @ weight).numpy()


def _inputs(node: Any) -> list[str]:
    """Return the names of the nodes whose first output a node reads; control inputs carry no value."""
    names = []
    for reference in node.input:
        if not reference.startswith("^"):
            name, _, output = reference.partition(":")
            if output not in ("", "0"):
                raise ValueError(f"node {node.name} reads {reference}, but only first outputs are computed")
            names.append(name)
    return names


def _order(nodes: dict[str, Any], targets: list[str]) -> list[str]:
    """Return the names of the nodes that the targets depend on, each after its inputs."""
    dependencies: dict[str, list[str]] = {}
    open_names = list(targets)
    while open_names:
        name = open_names.pop()
        if name not in dependencies:
            if name not in nodes:
                raise ValueError(f"no node {name}, but another one reads it")
            dependencies[name] = [] if name == INPUT else _inputs(nodes[name])
            open_names.extend(dependencies[name])
    try:
        return list(TopologicalSorter(dependencies).static_order())
    except CycleError as error:
        raise ValueError(f"nodes depend on themselves: {', '.join(error.args[1])}") from error


def _steps(computed: list[Any], kept: set[str]) -> list[_Step]:
    """Return the steps; a result that is not kept is dropped after its last reader: feature maps are large."""
    steps: list[_Step] = []
    seen = set(kept)
    for node in reversed(computed):
        spent = sorted(set(_inputs(node)) - seen)
        seen.update(spent)
        steps.append(_Step(node, _inputs(node), spent))
    return steps[::-1]
