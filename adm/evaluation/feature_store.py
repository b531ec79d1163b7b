"""Features on disk, written while they are computed: memory does not grow with the number of images."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from adm.artifacts.manifest import MANIFEST, library_versions, read_manifest, write_manifest
from adm.artifacts.streaming import write_npys
from adm.artifacts.writing import new_folder
from adm.data.images import Images
from adm.progress import rows_of

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
        self,
        images: Images,
        made_by: Mapping[str, Any],
        compute: Callable[[Iterator[NDArray[np.uint8]]], Iterable[Rows]],
        batch: int,
    ) -> Rows:
        """Features of all images, mapped read-only from disk; missing ones are computed first.

        Args:
            images: The images.
            made_by: Provenance of the features.
            compute: Takes all images, (n, H, W, 3) uint8 at a time with n <= `batch`, and yields their rows, a stretch
                at a time.
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
                chunks = rows_of(images.chunks(batch), images.count, name=images.path.name)
                write_npys(partial, images.count, compute(chunks))
                write_manifest(partial, made_by, facts)
        names = [name for name in read_manifest(found, made_by["stage"]).files if name != MANIFEST]
        return {name.removesuffix(".npy"): open_memmap(found / name, mode="r") for name in names}


@contextmanager
def cache_folder(kept: Path | None) -> Iterator[Path]:
    """Yield the given folder, or a temporary one."""
    if kept is not None:
        yield kept
    else:
        with TemporaryDirectory(prefix="adm-features-") as folder:
            yield Path(folder)
