"""Reading of JSON and of arrays: an error is one line that names the file, and comes before memory is taken."""

import json
import math
import struct
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from adm.artifacts.streaming import stretches
from adm.errors import UserError, brief

LOCAL_HEADER = struct.Struct("<26x2H")
"""The beginning of an entry of a zip: it ends with the lengths of the entry's name and of the extra field behind it."""

STRETCH = 4096
"""Number of rows checked at once."""

Shape = tuple[int | None, ...]
"""An expected shape; None stands for any length."""


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, whose header is checked; reading its numbers raises UserError if the file is damaged.

    Attributes:
        place: The file, and the array's name in it.
        dtype: Its dtype, of numbers.
        shape: Its shape.
        order: "F" if its first axis is the fastest, as stored, else "C".
        skip: The length of its header.
        path: The file.
        name: The array's name, in an npz.
        offset: The byte of the file at which the numbers begin; None if they are compressed.
    """

    place: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Literal["F", "C"]
    skip: int
    path: Path
    name: str
    offset: int | None

    def require(self, dtype: str, shape: Shape) -> None:
        """Check dtype and shape before numbers are read.

        Raises:
            UserError: Names the place, what was found and what is accepted.
        """
        if self.dtype != np.dtype(dtype):
            raise UserError(f"{self.place}: has dtype {self.dtype}, not {dtype}")
        if len(self.shape) != len(shape) or any(w not in (None, n) for n, w in zip(self.shape, shape, strict=True)):
            wanted = ", ".join("any" if length is None else str(length) for length in shape)
            raise UserError(f"{self.place}: has shape {self.shape}, not ({wanted})")

    def rows(self, length: int, total: int) -> Iterator[NDArray[Any]]:
        """Yield its first `total` rows in order "C", `length` at a time; the last chunk may be shorter."""
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        with readable(self.place, "cannot be read"), ZipFile(self.path) as archive, archive.open(self.name) as stream:
            stream.seek(self.skip)
            for start in range(0, total, length):
                count = min(length, total - start)
                content = stream.read(count * row)
                if len(content) != count * row:
                    raise ValueError(f"ends after {start + len(content) // row} of {self.shape[0]} rows")
                yield np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])

    def read(self) -> NDArray[Any]:
        """Read it whole."""
        with readable(self.place, "cannot be read"), ZipFile(self.path) as archive, archive.open(self.name) as stream:
            return npy.read_array(stream, allow_pickle=False)

    def map(self) -> NDArray[Any]:
        """Map it into memory, read-only, from its file."""
        assert self.offset is not None
        with readable(self.place, "cannot be read"):
            return np.memmap(self.path, self.dtype, "r", self.offset, self.shape, self.order)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: The file is missing or holds no JSON object.
    """
    with readable(path, "is no readable JSON"):
        content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a JSON {type(content).__name__}, not an object")
    return content


def read_npy(path: Path, dtype: str, shape: Shape) -> NDArray[Any]:
    """Map an npy file into memory, read-only.

    Raises:
        UserError: As `read_npz`.
    """
    with readable(path, "is no readable npy, truncated or of another format"), path.open("rb") as file:
        array = _stored(str(path), file, path.stat().st_size, path)
    array.require(dtype, shape)
    values = array.map()
    _require_finite(array.place, values)
    return values


def read_npz(
    path: Path, expected: Mapping[str, tuple[str, Shape]], mapped: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """Read the arrays of an npz of which dtype and shape are given, pickles refused.

    Those that are `mapped` are mapped into memory, read-only, if they are not compressed. Their checksum is not checked
    then, which would take reading them whole, so the file's hash must have been.

    Raises:
        UserError: The file is missing, truncated or no npz, lacks an array, or holds one of another dtype or shape,
            or one with NaN or infinity.
    """
    arrays = {}
    for name, (dtype, shape) in expected.items():
        array = open_array(path, name)
        array.require(dtype, shape)
        arrays[name] = array.map() if name in mapped and array.offset is not None else array.read()
        _require_finite(array.place, arrays[name])
    return arrays


def names_in_npz(path: Path) -> list[str]:
    """List the arrays that an npz holds.

    Raises:
        UserError: The file is missing, or no npz.
    """
    with readable(path, "is no readable npz, truncated or of another format"), ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def open_array(path: Path, name: str) -> StoredArray:
    """Read and check the header of an array of an npz.

    Raises:
        UserError: The file is missing, truncated or no npz, lacks the array, or holds one that is none of numbers, or
            has fewer or more bytes than it declares.
    """
    if name not in (names := names_in_npz(path)):
        raise UserError(f"{path}: holds no array {name!r}; it has {', '.join(names) or 'none'}")
    with readable(path, "is no readable npz"), ZipFile(path) as archive, path.open("rb") as file:
        entry = archive.getinfo(f"{name}.npy")
        offset = None
        if entry.compress_type == ZIP_STORED:
            file.seek(entry.header_offset)
            offset = entry.header_offset + LOCAL_HEADER.size + sum(LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size)))
        with archive.open(entry) as stream:
            return _stored(f"{path}: {name}", stream, entry.file_size, path, entry.filename, offset)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of an npy, npz or safetensors file, by name; the one of an npy is called "", and is mapped.

    Raises:
        UserError: The file is missing, damaged or of another format, or holds Python objects.
    """
    with readable(path, "is no readable file of arrays"):
        if path.suffix == ".npy":
            return {"": npy.open_memmap(path, mode="r")}
        if path.suffix == ".npz":
            return {name: open_array(path, name).read() for name in names_in_npz(path)}
        # Imported here: stages that read npz alone need not wait for it.
        from safetensors.numpy import load_file  # noqa: PLC0415

        return dict(load_file(path))


@contextmanager
def readable(place: Path | str, otherwise: str) -> Iterator[None]:
    """Turn whatever damaged bytes make a library raise into one line."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{place}: does not exist") from error
    except Exception as error:
        raise UserError(f"{place}: {otherwise} ({brief(error)})") from error


def _stored(
    place: str, stream: IO[bytes], length: int, path: Path, name: str = "", offset: int | None = 0
) -> StoredArray:
    """Read the header of an npy, at the head of a stream of so many bytes, and check it."""
    with readable(place, "is no array"):
        version = npy.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"it is of version {version}, and numbers are stored in 1.0")
        # That of numbers takes 128 bytes; Python's parser has no memory for some of those that numpy allows.
        shape, is_fortran, dtype = npy.read_array_header_1_0(stream, max_header_size=1000)
    if dtype.hasobject:
        raise UserError(f"{place}: holds pickled Python objects, which are never loaded; store numbers")
    if dtype.kind not in "biufc":
        raise UserError(f"{place}: has dtype {dtype}, not one of numbers")
    skip = stream.tell()
    wanted = math.prod(shape) * dtype.itemsize
    if length - skip != wanted:
        raise UserError(f"{place}: holds {length - skip} bytes of numbers, but shape {shape} takes {wanted}")
    begin = None if offset is None else offset + skip
    return StoredArray(place, dtype, tuple(map(int, shape)), "F" if is_fortran else "C", skip, path, name, begin)


def _require_finite(place: str, array: NDArray[Any]) -> None:
    if array.dtype.kind == "f":
        bad = sum(int(part.size - np.isfinite(part).sum()) for part in stretches(np.atleast_1d(array), STRETCH))
        if bad:
            raise UserError(f"{place}: holds {bad} values that are NaN or infinite")
