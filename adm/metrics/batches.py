"""The artifacts that metrics pass on: graphs, feature batches and reference batches."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import read_manifest
from adm.artifacts.reading import read_npz
from adm.artifacts.writing import write_npz
from adm.metrics.features import Features
from adm.metrics.statistics import FeatureStatistics

GRAPH = "graph.pb"
FEATURES = "features.npz"
REFERENCE = "reference.npz"


def write_features(folder: Path, features: Features) -> None:
    """Write the features into an existing folder."""
    write_npz(folder / FEATURES, pool=features.pool, spatial=features.spatial, logits=features.logits)


def read_features(folder: Path) -> Features:
    """Read a feature batch.

    Raises:
        UserError: The folder holds none, it changed, or it holds NaN or infinity.
    """
    read_manifest(folder, "features")
    matrix = ("float32", (None, None))
    return Features(**read_npz(folder / FEATURES, {"pool": matrix, "spatial": matrix, "logits": matrix}))


def write_reference(
    folder: Path, pool: FeatureStatistics, spatial: FeatureStatistics, images: NDArray[np.uint8]
) -> None:
    """Write a reference batch in the released files' format: mu, sigma, mu_s, sigma_s and arr_0."""
    write_npz(folder / REFERENCE, mu=pool.mu, sigma=pool.sigma, mu_s=spatial.mu, sigma_s=spatial.sigma, arr_0=images)


def read_reference_statistics(folder: Path) -> tuple[FeatureStatistics, FeatureStatistics]:
    """Read the statistics of pooled and of spatial features.

    Raises:
        UserError: The folder holds no reference batch, or it changed.
    """
    read_manifest(folder, "reference", "adopt")
    vector, matrix = ("float64", (None,)), ("float64", (None, None))
    arrays = read_npz(folder / REFERENCE, {"mu": vector, "sigma": matrix, "mu_s": vector, "sigma_s": matrix})
    pool = FeatureStatistics(arrays["mu"], arrays["sigma"])
    return pool, FeatureStatistics(arrays["mu_s"], arrays["sigma_s"])
