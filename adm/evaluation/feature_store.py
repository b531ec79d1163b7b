"""Features on disk, written while they are computed: memory does not grow with the number of images."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from adm.artifacts.manifest import MANIFEST, library_versions, read_manifest, write_manifest
from adm.artifacts.streaming import write_rows
from adm.artifacts.writing import new_folder
from adm.data.images import Images
from adm.progress import progress

STRETCH = 2**28
"""Bytes of images in memory at once; a single batch may be larger."""

Rows = dict[str, NDArray[np.float32]]
"""Arrays by name, with one row for each image."""


class FeatureStore:
    """Computes features once and maps them from disk.

    Features are stored under a hash of the images and the extractor, whole or not at all. If two processes compute the
    same features at once, both write them; an existing mapping stays valid.

    Args:
        folder: Holds the features for later calls.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def rows(
        self, images: Images, made_by: Mapping[str, Any], compute: Callable[[NDArray[np.uint8]], Rows], batch: int
    ) -> Rows:
        """Features of all images, mapped read-only from disk; missing ones are computed first.

        Args:
            images: The images.
            made_by: Provenance of the features.
            compute: Takes (n, H, W, 3) uint8 and returns n rows; n is a multiple of `batch` except in the last call.
            batch: Number of images in a batch of the computation.

        Raises:
            UserError: An image cannot be read, or the stored features were changed.
            ValueError: The features cannot be computed.
        """
        facts = {"images": images.digest, "num_images": images.count, "decoder": library_versions(["pillow"])}
        key = hashlib.sha256(json.dumps([made_by, facts], sort_keys=True).encode()).hexdigest()[:16]
        found = self._folder / key
        if not found.is_dir():
            with new_folder(found) as partial:
                _compute(images, compute, batch, partial)
                write_manifest(partial, made_by, facts)
        names = [name for name in read_manifest(found, made_by["stage"]).files if name != MANIFEST]
        return {name.removesuffix(".npy"): open_memmap(found / name, mode="r") for name in names}


def _compute(images: Images, compute: Callable[[NDArray[np.uint8]], Rows], batch: int, folder: Path) -> None:
    height, width = images.size
    batches = max(STRETCH // (height * width * 3 * batch), 1)
    done = 0
    with ExitStack() as files, progress(total=images.count, unit="image", name=images.path.name) as bar:
        opened: dict[str, Any] = {}
        for chunk in images.chunks(batch * batches):
            for name, rows in compute(chunk).items():
                if name not in opened:
                    opened[name] = files.enter_context((folder / f"{name}.npy").open("wb"))
                write_rows(opened[name], rows, images.count, done)
            done += len(chunk)
            bar.update(len(chunk))


@contextmanager
def cache_folder(kept: Path | None) -> Iterator[Path]:
    """Yield the given folder, or a temporary one."""
    if kept is not None:
        yield kept
    else:
        with TemporaryDirectory(prefix="adm-features-") as folder:
            yield Path(folder)
