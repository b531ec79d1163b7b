"""Artifacts of the metrics: graphs, feature batches and reference batches."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import identity, read_made_by, read_manifest
from adm.artifacts.reading import Shape, read_npz
from adm.artifacts.streaming import names_in_npz
from adm.artifacts.writing import write_npz
from adm.metrics.features import Features
from adm.metrics.statistics import FeatureStatistics
from adm.params.errors import UserError

GRAPH = "graph.pb"
FEATURES = "features.npz"
REFERENCE = "reference.npz"


def write_features(folder: Path, features: Features) -> None:
    """Write the features into an existing folder."""
    write_npz(folder / FEATURES, pool=features.pool, spatial=features.spatial, logits=features.logits)


def read_features(folder: Path, images: Path, side: int | None = None) -> Features:
    """Read a feature batch.

    Args:
        folder: The artifact of the stage `features`.
        images: The artifact or file of images that the features must belong to.
        side: The side of the images, where `images` does not tell it because it stores files.

    Raises:
        UserError: The folder holds no features, it changed, it holds NaN or infinity, or belongs to other images.
    """
    manifest = read_manifest(folder, "features")
    if manifest.inputs.get("images") != identity(images):
        raise UserError(f"{folder}: holds features of other images than those of {images}")
    if (found := manifest.params.get("dataset", {}).get("image_size", side)) != side:
        raise UserError(f"{folder}: holds features of images of side {found}, not {side}")
    matrix = ("float32", (None, None))
    features = Features(**read_npz(folder / FEATURES, {"pool": matrix, "spatial": matrix, "logits": matrix}))
    if len({len(rows) for rows in (features.pool, features.spatial, features.logits)}) > 1:
        raise UserError(f"{folder / FEATURES}: holds pool, spatial and logits of different numbers of images")
    return features


def require_same_graph(features: Path, *others: Path) -> None:
    """Refuse features that cannot be compared with other features, or with a reference.

    Raises:
        UserError: They were computed with different graphs.
    """
    for other in others:
        if graph_of(other) not in (None, graph_of(features)):
            raise UserError(f"{features}: holds features of another graph than those behind {other}")


def graph_of(folder: Path) -> str | None:
    """The identity of the graph behind features or a reference; None for published statistics, which do not name it."""
    manifest = read_made_by(folder, "features", "reference", "adopt")
    return manifest.inputs.get("graph") if manifest.stage == "features" else manifest.facts.get("graph")


def write_reference(
    folder: Path,
    pool: FeatureStatistics,
    spatial: FeatureStatistics,
    images: NDArray[np.uint8],
    held_out: FeatureStatistics | None = None,
) -> None:
    """Write a reference batch in the format of the released files: mu, sigma, mu_s, sigma_s and arr_0.

    If statistics of held-out images are given, the file also holds mu_held_out and sigma_held_out.
    """
    arrays: dict[str, NDArray[Any]] = {
        "mu": pool.mu,
        "sigma": pool.sigma,
        "mu_s": spatial.mu,
        "sigma_s": spatial.sigma,
        "arr_0": images,
    }
    if held_out is not None:
        arrays |= {"mu_held_out": held_out.mu, "sigma_held_out": held_out.sigma}
    write_npz(folder / REFERENCE, **arrays)


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


def read_held_out_statistics(folder: Path) -> FeatureStatistics | None:
    """Read the statistics of pooled features of held-out images; None if the reference's dataset has none.

    This does not check the folder against its manifest; `read_reference_statistics` does.

    Raises:
        UserError: The arrays cannot be read.
    """
    if "mu_held_out" not in names_in_npz(folder / REFERENCE):
        return None
    expected: dict[str, tuple[str, Shape]] = {
        "mu_held_out": ("float64", (None,)),
        "sigma_held_out": ("float64", (None, None)),
    }
    arrays = read_npz(folder / REFERENCE, expected)
    return FeatureStatistics(arrays["mu_held_out"], arrays["sigma_held_out"])
