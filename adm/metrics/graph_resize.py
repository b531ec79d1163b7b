"""How a graph of features resizes its images: part of what a score rests on."""

from pathlib import Path
from typing import Any

from tensorboard.compat.proto.graph_pb2 import GraphDef  # type: ignore[import-untyped]

from adm.metrics.graph_contract import read_definition
from adm.metrics.torch_operations import constant
from adm.metrics.torch_program import FAILURES, first_line
from adm.params.errors import one_line


def resize_inside(path: Path) -> str:
    """Tell how a graph resizes its images: nothing resizes them before it (Appendix J).

    Raises:
        ValueError: The file is no such graph.
        OSError: The file cannot be read.
    """
    nodes = {node.name: node for node in read_definition(GraphDef(), path).node}
    for node in nodes.values():
        if node.op in ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea"):
            sides = _sides(nodes, node, path)
            aligned = "aligned" if node.attr["align_corners"].b else "not aligned"
            centres = ", half-pixel centres" if node.attr["half_pixel_centers"].b else ""
            return f"{node.op} to {sides[0]}x{sides[1]} inside the graph, corners {aligned}{centres}"
    return "none"


def _sides(nodes: dict[str, Any], node: Any, path: Path) -> list[Any]:
    size = nodes.get(node.input[1].split(":")[0]) if len(node.input) > 1 else None
    if size is None or size.op != "Const":
        return ["?", "?"]
    try:
        height, width = constant(size).tolist()
    except (ValueError, *FAILURES) as error:
        raise ValueError(one_line(f"{path}: {node.name} resizes to no size ({first_line(error)})")) from error
    return [height, width]
