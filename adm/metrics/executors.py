"""What computes features, by names in the params file: torch, TensorFlow, or a published network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tensorboard.compat.proto.graph_pb2 import GraphDef  # type: ignore[import-untyped]
from torch import nn

from adm.config.data import GraphParams, NetworkGraph
from adm.errors import brief, one_line
from adm.metrics.batches import GRAPH
from adm.metrics.dinov2 import Dinov2
from adm.metrics.features import Executor, Images, Outputs
from adm.metrics.graph import FrozenGraph, Nodes, read_definition
from adm.metrics.graph_network import GraphNetwork
from adm.metrics.protocols import EVALUATOR, PROTOCOLS
from adm.parallel import resolve_device

WEIGHTS = "weights.safetensors"
"""The file that an adopted network holds in place of a graph."""


def file_of(params: GraphParams) -> str:
    """Return the file of a graph's artifact."""
    return WEIGHTS if isinstance(params, NetworkGraph) and params.network else GRAPH


def open_graph(params: GraphParams, path: Path, device: str, protocol: str = EVALUATOR) -> Executor:
    """Load a graph with the library that `params` names, or a network; TensorFlow always runs it on the CPU.

    Images are prepared by one of PROTOCOLS; another than EVALUATOR is for executor torch.

    Raises:
        ValueError: The file is no graph that the library can run.
        OSError: The file cannot be read.
    """
    if params.executor == "tensorflow":
        return FrozenGraph(path, params.threads)
    if isinstance(params, NetworkGraph) and params.network is not None:
        return TorchExecutor(path, Dinov2(path, params.network), params.threads, device)
    return TorchGraph(path, params.threads, device, protocol)


class TorchExecutor(Executor):
    """A network of torch that computes pool, spatial and logits of images, (N, H, W, 3) uint8.

    Each batch goes to the device as bytes, and its features come back before the next batch starts.

    Args:
        path: The file of its weights.
        network: The network.
        threads: Torch's threads on the CPU, >= 1; set for the whole process.
        device: A name for `torch.device` of a device that this machine has.
        resize: How it resizes images, for the record.

    Raises:
        UserError: There is no such device.
    """

    def __init__(self, path: Path, network: nn.Module, threads: int, device: str, resize: str = "") -> None:
        super().__init__(path, resize)
        torch.set_num_threads(threads)
        self._device = resolve_device(device)
        self._network = network.to(self._device)

    def _outputs(self, batch: Images) -> Outputs:
        try:
            with torch.inference_mode(), full_precision():
                pool, spatial, logits = self._network(torch.from_numpy(batch).to(self._device))
                return pool.float().cpu().numpy(), spatial.float().cpu().numpy(), logits.float().cpu().numpy()
        except RuntimeError as error:  # torch's messages end with stack traces and advice
            raise ValueError(one_line(f"{self._path}: {str(error).strip().partition(chr(10))[0]}")) from error


class TorchGraph(TorchExecutor):
    """A graph, a binary GraphDef, as a `GraphNetwork`, which gives the features of `FrozenGraph`.

    Images are prepared by one of PROTOCOLS.

    Raises:
        UserError: there is no such device.
        ValueError: the file is no graph, or has nodes that `GraphNetwork` does not know.
        OSError: the file cannot be read.

    Source: Appendix J (no resizing before the graph); Nash et al. 2021 (spatial features).
    """

    def __init__(self, path: Path, threads: int = 1, device: str = "cpu", protocol: str = EVALUATOR) -> None:
        nodes = Nodes(read_definition(GraphDef(), path))
        prepared = PROTOCOLS[protocol]
        try:
            network = GraphNetwork(nodes)
        except (ValueError, RuntimeError) as error:  # torch's own, of weights of other shapes
            raise ValueError(
                one_line(f"{path}: {brief(error)}; executor tensorflow runs graphs of other networks")
            ) from error
        network.prepare = prepared.prepare
        super().__init__(path, network, threads, device, nodes.resize() if prepared.stored else prepared.resize)


@contextmanager
def full_precision() -> Iterator[None]:
    """Switch TensorFloat-32 off inside the context.

    By torch's default, a GPU's convolutions round their factors to the ten bits of TensorFloat-32, which would change
    features by about 1e-3. Matrix products do the same if the process has switched it on for them.
    """
    all_of_them: Any = torch.backends
    backends = (all_of_them.cuda.matmul, all_of_them.cudnn.conv, all_of_them.mkldnn.matmul, all_of_them.mkldnn.conv)
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision
