"""Arrays of npy, npz and safetensors files, read in chunks in the order in which they are stored."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.archives import read_header
from adm.errors import UserError, brief

DTYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "BF16": "bfloat16",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}
"""Numpy dtypes by safetensors name. Numpy has no bfloat16; its numbers are the upper halves of float32."""

LONGEST_HEADER = 100_000_000
"""Bytes of a safetensors header, by its specification."""

ARRAYS = frozenset({".npy", ".npz", ".safetensors"})
"""Endings of the files that hold arrays."""


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, whose numbers are read on demand.

    Attributes:
        place: The file, and the array's name in it.
        dtype: As numpy writes it, or bfloat16.
        shape: Its shape.
        is_fortran: Whether its first axis is the fastest, as stored.
        open: Opens a stream in which the array's bytes begin after `skip` bytes.
        skip: How many bytes come first.
    """

    place: str
    dtype: str
    shape: tuple[int, ...]
    is_fortran: bool
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    skip: int

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)

    def chunks(self, length: int) -> Iterator[NDArray[Any]]:
        """Yield its numbers in the order stored, flat, `length` at a time; bfloat16 comes as float32.

        Raises:
            UserError: The file is truncated or damaged.
        """
        try:
            yield from self._chunks(length)
        except Exception as error:  # as in `open_arrays`
            raise UserError(f"{self.place}: cannot be read ({brief(error)})") from error

    def _chunks(self, length: int) -> Iterator[NDArray[Any]]:
        dtype = np.dtype("<u2" if self.dtype == "bfloat16" else self.dtype)
        with self.open() as stream:
            stream.seek(self.skip)
            for start in range(0, self.size, length):
                count = min(length, self.size - start)
                content = stream.read(count * dtype.itemsize)
                if len(content) != count * dtype.itemsize:
                    raise ValueError(f"ends after {start + len(content) // dtype.itemsize} of {self.size} numbers")
                numbers: NDArray[Any] = np.frombuffer(content, dtype)
                yield (numbers.astype("<u4") << 16).view("<f4") if self.dtype == "bfloat16" else numbers


def open_arrays(path: Path) -> dict[str, StoredArray]:
    """Read the headers of the arrays of a file, by name; the one of an npy is called "".

    Raises:
        UserError: The file is damaged or of another format, or holds Python objects.
    """
    read = {".npy": _in_npy, ".npz": _in_npz, ".safetensors": _in_safetensors}[path.suffix]
    try:
        return read(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: does not exist") from error
    except UserError:
        raise
    except Exception as error:  # damaged bytes make zipfile and numpy's parser of headers raise nearly anything
        kind = path.suffix.removeprefix(".")
        raise UserError(f"{path}: is no readable {kind}, truncated or of another format ({brief(error)})") from error


def _in_npy(path: Path) -> dict[str, StoredArray]:
    return {"": _read_npy(lambda: path.open("rb"), str(path))}


def _in_npz(path: Path) -> dict[str, StoredArray]:
    with ZipFile(path) as archive:
        names = archive.namelist()
    found = {}
    for name in names:
        if not name.endswith(".npy"):
            raise UserError(f"{path}: {name}: is no array")
        array = name.removesuffix(".npy")
        found[array] = _read_npy(_opener(path, name), f"{path}: {array}")
    return found


def _opener(path: Path, member: str) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    @contextmanager
    def open_member() -> Iterator[IO[bytes]]:
        with ZipFile(path) as archive, archive.open(member) as stream:
            yield stream

    return open_member


def _read_npy(open_stream: Callable[[], AbstractContextManager[IO[bytes]]], place: str) -> StoredArray:
    with open_stream() as stream:
        try:
            header = read_header(stream)
        except ValueError as error:
            raise UserError(f"{place}: {error}") from error
        skip = stream.tell()
    return StoredArray(place, header.dtype.str, header.shape, header.is_fortran, open_stream, skip)


def _in_safetensors(path: Path) -> dict[str, StoredArray]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(file.read(length))
    found = {}
    for name, entry in sorted(header.items()):
        if name != "__metadata__":
            begin, _ = entry["data_offsets"]
            skip = 8 + length + begin
            dtype, shape = DTYPES[entry["dtype"]], tuple(entry["shape"])
            found[name] = StoredArray(f"{path}: {name}", dtype, shape, False, lambda: path.open("rb"), skip)
    return found
