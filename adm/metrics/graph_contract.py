"""The common part of all readers of frozen graphs: the tensor names of the 2015 Inception graph, and the batches."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from adm.errors import one_line
from adm.metrics.features import LAYERS, Features

INPUT = "ExpandDims"
POOL = "pool_3"
SPATIAL = "mixed_6/conv"
LOGITS = "softmax/logits/MatMul"
NUM_SPATIAL_CHANNELS = 7

MOST_FILLED = 1 << 21
"""Number of values that all constants together may leave out; TensorFlow repeats the last value given."""

Images = npt.NDArray[np.uint8]
Outputs = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]
Mapping = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""The builtin `map`, or the same function over several processes."""


def read_definition(definition: Any, path: Path) -> Any:
    """Parse a file into an empty GraphDef message, and check that it has the nodes that readers need.

    Args:
        definition: an empty GraphDef, TensorFlow's own or TensorBoard's copy of it.
        path: a binary GraphDef.

    Returns:
        `definition`, filled.

    Raises:
        ValueError: the file is no GraphDef, a node is missing, or constants declare far more values than they hold.
        OSError: the file cannot be read.
    """
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
    try:
        _check_constants(definition)
    except ValueError as error:
        raise ValueError(one_line(f"{path}: {error}")) from error
    return definition


def _check_constants(definition: Any) -> None:
    room = MOST_FILLED
    for node in definition.node:
        if node.op == "Const":
            tensor = node.attr["value"].tensor
            shape = [dimension.size for dimension in tensor.tensor_shape.dim]
            if min(shape, default=0) < 0 or tensor.tensor_shape.unknown_rank:
                raise ValueError(f"constant {node.name} has shape {shape}, expected one that is known")
            # A value takes at least one byte, so this bound holds for every data type.
            room -= max(math.prod(shape) - tensor.ByteSize(), 0)
            if room < 0:
                raise ValueError(
                    f"constant {node.name} has shape {shape} and holds {tensor.ByteSize()} bytes, expected at most "
                    f"{MOST_FILLED} values to be left out of all constants"
                )


def require_channels(num_channels: int) -> None:
    """Check that a feature map has enough channels for the spatial features.

    Raises:
        ValueError: it has too few.
    """
    if num_channels < NUM_SPATIAL_CHANNELS:
        raise ValueError(f"{SPATIAL} has {num_channels} channels, expected at least {NUM_SPATIAL_CHANNELS}")


class Executor(ABC):
    """A loaded graph, which computes features of images.

    Args:
        path: The graph's file, for errors.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @abstractmethod
    def _outputs(self, batch: Images) -> Outputs:
        """Run the graph on (batch_size, H, W, 3) uint8; return pool, spatial and logits.

        Raises:
            ValueError: It cannot be run.
        """

    def batches(
        self, images: Images | Iterable[Images], batch_size: int = 64, mapping: Mapping = map
    ) -> Iterator[Features]:
        """Compute the features of images a batch at a time, in their order; none is kept.

        Every batch has `batch_size` images. Black images fill the last one, and their features are dropped. Kernels
        that are chosen by shape are then the same for any number of images.

        Args:
            images: (N, H, W, 3) uint8, or an iterable of such arrays of any lengths and one size; N >= 1.
            batch_size: number of images in a batch, >= 1.
            mapping: applies a function to every batch.

        Yields:
            pool (n, D), spatial (n, H' W' 7) and logits (n, C), float32, of the next n <= batch_size images.

        Raises:
            ValueError: wrong shape or dtype, no image, a batch size that is not positive, or features with NaN or
                infinity, as broken weights give them.
        """
        if batch_size < 1:
            raise ValueError(f"batch size is {batch_size}, expected at least 1")
        chunks = [images] if isinstance(images, np.ndarray) else images

        def computed(batch: tuple[Images, int]) -> tuple[npt.NDArray[Any], ...]:
            return *self._outputs(batch[0]), np.array(batch[1])

        found: list[npt.NDArray[Any]] = []
        for *found, num_valid in mapping(computed, _batches(chunks, batch_size)):
            for layer, output in zip(LAYERS, found, strict=True):
                if len(output) != batch_size:
                    raise ValueError(
                        f"{self._path}: its {layer} features are of {len(output)} images, expected {batch_size}"
                    )
                if not np.isfinite(output[:num_valid]).all():
                    raise ValueError(
                        f"{self._path}: its {layer} features hold NaN or infinity, expected finite numbers"
                    )
            yield Features(*(output[:num_valid] for output in found))
        if not found:
            raise ValueError("no images, expected at least 1")

    def features(self, images: Images | Iterable[Images], batch_size: int = 64) -> Features:
        """Compute the features of images and keep all of them; see `batches`."""
        found = list(self.batches(images, batch_size))
        return Features(*(np.concatenate([getattr(batch, layer) for batch in found]) for layer in LAYERS))


def _batches(chunks: Iterable[Images], batch_size: int) -> Iterator[tuple[Images, int]]:
    """Yield (batch_size, H, W, 3) uint8 batches and how many of their images are real."""
    pending: list[Images] = []
    size: tuple[int, ...] | None = None
    for chunk in chunks:
        if chunk.ndim != 4 or chunk.shape[-1] != 3 or 0 in chunk.shape[1:] or chunk.dtype != np.uint8:
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
