"""Frozen graphs with the tensor names of the 2015 Inception graph: their nodes, and their execution by TensorFlow."""

import math
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from adm.errors import one_line
from adm.metrics.features import Executor, Images, Outputs

INPUT = "ExpandDims"
POOL = "pool_3"
SPATIAL = "mixed_6/conv"
LOGITS = "softmax/logits/MatMul"
NUM_SPATIAL_CHANNELS = 7

LAYOUT = {"data_format": b"NHWC", "dilations": (1, 1, 1, 1)}
"""Attributes of convolutions and poolings, and the values that all networks here have."""

VALUES = {1: (np.float32, "float_val"), 3: (np.int32, "int_val")}
"""By TensorFlow's number of a data type: numpy's type, and the field that holds single values."""


def read_definition(definition: Any, path: Path) -> Any:
    """Parse a file into an empty GraphDef message, and check that it has the nodes that readers need.

    Args:
        definition: an empty GraphDef, TensorFlow's own or TensorBoard's copy of it.
        path: a binary GraphDef.

    Returns:
        `definition`, filled.

    Raises:
        ValueError: the file is no GraphDef, or a node is missing.
        OSError: the file cannot be read.
    """
    try:
        definition.ParseFromString(Path(path).read_bytes())
    except DecodeError as error:
        raise ValueError(f"{path}: not a frozen TensorFlow graph (a binary GraphDef)") from error
    present = {node.name for node in definition.node}
    if missing := [name for name in (INPUT, SPATIAL, POOL, LOGITS) if name not in present]:
        raise ValueError(f"{path}: no node {', '.join(missing)}, expected those of the 2015 Inception graph")
    return definition


class Nodes:
    """The nodes of a graph by name, for a network that is filled from them.

    Args:
        definition: a GraphDef, TensorFlow's own or TensorBoard's copy of it.
    """

    def __init__(self, definition: Any) -> None:
        self._nodes = {node.name: node for node in definition.node}

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def require(self, name: str, op: str, *inputs: str, **attributes: Any) -> Any:
        """Check that a node is the one that a network has in its place, and return it.

        Args:
            name: its name.
            op: its operation.
            inputs: the nodes that it reads. Operations that pass their input on do not count, nor do control inputs.
            attributes: its attributes: tuples of integers, bytes or truth values. One that it lacks is false.

        Raises:
            ValueError: it is another one.
        """
        node = self._node(name)
        read = tuple(self._origin(each) for each in node.input if not each.startswith("^"))
        expected = {**LAYOUT, **attributes}
        actual = {each: _attribute(node, each, LAYOUT.get(each, False)) for each in expected}
        if (node.op, read, actual) != (op, inputs, expected):
            wrong = [f"{each} {actual[each]!r}" for each in expected if actual[each] != expected[each]]
            what = " with ".join([", ".join(read), *wrong])
            raise ValueError(f"node {name} is {node.op} of {what}, expected {op} of {', '.join(inputs)}")
        return node

    def constant(self, name: str, num_axes: int) -> torch.Tensor:
        """Return a constant, float32 or int32; values that it leaves out are the last one that it gives.

        Raises:
            ValueError: it is no such constant, has another number of axes, or holds too many or too few values.
        """
        tensor = self._node(name).attr["value"].tensor
        shape = [dimension.size for dimension in tensor.tensor_shape.dim]
        if self._node(name).op != "Const" or tensor.dtype not in VALUES or len(shape) != num_axes:
            raise ValueError(
                f"constant {name} has data type {tensor.dtype} and shape {shape}, expected {num_axes} axes"
            )
        dtype, field = VALUES[tensor.dtype]
        if tensor.tensor_content:
            values = np.frombuffer(tensor.tensor_content, dtype)
        else:
            values = np.array(getattr(tensor, field), dtype)
            values = np.pad(
                values, (0, max(math.prod(shape) - len(values), 0)), mode="edge" if len(values) else "constant"
            )
        if len(values) != math.prod(shape):
            raise ValueError(f"constant {name} holds {len(values)} values, expected {math.prod(shape)}")
        return torch.from_numpy(values.reshape(shape).copy())

    def require_value(self, name: str, value: float | list[int]) -> None:
        """Check a constant.

        Raises:
            ValueError: it has another value.
        """
        if (actual := self.constant(name, np.ndim(value)).tolist()) != value:
            raise ValueError(f"constant {name} is {actual}, expected {value}")

    def resize(self) -> str:
        """Describe how the graph resizes images; nothing resizes them earlier, and scores depend on it (Appendix J)."""
        ops = ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea")
        return "; ".join(self._resized(node) for node in self._nodes.values() if node.op in ops) or "none"

    def _resized(self, node: Any) -> str:
        try:
            height, width = self.constant(node.input[1], 1).tolist()
        except (ValueError, LookupError):
            height, width = "?", "?"
        aligned = "aligned" if _attribute(node, "align_corners", False) else "not aligned"
        centres = ", half-pixel centres" if _attribute(node, "half_pixel_centers", False) else ""
        return f"{node.op} to {height}x{width} inside the graph, corners {aligned}{centres}"

    def _node(self, name: str) -> Any:
        if name not in self._nodes:
            raise ValueError(f"there is no node {name}")
        return self._nodes[name]

    def _origin(self, name: str) -> str:
        """Return the name of the node that computes an input; `name:0` is a node's first output."""
        node = self._nodes.get(name.removesuffix(":0"))
        if node is not None and node.op in ("CheckNumerics", "Identity") and node.input:
            return str(node.input[0]).removesuffix(":0")
        return name.removesuffix(":0")


