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

VALUES = {1: (np.float32, "float_val"), 3: (np.int32, "int_val")}
"""By TensorFlow's number of a data type: numpy's type, and the field that holds single values."""


def read_definition(definition: Any, path: Path) -> Any:
    """Fill an empty GraphDef message, TensorFlow's own or TensorBoard's copy of it, from a binary file; return it.

    Raises:
        ValueError: the file is no GraphDef.
        OSError: the file cannot be read.
    """
    try:
        definition.ParseFromString(Path(path).read_bytes())
    except DecodeError as error:
        raise ValueError(f"{path}: not a frozen TensorFlow graph (a binary GraphDef)") from error
    return definition


class Nodes:
    """The nodes of a GraphDef by name, for a network that computes what they do."""

    def __init__(self, definition: Any) -> None:
        self._nodes = {node.name: node for node in definition.node}

    def node(self, name: str) -> Any:
        """Return a node.

        Raises:
            ValueError: There is no such node.
        """
        if name not in self._nodes:
            raise ValueError(f"there is no node {name}")
        return self._nodes[name]

    def constant(self, name: str) -> torch.Tensor:
        """Return a constant, float32 or int32; a single value fills its shape.

        Raises:
            ValueError: there is no such constant, or it holds too many or too few values.
        """
        tensor = self.node(name).attr["value"].tensor
        if tensor.dtype not in VALUES:
            raise ValueError(f"constant {name} has data type {tensor.dtype}, expected one of {list(VALUES)}")
        dtype, field = VALUES[tensor.dtype]
        content, shape = tensor.tensor_content, [dimension.size for dimension in tensor.tensor_shape.dim]
        values = np.frombuffer(content, dtype) if content else np.array(getattr(tensor, field), dtype)
        if len(values) not in (1, math.prod(shape)):
            raise ValueError(f"constant {name} holds {len(values)} values, expected {math.prod(shape)}")
        return torch.from_numpy(np.resize(values, shape))

    def resize(self) -> str:
        """Describe how the graph resizes images; nothing resizes them earlier, and scores depend on it (Appendix J)."""
        ops = ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea")
        return "; ".join(self._resized(node) for node in self._nodes.values() if node.op in ops) or "none"

    def _resized(self, node: Any) -> str:
        try:
            height, width = self.constant(node.input[1]).tolist()
        except (ValueError, LookupError):
            height, width = "?", "?"
        aligned, halved = (key in node.attr and node.attr[key].b for key in ("align_corners", "half_pixel_centers"))
        corners = f"corners {'aligned' if aligned else 'not aligned'}{', half-pixel centres' if halved else ''}"
        return f"{node.op} to {height}x{width} inside the graph, {corners}"


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
        graph, names = self._tf.Graph(), [f"{POOL}:0", f"{SPATIAL}:0", LOGITS]
        with graph.as_default():
            self._input = self._tf.placeholder(self._tf.float32, [None, None, None, 3], name="images")
            try:
                pool, spatial, matmul = self._tf.import_graph_def(
                    definition, input_map={f"{INPUT}:0": self._input}, return_elements=names, name="frozen"
                )
            except (ValueError, self._tf.errors.OpError) as error:
                reason = str(error).partition("\n")[0]
                raise ValueError(one_line(f"{path}: TensorFlow cannot import it: {reason}")) from error
            # The 2015 graph's own MatMul reads a reshaped pool with a fixed batch size of one, so it cannot be used.
            weight = matmul.inputs[1]
            flat = self._tf.reshape(pool, [-1, self._tf.shape(weight)[0]])
            spatial = spatial[..., :NUM_SPATIAL_CHANNELS]
            spatial = self._tf.reshape(spatial, [self._tf.shape(spatial)[0], -1])
            self._tensors = flat, spatial, self._tf.matmul(flat, weight)
        options = self._tf.ConfigProto(inter_op_parallelism_threads=1, intra_op_parallelism_threads=threads)
        self._session = self._tf.Session(graph=graph, config=options)

    def _outputs(self, batch: Images) -> Outputs:
        try:
            outputs: Outputs = self._session.run(self._tensors, {self._input: batch})
        except self._tf.errors.OpError as error:
            # Of a message of pages, the node and its line.
            match = re.search(r"^Node: '(?:frozen/)?(.*)'\n(.*)", error.message, flags=re.MULTILINE)
            told = f"node {match[1]}: {match[2]}" if match else error.message.strip().partition("\n")[0]
            raise ValueError(one_line(f"{self._path}: TensorFlow cannot run it: {told}")) from error
        return outputs
