"""Arrays read and written a stretch of rows at a time, so that they need not fit into memory."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from adm.artifacts.archives import Shape, array_names, check_header, open_archive, open_array
from adm.errors import UserError

CHUNK = 256
"""Number of images in memory at once where nothing else decides it; no result depends on it."""


@dataclass(frozen=True)
class StreamedArray:
    """An array of an npz, whose header is read and whose rows are read on demand.

    Attributes:
        path: The npz.
        name: The array's name in it.
        shape: Its shape; the first axis is the one that is streamed.
        dtype: Its dtype, of numbers.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def chunks(self, length: int) -> Iterator[NDArray[Any]]:
        """Yield the rows in order, `length` at a time; the last chunk may be shorter.

        Raises:
            UserError: The file is truncated or damaged.
        """
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        with open_archive(self.path) as archive, open_array(archive, self.path, self.name) as (header, stream):
            if (header.shape, header.dtype) != (self.shape, self.dtype):
                raise UserError(f"{self.path}: {self.name}: has changed while it was read")
            for start in range(0, self.shape[0], length):
                count = min(length, self.shape[0] - start)
                content = stream.read(count * row)
                if len(content) != count * row:
                    raise UserError(f"{self.path}: {self.name}: ends after {start + len(content) // max(row, 1)} rows")
                yield np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])


def names_in_npz(path: Path) -> list[str]:
    """The arrays that an npz holds.

    Raises:
        UserError: The file is missing, or no npz.
    """
    with open_archive(path) as archive:
        return array_names(archive)


def stream_npz(path: Path, name: str, expected: tuple[str, Shape] | None = None) -> StreamedArray:
    """Read the header of an array of an npz.

    Args:
        path: The file.
        name: The array's name in it.
        expected: Its dtype and shape; None accepts any.

    Raises:
        UserError: The file is missing, truncated or no npz, lacks the array, or holds one of another dtype or shape,
            Python objects, or an order of axes that cannot be streamed.
    """
    with open_archive(path) as archive:
        if name not in (names := array_names(archive)):
            raise UserError(f"{path}: holds no array {name!r}; it has {', '.join(names) or 'none'}")
        with open_array(archive, path, name) as (header, _):
            pass
    if expected is not None:
        check_header(f"{path}: {name}", header, *expected)
    if not header.shape:
        raise UserError(f"{path}: {name}: is a single value, not an array of rows")
    if header.is_fortran:
        raise UserError(f"{path}: {name}: is in Fortran order; store numpy.ascontiguousarray of it")
    return StreamedArray(path, name, header.shape, header.dtype)


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


def write_rows(file: IO[bytes], rows: NDArray[Any], count: int, start: int) -> None:
    """Append rows to an npy file that will have `count`; the first ones bring the header.

    It is written as a plain file, so that a full disk raises an error; on a mapped file it would kill the process.

    Args:
        file: Open for writing, at its end.
        rows: (n, ...) of one dtype and shape throughout.
        count: Rows of the whole array.
        start: How many were written before.
    """
    if start == 0:
        _write_header(file, rows, count)
    file.write(np.ascontiguousarray(rows).data)


def write_npys(folder: Path, count: int, stretches_of_rows: Iterable[Mapping[str, NDArray[Any]]]) -> None:
    """Write arrays side by side into a folder, NAME.npy each, while holding one stretch of their rows at a time.

    Args:
        folder: An existing folder.
        count: Rows of each whole array.
        stretches_of_rows: The next rows of every array by its name, as many of each, at least one stretch of at least
            one row; of one dtype and shape throughout.
    """
    with ExitStack() as files:
        opened: dict[str, IO[bytes]] = {}
        written = 0
        for arrays in stretches_of_rows:
            for name, rows in arrays.items():
                if name not in opened:
                    opened[name] = files.enter_context((folder / f"{name}.npy").open("wb"))
                write_rows(opened[name], rows, count, written)
            written += len(rows)
    assert written == count, f"{written} rows of {count}"


def write_npz_rows(path: Path, **arrays: tuple[int, Iterable[NDArray[Any]]]) -> None:
    """Write an npz with the bytes of `adm.artifacts.writing.write_npz`, while holding one stretch of rows at a time.

    Args:
        path: The file.
        arrays: By name, the number of rows, and the rows a stretch at a time, of one dtype and shape throughout. At
            least one stretch, which may be empty. Arrays are gone through one after the other, in order.
    """
    with ZipFile(path, "w") as archive:
        for name, (count, stretches) in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                written = 0
                is_first = True
                for rows in stretches:
                    if is_first:
                        _write_header(file, rows, count)
                    file.write(np.ascontiguousarray(rows).data)
                    is_first, written = False, written + len(rows)
                    del rows  # before the next ones are made
            assert written == count, f"{name}: {written} rows of {count}"


def _write_header(file: IO[bytes], rows: NDArray[Any], count: int) -> None:
    header = {"descr": npy.dtype_to_descr(rows.dtype), "fortran_order": False, "shape": (count, *rows.shape[1:])}
    npy.write_array_header_1_0(file, header)
