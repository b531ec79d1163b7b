"""Artifacts of the metrics: graphs, feature batches and reference batches."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import read_manifest, read_record
from adm.artifacts.reading import names_in_npz, read_npy, read_npz
from adm.artifacts.streaming import write_npz_rows, write_rows
from adm.errors import UserError
from adm.metrics.features import LAYERS, Features
from adm.metrics.statistics import FeatureStatistics, read_published_statistics

GRAPH = "graph.pb"
REFERENCE = "reference.npz"
HELD_OUT = "pool_held_out"

JUDGE = "judge"
"""The fact of an extractor's manifest, and of what it scores: its `accuracy` on held-out images, that of `chance`, and
which of them it tells apart, `classes` or `rotations`."""


def write_features(folder: Path, count: int, batches: Iterable[Features]) -> None:
    """Write the features of `count` images into an existing folder, an npy a layer, with one batch in memory at a time.

    The bytes do not depend on the batches, of which there is one at least.
    """
    with ExitStack() as files:
        opened = {layer: files.enter_context((folder / f"{layer}.npy").open("wb")) for layer in LAYERS}
        for number, batch in enumerate(batches):
            for layer, file in opened.items():
                write_rows(file, getattr(batch, layer), count, number)


def read_features(folder: Path) -> Features:
    """Map the features of images into memory, read-only, from the artifact of the stage `features`.

    Raises:
        UserError: The folder holds no features, it changed, or it holds NaN or infinity.
    """
    read_manifest(folder)
    return Features(*(read_npy(folder / f"{layer}.npy", "float32", (None, None)) for layer in LAYERS))


def require_same_graph(features: Path, *others: Path) -> None:
    """Refuse features that cannot be compared with other features, or with a reference.

    Raises:
        UserError: They were computed with different graphs.
    """
    for other in others:
        # Published statistics name no graph.
        graph, its = (one.facts.get("graph", one.inputs.get("graph")) for one in map(read_record, (features, other)))
        if its not in (None, graph):
            raise UserError(f"{features}: holds features of another graph than those behind {other}")


def judge_of(folder: Path) -> dict[str, Any]:
    """Return how well the extractor behind features, or of a graph, does its task, as a fact; {} of a published one."""
    facts = read_record(folder).facts
    return {JUDGE: facts[JUDGE]} if JUDGE in facts else {}


def write_reference(
    folder: Path,
    pool: FeatureStatistics,
    spatial: FeatureStatistics,
    count: int,
    images: Iterable[NDArray[np.uint8]],
    held_out: NDArray[np.float32] | None = None,
) -> None:
    """Write a reference batch in the format of the released files: mu, sigma, mu_s, sigma_s and arr_0.

    The `count` images come a stretch (n, H, W, 3) at a time. The pooled features (M, D) of held-out images, if there
    are any, become pool_held_out. The folder exists.
    """
    fitted = {"mu": pool.mu, "sigma": pool.sigma, "mu_s": spatial.mu, "sigma_s": spatial.sigma}
    unseen = {} if held_out is None else {HELD_OUT: held_out}
    whole, behind = ({name: (len(array), [array]) for name, array in part.items()} for part in (fitted, unseen))
    write_npz_rows(folder / REFERENCE, **whole, arr_0=(count, images), **behind)


def read_reference(folder: Path) -> tuple[FeatureStatistics, FeatureStatistics, NDArray[np.float32] | None]:
    """Read the statistics of pooled and of spatial features, and the pooled features (M, D) of held-out images, if any.

    Raises:
        UserError: The folder holds no reference batch, or it changed.
    """
    read_manifest(folder)
    pool, spatial = read_published_statistics(path := folder / REFERENCE)
    if HELD_OUT not in names_in_npz(path):
        return pool, spatial, None
    return pool, spatial, read_npz(path, {HELD_OUT: ("float32", (None, None))})[HELD_OUT]
