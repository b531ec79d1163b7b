"""`reference`: statistics of a whole dataset's features, and the images for precision and recall."""

from pathlib import Path

import numpy as np
import torch

from adm.artifacts.manifest import provenance, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.shards import ImageShards
from adm.determinism import generator, settle
from adm.metrics.batches import read_features, write_reference
from adm.metrics.statistics import feature_statistics
from adm.params.data import ReferenceParams
from adm.params.errors import UserError


def run(reference: ReferenceParams, features: Path, data: Path, out: Path) -> None:
    """Fit both Gaussians and choose the images at random, in the dataset's order.

    Raises:
        UserError: Features and dataset differ in length, or the dataset has fewer images than asked for.
    """
    settle(reference.threads)
    made_by = provenance("reference", {"reference": reference}, {"features": features, "data": data}, ["numpy"])
    found, images = read_features(features), ImageShards(data)
    if len(found.pool) != len(images):
        raise UserError(f"{features}: holds features of {len(found.pool)} images, but {data} has {len(images)}")
    if reference.num_images > len(images):
        raise UserError(
            f"{data}: has {len(images)} images, fewer than the reference's num_images {reference.num_images}"
        )
    order = torch.randperm(len(images), generator=generator(0)).numpy()
    chosen = np.sort(order[: reference.num_images])
    with new_folder(out) as folder:
        write_reference(folder, feature_statistics(found.pool), feature_statistics(found.spatial), images[chosen])
        write_manifest(folder, made_by, {"num_images": len(images)})
