"""Metrics from the features of a second network, which the user provides, such as DINOv2."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import library_versions, sha256
from adm.config.metrics import FEWEST_FOR_INTERVALS
from adm.data.images import Images
from adm.evaluation.feature_store import FeatureStore, Rows
from adm.metrics.density_coverage import density_coverage
from adm.metrics.frechet import frechet_distance
from adm.metrics.jackknife import Values, jackknife
from adm.metrics.kernel import kernel_distance
from adm.metrics.module_features import ModuleExtractor, Resize, Scaling
from adm.metrics.per_class import Measure
from adm.metrics.statistics import feature_statistics


class SecondExtractor:
    """A network loaded from a file, and how to prepare images for it; see `ModuleExtractor`.

    Raises:
        UserError: The file is no such network, or the device does not exist.
    """

    def __init__(self, path: Path, resize: Resize, scaling: Scaling, device: str, batch: int) -> None:
        self._network = ModuleExtractor(path, resize, scaling, device)
        self._batch = batch
        self._facts = {
            "name": path.name,
            "sha256": sha256(path),
            "resize": str(resize),
            "scaling": scaling,
            "device": device,
            "batch": batch,
        }

    def try_on(self, size: tuple[int, int]) -> None:
        """Run the network on a black batch: an unsuitable network then fails before hours of other work.

        Raises:
            UserError: The network fails on the batch.
        """
        self._network.features(np.zeros((1, *size, 3), np.uint8), self._batch)

    def scores(self, store: FeatureStore, samples: Images, reference: Images, measure: Measure) -> dict[str, Any]:
        """Compute all metrics that need no class probabilities, and report how they were computed.

        Raises:
            UserError: The network fails on the images.
            ValueError: Its features are unusable.
        """
        versions = library_versions(["torch"])
        # The fields of a manifest, though no stage of the pipeline computes these features.
        made_by = {"stage": "second", "params": self._facts, "inputs": {}, "code": "", "versions": versions}

        def compute(chunks: Iterator[NDArray[np.uint8]]) -> Iterator[Rows]:
            return ({"features": self._network.features(chunk, self._batch)} for chunk in chunks)

        fake, real = (store.rows(images, made_by, compute, self._batch)["features"] for images in (samples, reference))
        manifold, balls, kernel = measure(real, fake, 3), density_coverage(real, fake), kernel_distance(real, fake)
        return {
            "frechet_distance": frechet_distance(feature_statistics(real), feature_statistics(fake)),
            "kernel_distance": kernel.value,
            "kernel_distance_standard_error": _error(kernel.value, kernel.without, fake),
            "precision": manifold.precision,
            "recall": manifold.recall,
            "density": balls.density,
            "density_standard_error": _error(balls.density, balls.density_without, fake),
            "coverage": balls.coverage,
            "coverage_standard_error": _error(balls.coverage, balls.coverage_without, fake),
            "dimensions": fake.shape[1],
            **self._facts,
            "versions": versions,
        }


def _error(value: float, without: Callable[[], Values], samples: NDArray[np.float32]) -> float | None:
    """The standard error of a metric; None of too few samples."""
    if len(samples) < FEWEST_FOR_INTERVALS:
        return None
    return math.sqrt(jackknife(value, without(), len(samples)).variance)
