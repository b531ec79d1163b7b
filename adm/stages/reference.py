"""`reference`: statistics of a dataset's features, and the images for precision and recall."""

from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from adm.artifacts.manifest import MadeBy, read_record, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.shards import ImageShards
from adm.errors import UserError
from adm.metrics.batches import read_features, write_reference
from adm.metrics.statistics import feature_statistics
from adm.params.data import DatasetParams, ReferenceParams


def run(
    reference: ReferenceParams,
    features: Path,
    data: Path,
    out: Path,
    made_by: MadeBy,
    dataset: DatasetParams | None = None,
) -> None:
    """Fit both Gaussians, and choose images at random, in the dataset's order.

    Both use training images only. If there are held-out images, the batch holds their pooled features. A dataset that
    stores files is given with its section, for the side of its images.

    Raises:
        UserError: The dataset has fewer images than `num_images`.
    """
    images = ImageShards(data, dataset.side if dataset else None)
    layers = read_features(features)
    if reference.num_images > len(images):
        place = f"references.{out.name}.num_images {reference.num_images}"
        raise UserError(f"{place}: {data} has {len(images)} images to train on; write so many, or fewer")
    chosen = np.sort(np.random.default_rng(0).permutation(len(images))[: reference.num_images])
    trained_on, held_out = slice(len(images)), layers.pool[len(images) :]
    graph = read_record(features).inputs["graph"]
    facts: dict[str, Any] = {"fitted_images": len(images), "num_images": len(chosen), "graph": graph}
    facts |= {"held_out_images": len(held_out)} if len(held_out) else {}
    with threadpool_limits(reference.threads):
        pool, spatial = feature_statistics(layers.pool[trained_on]), feature_statistics(layers.spatial[trained_on])
    with new_folder(out) as folder:
        write_reference(folder, pool, spatial, len(chosen), images.chunks(chosen), held_out if len(held_out) else None)
        write_manifest(folder, made_by, facts)
