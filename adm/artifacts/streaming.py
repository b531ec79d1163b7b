"""Arrays a stretch of rows at a time, so that they need not fit into memory; reading from files is in `reading`."""

from collections.abc import Iterable, Iterator
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

CHUNK = 256
"""Number of images in memory at once where nothing else decides it; no result depends on it."""


def stretches(rows: NDArray[Any], length: int) -> Iterator[NDArray[Any]]:
    """Yield rows in order, `length` at a time; those of a mapped file leave memory when the next ones are asked for."""
    for start in range(0, len(rows), length):
        yield rows[start : start + length]
        release(rows)


def release(array: NDArray[Any]) -> None:
    """Take what was read of a mapped file out of this process's memory; it is read again when it is used again.

    Without this the pages stay until the system needs them, and count as memory of the process until then. Arrays
    that are not mapped read-only are left alone.
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap) and not array.flags.writeable:
        base.madvise(MADV_DONTNEED)


def write_npy(path: Path, array: NDArray[Any]) -> None:
    """Write an npy file with the bytes of `numpy.save`, but with a clear error if the disk is full."""
    with path.open("wb") as file:
        write_rows(file, array, len(array), 0)


def write_rows(file: IO[bytes], rows: NDArray[Any], count: int, number: int) -> None:
    """Append a stretch of rows (n, ...) to an npy file that will have `count`; the one of number 0 brings the header.

    It is written as a plain file, so that a full disk raises an error; on a mapped file it would kill the process.
    """
    if number == 0:
        header = {"descr": npy.dtype_to_descr(rows.dtype), "fortran_order": False, "shape": (count, *rows.shape[1:])}
        npy.write_array_header_1_0(file, header)
    file.write(np.ascontiguousarray(rows).data)


def write_npz_rows(path: Path, **arrays: tuple[int, Iterable[NDArray[Any]]]) -> None:
    """Write an npz with the bytes of `numpy.savez`, while holding one stretch of rows at a time.

    Of each array come the number of rows, and the rows a stretch at a time, of one dtype and shape throughout: at least
    one stretch, which may be empty. Arrays are gone through one after the other, in order.
    """
    with ZipFile(path, "w") as archive:
        for name, (count, stretches) in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                for number, rows in enumerate(stretches):
                    write_rows(file, rows, count, number)
                    del rows  # before the next ones are made
