"""What computes features: the libraries that run a frozen graph, by their names in the params file, and networks."""

from pathlib import Path

from adm.config.data import GraphParams, NetworkGraph
from adm.metrics.batches import GRAPH
from adm.metrics.graph_contract import Executor

WEIGHTS = "weights.safetensors"
"""What an adopted network holds in place of a graph."""

LIBRARIES = {"torch": ["torch"], "tensorflow": ["tensorflow"]}
"""The Python distributions that an executor's results depend on."""


def libraries_of(params: GraphParams) -> list[str]:
    """The Python distributions that features depend on."""
    return [*LIBRARIES[params.executor], *(["pillow"] if network_of(params) else [])]


def network_of(params: GraphParams) -> str | None:
    """The published network that computes the features; None for a frozen graph."""
    return params.network if isinstance(params, NetworkGraph) else None


def file_of(params: GraphParams) -> str:
    """The file of a graph's artifact."""
    return WEIGHTS if network_of(params) else GRAPH


def open_graph(params: GraphParams, path: Path, device: str) -> Executor:
    """Load a graph with the library that `params` names, or a network; TensorFlow always runs it on the CPU.

    Raises:
        ValueError: The file is no graph that the library can run.
        OSError: The file cannot be read.
    """
    # Imported here: TensorFlow takes seconds to import, and a machine that runs graphs with torch may not have it.
    if params.executor == "tensorflow":
        from adm.metrics.graph import FrozenGraph  # noqa: PLC0415

        return FrozenGraph(path, params.threads)
    if (network := network_of(params)) is not None:
        from adm.metrics.dinov2 import Dinov2  # noqa: PLC0415

        return Dinov2(path, network, params.threads, device)
    from adm.metrics.torch_graph import TorchGraph  # noqa: PLC0415

    return TorchGraph(path, params.threads, device, compiled=params.compiled)
