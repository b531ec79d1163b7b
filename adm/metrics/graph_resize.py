"""Description of how a feature graph resizes images; scores depend on it."""

from pathlib import Path
from typing import Any

from tensorboard.compat.proto.graph_pb2 import GraphDef  # type: ignore[import-untyped]

from adm.errors import one_line
from adm.metrics.graph_contract import POOL, SPATIAL, read_definition
from adm.metrics.graph_nodes import GraphNodes
from adm.metrics.torch_operations import constant
from adm.metrics.torch_program import FAILURES, first_line

RESIZES = ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea")


def resize_inside(path: Path) -> str:
    """Describe how a graph resizes images before it computes features; nothing resizes them earlier (Appendix J).

    Raises:
        ValueError: The file is no such graph.
        OSError: The file cannot be read.
    """
    nodes = GraphNodes(read_definition(GraphDef(), path))
    try:
        read = nodes.order([nodes.origin(POOL), nodes.origin(SPATIAL)])
    except ValueError as error:  # TensorFlow runs graphs that this project cannot parse
        return f"unknown: {error}"
    found = [name for name in read if nodes[name].op in RESIZES]
    try:
        return "; ".join(_described(nodes, name) for name in found) or "none"
    except (ValueError, *FAILURES) as error:
        raise ValueError(one_line(f"{path}: resizes to no size ({first_line(error)})")) from error


def _described(nodes: GraphNodes, name: str) -> str:
    node, inputs = nodes[name], nodes.inputs(name)
    sides = _sides(nodes, inputs)
    aligned = "aligned" if node.attr["align_corners"].b else "not aligned"
    centres = ", half-pixel centres" if node.attr["half_pixel_centers"].b else ""
    return f"{node.op} to {sides[0]}x{sides[1]} inside the graph, corners {aligned}{centres}"


def _sides(nodes: GraphNodes, inputs: list[str]) -> list[Any]:
    size = nodes[inputs[1]] if len(inputs) == 2 else None
    if size is None or size.op != "Const":
        return ["?", "?"]
    height, width = constant(size).tolist()
    return [height, width]
