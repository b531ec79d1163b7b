"""`prepare`: a source of labelled images as sharded arrays."""

from pathlib import Path

import numpy as np

from adm.artifacts.manifest import provenance, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.shards import write_shards
from adm.data.sources import SOURCES, chunks, view
from adm.params.data import DatasetParams
from adm.progress import progress


def run(dataset: DatasetParams, out: Path) -> None:
    """Crop every image to the dataset's size and write the shards, one at a time.

    Raises:
        UserError: The source is missing, damaged, or does not hold what the dataset asks for.
    """
    libraries = ["numpy", "pillow", *(["scikit-learn"] if dataset.source == "digits" else [])]
    made_by = provenance("prepare", {"dataset": dataset}, {}, libraries)
    source = SOURCES[dataset.source](dataset)
    kept = view(source, dataset)
    with new_folder(out) as folder, progress(total=len(kept), unit="image") as bar:
        for number, (images, labels) in enumerate(chunks(source, kept, dataset.image_size, dataset.shard_size)):
            write_shards(folder, images, labels, dataset.shard_size, number)
            bar.update(len(images))
        counts = np.bincount(source.labels[kept], minlength=dataset.num_classes)
        write_manifest(folder, made_by, {"num_images": len(kept), "images_per_class": counts.tolist()})
