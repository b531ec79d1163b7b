"""`features`: pooled, spatial and logit features of a sample batch, a dataset or a reference batch."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import provenance, read_manifest, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.shards import ImageShards
from adm.metrics.batches import GRAPH, REFERENCE, read_reference_images, write_features
from adm.metrics.features import Features
from adm.params.data import GraphParams
from adm.params.errors import UserError
from adm.sampling.batch import SAMPLES, read_batch

CHUNK = 4096
"""Images of a dataset held in memory at a time."""

LIBRARIES = {"torch": ["torch"], "tensorflow": ["tensorflow"]}
"""What an executor's results depend on."""

Images = NDArray[np.uint8] | Iterable[NDArray[np.uint8]]


def run(extractor: GraphParams, images: Path, graph: Path, out: Path) -> None:
    """Run the extractor's graph over every image of an artifact.

    Raises:
        UserError: The graph cannot be run, or an artifact is missing, changed or of another kind.
    """
    inputs = {"images": images, "graph": graph}
    made_by = provenance("features", {"extractor": extractor}, inputs, LIBRARIES[extractor.executor])
    read_manifest(graph, "extractor", "adopt")
    pixels = _read_images(images)
    try:
        features = _features(extractor, graph / GRAPH, pixels)
    except ValueError as error:
        raise UserError(f"{images} through {graph}: {error}") from error
    with new_folder(out) as folder:
        write_features(folder, features)
        write_manifest(folder, made_by, {"num_images": len(features.pool)})


def _features(extractor: GraphParams, path: Path, pixels: Images) -> Features:
    # Imported here: TensorFlow takes seconds to start, and a machine that runs graphs by torch need not have it.
    if extractor.executor == "tensorflow":
        from adm.metrics.graph import FrozenGraph  # noqa: PLC0415

        return FrozenGraph(path, extractor.threads).features(pixels, extractor.feature_batch)
    from adm.metrics.torch_graph import TorchGraph  # noqa: PLC0415

    executor = TorchGraph(path, extractor.threads, extractor.device, compiled=extractor.compiled)
    return executor.features(pixels, extractor.feature_batch)


def _read_images(folder: Path) -> NDArray[np.uint8] | Iterator[NDArray[np.uint8]]:
    files = read_manifest(folder, "sample", "sample_gan", "prepare", "reference", "adopt").files
    # An adopted artifact may be of either kind, so the files tell, not the stage.
    if SAMPLES in files:
        return read_batch(folder)[0]
    if REFERENCE in files:
        return read_reference_images(folder)
    shards = ImageShards(folder)
    return (shards[start : start + CHUNK] for start in range(0, len(shards), CHUNK))