def _attribute(node: Any, name: str, default: Any) -> Any:
    """Return an attribute's value, lists as tuples."""
    if name not in node.attr:
        return default
    value = node.attr[name]
    kind = value.WhichOneof("value")
    if kind == "list":
        return tuple(value.list.i)
    return None if kind is None else getattr(value, kind)


def require_scaling(nodes: Nodes, side: int) -> None:
    """Check that images are resized to a side, and pixels x become (x - 128) / 128, in the node `Mul`.

    Raises:
        ValueError: they are not.
    """
    grid = {"align_corners": False, "half_pixel_centers": False}
    nodes.require("ResizeBilinear", "ResizeBilinear", INPUT, "ResizeBilinear/size", **grid)
    nodes.require("Sub", "Sub", "ResizeBilinear", "Sub/y")
    nodes.require("Mul", "Mul", "Sub", "Mul/y")
    for name, value in (("ResizeBilinear/size", [side, side]), ("Sub/y", 128.0), ("Mul/y", 1 / 128)):
        nodes.require_value(name, value)


def require_head(nodes: Nodes, last: str, side: int) -> torch.Tensor:
    """Check that logits are of the mean of a node's map of a side, and return their weights (D, C).

    Raises:
        ValueError: they are not.
    """
    nodes.require(POOL, "AvgPool", last, ksize=(1, side, side, 1), strides=(1, 1, 1, 1), padding=b"VALID")
    nodes.require("pool_3/_reshape", "Reshape", POOL, "pool_3/_reshape/shape")
    nodes.require(LOGITS, "MatMul", "pool_3/_reshape", "softmax/weights", transpose_a=False, transpose_b=False)
    return nodes.constant("softmax/weights", 2)


def load_tensorflow() -> ModuleType:
    """Import TensorFlow without its start-up messages.

    The import takes seconds, so only code that runs or writes a graph calls this. TensorFlow's C++ code reads its
    settings once, at import; settings of the user are kept. oneDNN's kernels are off: the order of their sums depends
    on the processor, and they are only about 15 % faster.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow  # noqa: PLC0415

    module: ModuleType = tensorflow
    return module


class FrozenGraph(Executor):
    """A frozen graph, loaded once, that computes features of images.

    The graph itself resizes and normalises images. They replace the output of `ExpandDims`: in the 2015 graph it
    follows a JPEG decoder and has a batch axis of one; in other graphs it is a placeholder.

    Args:
        path: a binary GraphDef.
        threads: threads of one operation, >= 1. Operations run one after another, because the order of sums must not
            depend on the load.

    Raises:
        ValueError: the file is no GraphDef that TensorFlow can import, or a node is missing.
        OSError: the file cannot be read.

    Source: Appendix J (no resizing before the graph); Nash et al. 2021 (spatial features).
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._tf: Any = load_tensorflow().compat.v1
        definition = read_definition(self._tf.GraphDef(), path)
        super().__init__(path, Nodes(definition).resize())
        graph = self._tf.Graph()
        with graph.as_default():
            self._input = self._tf.placeholder(self._tf.float32, [None, None, None, 3], name="images")
            self._tensors = self._build(definition, path)
        options = self._tf.ConfigProto(inter_op_parallelism_threads=1, intra_op_parallelism_threads=threads)
        self._session = self._tf.Session(graph=graph, config=options)

    def _build(self, definition: Any, path: Path) -> tuple[Any, Any, Any]:
        """Import the graph onto the placeholder; return its pool, spatial and logits tensors."""
        tf = self._tf
        names = [f"{POOL}:0", f"{SPATIAL}:0", LOGITS]
        try:
            pool, spatial, matmul = tf.import_graph_def(
                definition, input_map={f"{INPUT}:0": self._input}, return_elements=names, name="frozen"
            )
        except (ValueError, tf.errors.OpError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(one_line(f"{path}: TensorFlow cannot import it: {reason}")) from error
        # The 2015 graph's own MatMul reads a reshaped pool with a fixed batch size of one, so it cannot be used.
        weight = matmul.inputs[1]
        flat = tf.reshape(pool, [-1, tf.shape(weight)[0]])
        spatial = spatial[..., :NUM_SPATIAL_CHANNELS]
        return flat, tf.reshape(spatial, [tf.shape(spatial)[0], -1]), tf.matmul(flat, weight)

    def _outputs(self, batch: Images) -> Outputs:
        try:
            outputs: Outputs = self._session.run(self._tensors, {self._input: batch})
        except self._tf.errors.OpError as error:
            complaint = f"{self._path}: TensorFlow cannot run it: {_complaint(error.message)}"
            raise ValueError(one_line(complaint)) from error
        return outputs


def _complaint(message: str) -> str:
    """Return the node and its line from TensorFlow's error, which is pages long."""
    match = re.search(r"^Node: '(?:frozen/)?(.*)'\n(.*)", message, flags=re.MULTILINE)
    return f"node {match[1]}: {match[2]}" if match else message.strip().partition("\n")[0]
