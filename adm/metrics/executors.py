"""The libraries that can run a frozen graph, by their names in the params file."""

from pathlib import Path

from adm.metrics.graph_contract import Executor
from adm.params.data import GraphParams

LIBRARIES = {"torch": ["torch"], "tensorflow": ["tensorflow"]}
"""The Python distributions that an executor's results depend on."""


def open_graph(params: GraphParams, path: Path, device: str) -> Executor:
    """Load a graph with the library that `params` names; TensorFlow always runs it on the CPU.

    Raises:
        ValueError: The file is no graph that the library can run.
        OSError: The file cannot be read.
    """
    # Imported here: TensorFlow takes seconds to import, and a machine that runs graphs with torch may not have it.
    if params.executor == "tensorflow":
        from adm.metrics.graph import FrozenGraph  # noqa: PLC0415

        return FrozenGraph(path, params.threads)
    from adm.metrics.torch_graph import TorchGraph  # noqa: PLC0415

    return TorchGraph(path, params.threads, device, compiled=params.compiled)
