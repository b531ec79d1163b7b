"""Features of any number of images, on disk as they are computed: what is in memory does not grow with their number."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.lib.format import open_memmap
from tqdm import tqdm

from adm.artifacts.manifest import provenance, read_manifest, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.images import Images
from adm.metrics.executors import LIBRARIES, Executor
from adm.metrics.features import Features
from adm.params.data import GraphParams

STRETCH = 16
"""Batches whose images are in memory at a time."""

NAMES = ("pool", "spatial", "logits")


class FeatureStore:
    """Computes features once and maps them from disk.

    Args:
        folder: Keeps them for later calls, under a name that images, graph and library make; the files of another call
            are never changed.
        graph: The graph's file.
        params: How it is run.
        executor: The graph, loaded.
    """

    def __init__(self, folder: Path, graph: Path, params: GraphParams, executor: Executor) -> None:
        self._folder, self._params, self._executor = folder, params, executor
        self._made_by = provenance("features", {"extractor": params}, {"graph": graph}, LIBRARIES[params.executor])

    def features(self, images: Images) -> Features:
        """Features of all images, mapped from disk read-only, computed where they are not there yet.

        Raises:
            UserError: An image cannot be read, or what is there was changed.
            ValueError: The graph cannot be run on the images, or gives NaN.
        """
        facts = {"images": images.digest, "num_images": images.count}
        key = hashlib.sha256(json.dumps([self._made_by, facts], sort_keys=True).encode()).hexdigest()[:16]
        found = self._folder / key
        if found.is_dir():
            read_manifest(found, "features")
        else:
            with new_folder(found) as folder:
                self._compute(images, folder)
                write_manifest(folder, self._made_by, facts)
        return Features(*(open_memmap(found / f"{name}.npy", mode="r") for name in NAMES))

    def _compute(self, images: Images, folder: Path) -> None:
        batch = self._params.feature_batch
        maps: dict[str, np.memmap] = {}
        done = 0
        with tqdm(total=images.count, unit="image", desc=images.path.name, disable=None) as bar:
            for chunk in images.chunks(batch * STRETCH):
                features = self._executor.features(chunk, batch)
                for name in NAMES:
                    rows = getattr(features, name)
                    if name not in maps:
                        shape = (images.count, rows.shape[1])
                        maps[name] = open_memmap(folder / f"{name}.npy", "w+", np.float32, shape)
                    maps[name][done : done + len(rows)] = rows
                done += len(chunk)
                bar.update(len(chunk))
        for mapped in maps.values():
            mapped.flush()


@contextmanager
def cache_folder(kept: Path | None) -> Iterator[Path]:
    """Yield the folder that is given, or one that vanishes at the end."""
    if kept is not None:
        yield kept
    else:
        with TemporaryDirectory(prefix="adm-features-") as folder:
            yield Path(folder)
