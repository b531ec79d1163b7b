"""`features`: pooled, spatial and logit features of a sample batch, a dataset or a reference batch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import provenance, read_manifest, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.shards import ImageShards
from adm.metrics.batches import GRAPH, read_reference_images, write_features
from adm.metrics.graph import FrozenGraph
from adm.params.data import ExtractorParams
from adm.params.errors import UserError
from adm.sampling.batch import read_batch

CHUNK = 4096
"""Images of a dataset held in memory at a time."""


def run(extractor: ExtractorParams, images: Path, graph: Path, out: Path) -> None:
    """Run the extractor's graph over every image of an artifact."""
    made_by = provenance("features", {"extractor": extractor}, {"images": images, "graph": graph}, ["tensorflow"])
    read_manifest(graph, "extractor")
    pixels = _read_images(images)
    try:
        features = FrozenGraph(graph / GRAPH, extractor.threads).features(pixels, extractor.feature_batch)
    except ValueError as error:
        raise UserError(f"{images} through {graph}: {error}") from error
    with new_folder(out) as folder:
        write_features(folder, features)
        write_manifest(folder, made_by, {"num_images": len(features.pool)})


def _read_images(folder: Path) -> NDArray[np.uint8] | Iterator[NDArray[np.uint8]]:
    match read_manifest(folder, "sample", "prepare", "reference").stage:
        case "sample":
            return read_batch(folder)[0]
        case "reference":
            return read_reference_images(folder)
        case _:
            shards = ImageShards(folder)
            return (shards[start : start + CHUNK] for start in range(0, len(shards), CHUNK))
