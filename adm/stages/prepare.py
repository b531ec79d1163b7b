"""`prepare`: a source of labelled images as sharded arrays."""

from pathlib import Path

import numpy as np

from adm.artifacts.manifest import provenance, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.crops import centre_crop
from adm.data.shards import write_shards
from adm.data.sources import SOURCES
from adm.params.data import DatasetParams
from adm.params.errors import UserError


def run(dataset: DatasetParams, out: Path) -> None:
    """Crop every image to the dataset's size and write the shards."""
    made_by = provenance("prepare", {"dataset": dataset}, {}, ["numpy", "pillow", "scikit-learn"])
    images, labels = SOURCES[dataset.source]()
    if images.shape[1:3] != (dataset.image_size,) * 2:
        images = np.stack([centre_crop(image, dataset.image_size) for image in images])
    if labels.max() >= dataset.num_classes:
        raise UserError(
            f"datasets: source {dataset.source!r} has a class {labels.max()}, but num_classes is {dataset.num_classes}"
        )
    with new_folder(out) as folder:
        write_shards(folder, images, labels, dataset.shard_size)
        counts = np.bincount(labels, minlength=dataset.num_classes)
        write_manifest(folder, made_by, {"num_images": len(images), "images_per_class": counts.tolist()})
