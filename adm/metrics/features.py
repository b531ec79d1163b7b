"""The features that metrics are computed from, and what computes them a batch at a time."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

Images = npt.NDArray[np.uint8]
Outputs = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]
Mapping = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""The builtin `map`, or the same function over several processes."""

LAYERS = ("pool", "spatial", "logits")
"""The arrays of `Features`, in order."""


@dataclass(frozen=True, eq=False)
class Features:
    """Outputs of a frozen graph for N images; row i belongs to image i.

    Attributes:
        pool: (N, D) float32, globally pooled features, for FID, precision and recall.
        spatial: (N, S) float32, the first seven channels of a feature map, flattened (H, W, C), for sFID.
        logits: (N, C) float32, class logits without a bias, for the Inception Score.
    """

    pool: npt.NDArray[np.float32]
    spatial: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]


class Executor(ABC):
    """A loaded graph or network, which computes features of images.

    Args:
        path: Its file, for errors.
        resize: How it resizes images, for the record.
    """

    def __init__(self, path: Path, resize: str = "") -> None:
        self._path = path
        self.resize = resize

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
            ValueError: features with NaN or infinity, as broken weights give them, or of another number of images.
        """
        chunks = [images] if isinstance(images, np.ndarray) else images

        def computed(batch: tuple[Images, int]) -> tuple[npt.NDArray[Any], ...]:
            return *self._outputs(batch[0]), np.array(batch[1])

        for *outputs, num_valid in mapping(computed, _batches(chunks, batch_size)):
            for layer, output in zip(LAYERS, outputs, strict=True):
                place = f"{self._path}: its {layer} features"
                if len(output) != batch_size:
                    raise ValueError(f"{place} are of {len(output)} images, expected {batch_size}")
                if not np.isfinite(output[:num_valid]).all():
                    raise ValueError(f"{place} hold NaN or infinity, expected finite numbers")
            yield Features(*(output[:num_valid] for output in outputs))

    def features(self, images: Images | Iterable[Images], batch_size: int = 64) -> Features:
        """Compute the features of images and keep all of them; see `batches`."""
        batches = list(self.batches(images, batch_size))
        return Features(*(np.concatenate([getattr(batch, layer) for batch in batches]) for layer in LAYERS))


def _batches(chunks: Iterable[Images], batch_size: int) -> Iterator[tuple[Images, int]]:
    """Yield (batch_size, H, W, 3) uint8 batches and how many of their images are real."""
    images = chain.from_iterable(chunks)
    while batch := list(islice(images, batch_size)):
        filling = [np.zeros_like(batch[0])] * (batch_size - len(batch))
        yield np.stack([*batch, *filling]), len(batch)
