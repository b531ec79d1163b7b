"""The sample batch as an artifact: `samples.npz` with `arr_0` (N, H, W, 3) uint8 and `arr_1` (N,) int64 labels."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.class_names import Names, fact_of
from adm.artifacts.manifest import EVERY, MadeBy, fingerprint, read_manifest, write_manifest
from adm.artifacts.reading import Shape, read_npz, stream_npz
from adm.artifacts.streaming import CHUNK, stretches, write_npz_rows
from adm.artifacts.writing import new_file, new_folder
from adm.config.sampling import Sampling
from adm.errors import UserError
from adm.sampling.blocks import Shard, samples_of

SAMPLES = "samples.npz"

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


class Samples(NamedTuple):
    """Finished images: (B, H, W, 3) uint8, and their labels (B,) int64."""

    images: Images
    labels: Labels


def write_blocks(out: Path, made_by: MadeBy, count: int, blocks: Iterable[Samples], class_names: Names = None) -> None:
    """Write a whole run block by block, with one block in memory at a time.

    The bytes do not depend on the block size or on whether shards were gathered. Images of the last block beyond
    `count`, the run's number of images, are cut off.
    """
    with new_folder(out) as folder:
        _write(folder / SAMPLES, count, blocks)
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


def write_shard(out: Path, run: Sampling, made_by: MadeBy, shard: Shard, blocks: Iterable[Samples]) -> None:
    """Write a shard of a run, with one block in memory at a time; its fingerprint names the shard and the run."""
    count, told = len(samples_of(shard, run.num_samples, run.micro_batch)), _fingerprint(made_by, shard)
    with new_file(out) as path:
        _write(path, count, blocks, made_by=(len(told), [told]))


def read_shard(path: Path, run: Sampling, made_by: MadeBy, shard: Shard) -> Iterator[Samples]:
    """Read a shard of a run, a stretch of its images and labels at a time.

    Raises:
        UserError: The file is another shard, or was sampled by another run, from other checkpoints or by other code;
            while images are read, it is damaged.
    """
    count = len(samples_of(shard, run.num_samples, run.micro_batch))
    images = stream_npz(path, "arr_0", ("uint8", (count, None, None, 3)))
    arrays = read_npz(path, {"arr_1": ("int64", (count,)), "made_by": ("uint8", (None,))})
    if not np.array_equal(arrays["made_by"], _fingerprint(made_by, shard)):
        raise UserError(
            f"{path}: is not shard {shard} of this run: it is another one, or was sampled by another run, from other "
            "checkpoints or by other code; sample it again"
        )
    return map(Samples, images.rows(CHUNK), stretches(arrays["arr_1"], CHUNK))


def of_shard(made_by: MadeBy, shard: Shard) -> MadeBy:
    """Tell what decides the samples of a shard of a run."""
    return {**made_by, "shard": str(shard)}


def _write(path: Path, count: int, blocks: Iterable[Samples], **more: tuple[int, Iterable[NDArray[Any]]]) -> None:
    all_labels: list[Labels] = []

    def all_images() -> Iterator[Images]:
        left = count
        for images, labels in blocks:
            all_labels.append(labels[:left])
            yield images[:left]
            left -= len(all_labels[-1])
            del images  # frees them before the next block is made

    # The images are written first and iterated once; by then `all_labels` holds every label.
    write_npz_rows(path, arr_0=(count, all_images()), arr_1=(count, all_labels), **more)


def _fingerprint(made_by: MadeBy, shard: Shard) -> NDArray[np.uint8]:
    # Shards of equal length look the same; only the fingerprint tells them apart.
    return np.frombuffer(fingerprint(of_shard(made_by, shard)).encode(), np.uint8)
