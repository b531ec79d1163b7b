"""The sample batch as an artifact: `samples.npz` with `arr_0` (N, H, W, 3) uint8 and `arr_1` (N,) int64 labels."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.class_names import Names, fact_of
from adm.artifacts.manifest import EVERY, MadeBy, read_manifest, write_manifest
from adm.artifacts.reading import Shape, read_npz
from adm.artifacts.streaming import write_npz_rows
from adm.artifacts.writing import new_folder

SAMPLES = "samples.npz"

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


class Samples(NamedTuple):
    """Finished images: (B, H, W, 3) uint8, and their labels (B,) int64."""

    images: Images
    labels: Labels


def write_blocks(out: Path, made_by: MadeBy, count: int, blocks: Iterable[Samples], class_names: Names = None) -> None:
    """Write a whole run block by block, with one block in memory at a time.

    The bytes depend on the images, and not on how many a block has. Images of the last block beyond
    `count`, the run's number of images, are cut off.
    """
    all_labels: list[Labels] = []

    def all_images() -> Iterator[Images]:
        left = count
        for images, labels in blocks:
            all_labels.append(labels[:left])
            yield images[:left]
            left -= len(all_labels[-1])
            del images  # frees them before the next block is made

    with new_folder(out) as folder:
        # The images are written first and iterated once; by then `all_labels` holds every label.
        write_npz_rows(folder / SAMPLES, arr_0=(count, all_images()), arr_1=(count, all_labels))
        write_manifest(folder, made_by, {"num_samples": count, **fact_of(class_names)})


def read_batch(folder: Path, checked: slice = EVERY) -> Samples:
    """Read a whole run: images (N, H, W, 3), mapped into memory read-only, and labels (N,).

    Args:
        folder: The run's artifact.
        checked: Which files this process checks while other processes check the rest; see `read_manifest`.

    Raises:
        UserError: The folder holds no sample batch, or it changed.
    """
    read_manifest(folder, checked=checked)
    expected: dict[str, tuple[str, Shape]] = {"arr_0": ("uint8", (None, None, None, 3)), "arr_1": ("int64", (None,))}
    arrays = read_npz(folder / SAMPLES, expected, mapped=["arr_0"])
    return Samples(arrays["arr_0"], arrays["arr_1"])
