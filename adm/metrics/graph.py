"""Run a frozen TensorFlow graph that carries the tensor names of the 2015 Inception graph."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adm.metrics.features import Features
from adm.metrics.tensorflow_loader import load_tensorflow

INPUT = "ExpandDims"
POOL = "pool_3"
SPATIAL = "mixed_6/conv"
LOGITS = "softmax/logits/MatMul"
NUM_SPATIAL_CHANNELS = 7

Images = npt.NDArray[np.uint8]


class FrozenGraph:
    """A frozen graph, loaded once, that turns images into features.

    Resizing and normalisation are part of the graph. The images replace the output of `ExpandDims`, which in
    the 2015 graph follows a JPEG decoder and has a batch axis of one; in others it is a placeholder.

    Args:
        path: a binary GraphDef.
        threads: threads of one operation, >= 1. Operations run one after another, so that sums are not
            taken in an order that depends on the load.

    Raises:
        ValueError: the file is no GraphDef that TensorFlow can import, or a node is missing.
        OSError: the file cannot be read.

    Source: Appendix J (no resizing before the graph); Nash et al. 2021 (spatial features).
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}, expected at least 1")
        self._tf: Any = load_tensorflow().compat.v1
        definition = _read_definition(self._tf, path)
        graph = self._tf.Graph()
        with graph.as_default():
            self._input = self._tf.placeholder(self._tf.float32, [None, None, None, 3], name="images")
            self._outputs = self._build(definition, path)
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
            raise ValueError(f"{path}: TensorFlow cannot import it: {str(error).splitlines()[0]}") from error
        num_channels = spatial.shape[-1]
        if num_channels is not None and num_channels < NUM_SPATIAL_CHANNELS:
            raise ValueError(f"{path}: {SPATIAL} has {num_channels} channels, expected at least {NUM_SPATIAL_CHANNELS}")
        # The graph's own MatMul reads a reshaped pool, whose batch size of one the 2015 graph bakes in.
        weight = matmul.inputs[1]
        flat = tf.reshape(pool, [-1, tf.shape(weight)[0]])
        spatial = spatial[..., :NUM_SPATIAL_CHANNELS]
        return flat, tf.reshape(spatial, [tf.shape(spatial)[0], -1]), tf.matmul(flat, weight)

    def features(self, images: Images | Iterable[Images], batch_size: int = 64) -> Features:
        """Compute the features of images, in their order.

        Every batch has `batch_size` images, the last one filled up with black ones that are then dropped:
        kernels chosen by shape are the same whatever the number of images.

        Args:
            images: (N, H, W, 3) uint8, or an iterable of such arrays of any lengths and one size; N >= 1.
            batch_size: images at a time, >= 1.

        Returns:
            pool (N, D), spatial (N, H' W' 7) and logits (N, C), float32.

        Raises:
            ValueError: wrong shape or dtype, no image, or a batch size that is not positive.
        """
        if batch_size < 1:
            raise ValueError(f"batch size is {batch_size}, expected at least 1")
        chunks = [images] if isinstance(images, np.ndarray) else images
        parts: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        for batch, num_valid in _batches(chunks, batch_size):
            outputs = self._session.run(self._outputs, {self._input: batch})
            for part, output in zip(parts, outputs, strict=True):
                part.append(output[:num_valid])
        if not parts[0]:
            raise ValueError("no images, expected at least 1")
        pool, spatial, logits = (np.concatenate(part) for part in parts)
        return Features(pool=pool, spatial=spatial, logits=logits)


def _read_definition(tf: Any, path: Path) -> Any:
    """Parse a GraphDef and check that it has the nodes that are read."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415

    definition = tf.GraphDef()
    try:
        definition.ParseFromString(Path(path).read_bytes())
    except DecodeError as error:
        raise ValueError(f"{path}: not a frozen TensorFlow graph (a binary GraphDef)") from error
    present = {node.name for node in definition.node}
    if not present:
        raise ValueError(f"{path}: holds no nodes, expected a frozen TensorFlow graph (a binary GraphDef)")
    missing = [name for name in (INPUT, SPATIAL, POOL, LOGITS) if name not in present]
    if missing:
        raise ValueError(f"{path}: no node {', '.join(missing)}, expected those of the 2015 Inception graph")
    return definition


def _batches(chunks: Iterable[Images], batch_size: int) -> Iterator[tuple[Images, int]]:
    """Yield (batch_size, H, W, 3) uint8 batches and how many of their images are real."""
    pending: list[Images] = []
    size: tuple[int, ...] | None = None
    for chunk in chunks:
        if chunk.ndim != 4 or chunk.shape[-1] != 3 or chunk.dtype != np.uint8:
            raise ValueError(f"images are {chunk.dtype} of shape {chunk.shape}, expected uint8 of (N, H, W, 3)")
        if size is not None and chunk.shape[1:] != size:
            raise ValueError(f"images of shape {chunk.shape[1:]} follow those of {size}, expected one size")
        size = chunk.shape[1:]
        start = 0
        while start < len(chunk):
            room = batch_size - sum(map(len, pending))
            pending.append(chunk[start : start + room])
            start += room
            if sum(map(len, pending)) == batch_size:
                yield np.concatenate(pending), batch_size
                pending = []
    if pending:
        last = np.concatenate(pending)
        filling = np.zeros((batch_size - len(last), *last.shape[1:]), dtype=np.uint8)
        yield np.concatenate([last, filling]), len(last)
