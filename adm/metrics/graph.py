"""Execution of a frozen graph by TensorFlow, with the tensor names of the 2015 Inception graph."""

import re
from pathlib import Path
from typing import Any

from adm.errors import one_line
from adm.metrics.graph_contract import (
    INPUT,
    LOGITS,
    NUM_SPATIAL_CHANNELS,
    POOL,
    SPATIAL,
    Executor,
    Images,
    Outputs,
    read_definition,
    require_channels,
)
from adm.metrics.tensorflow_loader import load_tensorflow


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
        if threads < 1:
            raise ValueError(f"threads is {threads}, expected at least 1")
        super().__init__(path)
        self._tf: Any = load_tensorflow().compat.v1
        definition = read_definition(self._tf.GraphDef(), path)
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
            raise ValueError(
                one_line(f"{path}: TensorFlow cannot import it: {str(error).partition(chr(10))[0]}")
            ) from error
        if spatial.shape[-1] is not None:
            try:
                require_channels(spatial.shape[-1])
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
        # The 2015 graph's own MatMul reads a reshaped pool with a fixed batch size of one, so it cannot be used.
        weight = matmul.inputs[1]
        flat = tf.reshape(pool, [-1, tf.shape(weight)[0]])
        spatial = spatial[..., :NUM_SPATIAL_CHANNELS]
        return flat, tf.reshape(spatial, [tf.shape(spatial)[0], -1]), tf.matmul(flat, weight)

    def _outputs(self, batch: Images) -> Outputs:
        try:
            found: Outputs = self._session.run(self._tensors, {self._input: batch})
        except self._tf.errors.OpError as error:
            complaint = f"{self._path}: TensorFlow cannot run it: {_complaint(error.message)}"
            raise ValueError(one_line(complaint)) from error
        return found


def _complaint(message: str) -> str:
    """Return the node and its line from TensorFlow's error, which is pages long."""
    found = re.search(r"^Node: '(?:frozen/)?(.*)'\n(.*)", message, flags=re.MULTILINE)
    return f"node {found[1]}: {found[2]}" if found else message.strip().partition("\n")[0]
