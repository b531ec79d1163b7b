"""Batches that others published, in the released npz format."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from adm.artifacts.reading import check_array
from adm.metrics.statistics import FeatureStatistics
from adm.params.errors import UserError


def read_published_samples(
    path: Path, side: int, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], dict[str, Any]]:
    """Read the first `count` samples of a batch.

    Returns:
        Images (count, side, side, 3), labels (count,), which are zero where the batch has none, and facts about it.

    Raises:
        UserError: The file is no such batch, or has fewer samples.
    """
    arrays = _read_arrays(path, "arr_0", "arr_1")
    images = _images(path, arrays, side, count)
    total = len(arrays["arr_0"])
    labels = arrays.get("arr_1", np.zeros(total, np.int64))
    if labels.dtype.kind not in "iu":
        raise UserError(f"{path}: arr_1: has dtype {labels.dtype}, not integers")
    labels = labels.astype(np.int64)
    check_array(f"{path}: arr_1", labels, "int64", (total,))
    facts = {"num_samples": len(images), "published_samples": total, "labelled": "arr_1" in arrays}
    return images, labels[: len(images)], facts


def read_published_reference(
    path: Path, side: int, count: int | None
) -> tuple[FeatureStatistics, FeatureStatistics, NDArray[np.uint8], dict[str, Any]]:
    """Read a reference batch: statistics of pooled and of spatial features, its first `count` images, and facts.

    Raises:
        UserError: The file is no such batch, or has fewer images.
    """
    arrays = _read_arrays(path, "mu", "sigma", "mu_s", "sigma_s", "arr_0")
    pool, spatial = _statistics(path, arrays, "mu", "sigma"), _statistics(path, arrays, "mu_s", "sigma_s")
    images = _images(path, arrays, side, count)
    return pool, spatial, images, {"num_images": len(images), "published_images": len(arrays["arr_0"])}


def _read_arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Those of the named arrays that an npz holds, of any dtype: the released files do not agree on one."""
    try:
        # Opened here, since numpy leaves a file open that it cannot read.
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in names if name in archive.files}
    except Exception as error:  # damaged bytes make zipfile and numpy's parser of headers raise nearly anything
        brief = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: is no readable npz, truncated or of another format ({brief})") from error
    for name, array in arrays.items():
        # Of a zip entry that is no npy file numpy returns the bytes.
        if not isinstance(array, np.ndarray):
            raise UserError(f"{path}: {name}: is no array")
    return arrays


def _required(path: Path, arrays: dict[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name not in arrays:
        raise UserError(f"{path}: holds no array {name!r}")
    return arrays[name]


def _images(path: Path, arrays: dict[str, NDArray[Any]], side: int, count: int | None) -> NDArray[np.uint8]:
    images = _required(path, arrays, "arr_0")
    check_array(f"{path}: arr_0", images, "uint8", (None, side, side, 3))
    if count is not None and len(images) < count:
        raise UserError(f"{path}: arr_0: holds {len(images)} images, fewer than {count}")
    return images[:count]


def _statistics(path: Path, arrays: dict[str, NDArray[Any]], mu: str, sigma: str) -> FeatureStatistics:
    found = {}
    for name in (mu, sigma):
        array = _required(path, arrays, name)
        if array.dtype.kind != "f":
            raise UserError(f"{path}: {name}: has dtype {array.dtype}, not floats")
        found[name] = array.astype(np.float64)
    try:
        return FeatureStatistics(found[mu], found[sigma])
    except ValueError as error:
        raise UserError(f"{path}: {mu} and {sigma}: {error}") from error
