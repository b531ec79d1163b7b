"""`features`: pooled, spatial and logit features of a sample batch, a dataset or a reference batch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import provenance, read_manifest, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.images import open_npz
from adm.data.shards import ImageShards
from adm.determinism import make_deterministic
from adm.metrics.batches import GRAPH, REFERENCE, write_features
from adm.metrics.executors import LIBRARIES, open_graph
from adm.parallel import process_group
from adm.params.data import DatasetParams, GraphParams, of_files
from adm.params.errors import UserError
from adm.progress import rows_of
from adm.sampling.batch import SAMPLES

CHUNK = 256
"""Number of images in memory at once, and between two updates of the progress bar; no feature depends on it."""


def run(
    extractor: GraphParams,
    images: Path,
    graph: Path,
    out: Path,
    device: str,
    timeout_seconds: int,
    dataset: DatasetParams | None = None,
) -> None:
    """Run the extractor's graph over every image of an artifact; several processes share its batches.

    A dataset's held-out images come last. A dataset that stores files is given with its section, for the side of its
    images.

    Raises:
        UserError: The graph cannot be run, or an artifact is missing, changed or of another kind.
    """
    make_deterministic(extractor.threads)
    inputs = {"images": images, "graph": graph}
    sections = {"extractor": extractor, **of_files(dataset)}
    made_by = provenance("features", sections, inputs, LIBRARIES[extractor.executor])
    with process_group(device, timeout_seconds) as group:
        read_manifest(graph, "extractor", "adopt", checked=group.rank_slice)
        side = dataset.side if dataset else None
        pixels = _read_images(images, group.rank_slice, side, extractor.threads)
        group.barrier()
        try:
            executor = open_graph(extractor, graph / GRAPH, str(group.device))
            features = executor.features(pixels, extractor.feature_batch, group.map)
        except ValueError as error:
            raise UserError(f"{images} through {graph}: {error}") from error
    if group.is_main:
        with new_folder(out) as folder:
            write_features(folder, features)
            write_manifest(folder, made_by, {"num_images": len(features.pool)})


def _read_images(folder: Path, checked: slice, side: int | None, threads: int) -> Iterator[NDArray[np.uint8]]:
    files = read_manifest(folder, "sample", "sample_gan", "prepare", "reference", "adopt", checked=checked).files
    # The files decide the kind, because `adopt` makes artifacts of both kinds.
    if batches := [name for name in (SAMPLES, REFERENCE) if name in files]:
        batch = open_npz(folder / batches[0])
        return rows_of(batch.chunks(CHUNK), batch.count)
    shards = ImageShards(folder, side, checked, ("training", "held_out"), threads)
    return rows_of((shards[start : start + CHUNK] for start in range(0, len(shards), CHUNK)), len(shards))
