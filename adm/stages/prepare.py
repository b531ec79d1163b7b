"""`prepare`: writes a source of labelled images as shards, of cropped images or of the files as they are."""

from pathlib import Path

import numpy as np

from adm.artifacts.class_names import fact_of
from adm.artifacts.manifest import MadeBy, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.shards import write_encoded_shard, write_shard
from adm.data.sources import SOURCES, cropped, encoded, looked_at, parts_of
from adm.params.data import DatasetParams
from adm.progress import progress


def run(dataset: DatasetParams, out: Path, made_by: MadeBy) -> None:
    """Write the shards one by one; held-out images have their own.

    Every image is cropped to the dataset's size. With `stored` "files" its file is kept instead, after one look whether
    it can be decoded.

    Raises:
        UserError: The source is missing or damaged, or does not fit the dataset's section.
    """
    source, alike = looked_at(SOURCES[dataset.source](dataset), dataset)
    parts = parts_of(source, dataset, alike)
    kept = np.concatenate(list(parts.values()))
    with new_folder(out) as folder, progress(total=len(kept), unit="image") as bar:
        for part, indices in parts.items():
            for number, start in enumerate(range(0, len(indices), dataset.shard_size)):
                shard = indices[start : start + dataset.shard_size]
                labels = source.labels[shard]
                if dataset.stored == "files":
                    write_encoded_shard(folder, encoded(source, shard, dataset.background), labels, number, part)
                else:
                    write_shard(folder, cropped(source, shard, dataset), labels, number, part)
                bar.update(len(shard))
        counts = np.bincount(source.labels[kept], minlength=dataset.num_classes)
        held_out = {"held_out_images": len(parts["held_out"])} if "held_out" in parts else {}
        facts = {"num_images": len(kept), "images_per_class": counts.tolist(), **held_out}
        write_manifest(folder, made_by, facts | fact_of(source.class_names))
