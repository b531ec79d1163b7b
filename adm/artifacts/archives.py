"""Arrays in npy files and npz archives. Sizes in headers are checked before memory is allocated."""

import math
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from adm.errors import UserError, brief

MOST_INFLATED = {ZIP_STORED: 1, ZIP_DEFLATED: 1032}
"""Accepted methods of compression, those that numpy and torch write, and the most bytes that one byte expands to."""

HEADERS = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}
"""For each npy version, the bytes of the length field and the reader of the header. Numpy uses no other for numbers."""

LONGEST_HEADER = 10_000
"""Largest npy header in bytes; numpy has the same limit."""

MOST_AXES = 32

PIECE = 1 << 20
"""Bytes read at a time."""

LOCAL_HEADER = struct.Struct("<26x2H")
"""The beginning of an entry of a zip: it ends with the lengths of the entry's name and of the extra field behind it."""

Shape = tuple[int | None, ...]
"""An expected shape; None stands for any length."""


@dataclass(frozen=True)
class Header:
    """The checked header of an npy: the dtype is numeric, and the size in bytes fits into a machine word."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def require_exactly(self, held: int) -> None:
        """Check that a file holds exactly the bytes of the values.

        Raises:
            ValueError: There are fewer or more.
        """
        if held < self.nbytes:
            row = math.prod(self.shape[1:]) * self.dtype.itemsize
            raise ValueError(f"ends after {held // row} rows of the {self.shape} that it declares")
        if held > self.nbytes:
            raise ValueError(f"holds {held} bytes, more than the {self.nbytes} of the {self.shape} that it declares")


@contextmanager
def open_archive(path: Path) -> Iterator[ZipFile]:
    """Open an npz whose entries are no larger than the file can hold.

    Raises:
        UserError: The file is missing, truncated or no npz, or an entry turns out to be damaged while it is read.
    """
    try:
        with path.open("rb") as file, ZipFile(file) as archive:
            check_entries(archive, path.stat().st_size)
            yield archive
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path}: does not exist") from error
    except Exception as error:  # damaged bytes make zipfile raise nearly anything
        raise UserError(f"{path}: is no readable npz, truncated or of another format ({brief(error)})") from error


def check_entries(archive: ZipFile, length: int) -> None:
    """Check that a file can hold what its directory declares; `MOST_INFLATED` bounds what reading it can take.

    Args:
        archive: The archive.
        length: The file's size in bytes.

    Raises:
        BadZipFile: An entry is of a method that is not accepted, or declares too much, or entries overlap.
    """
    total = 0
    for entry in archive.infolist():
        ratio = MOST_INFLATED.get(entry.compress_type)
        if ratio is None:
            raise BadZipFile(f"entry {entry.filename} is of compression method {entry.compress_type}, not 0 or 8")
        if entry.file_size > ratio * entry.compress_size:
            raise BadZipFile(f"entry {entry.filename} declares {entry.file_size} bytes in {entry.compress_size}")
        total += entry.compress_size
    if total > length:
        raise BadZipFile(f"its entries declare {total} bytes, but it has {length}")


def array_names(archive: ZipFile) -> list[str]:
    """The names of an npz's arrays."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


@contextmanager
def open_array(archive: ZipFile, path: Path, name: str) -> Iterator[tuple[Header, IO[bytes]]]:
    """Yield the header of an array of an npz, and the stream of as many bytes as it declares.

    Raises:
        UserError: The entry is no array of numbers, or holds fewer or more bytes than its header declares.
    """
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as stream:
        try:
            header = read_header(stream)
            header.require_exactly(entry.file_size - stream.tell())
        except ValueError as error:
            raise UserError(f"{path}: {name}: {error}") from error
        yield header, stream


def read_values(header: Header, stream: IO[bytes]) -> NDArray[Any]:
    """Read the values behind a header.

    Raises:
        EOFError: There are fewer than it declares.
    """
    content = np.empty(header.nbytes, np.uint8)
    for start in range(0, len(content), PIECE):
        piece = stream.read(min(PIECE, len(content) - start))
        if start + len(piece) < min(start + PIECE, len(content)):
            raise EOFError(f"ends after {start + len(piece)} bytes of {len(content)}")
        content[start : start + len(piece)] = np.frombuffer(piece, np.uint8)
    values: NDArray[Any] = content.view(header.dtype)
    return values.reshape(header.shape, order="F" if header.is_fortran else "C")


def map_values(path: Path, header: Header, offset: int) -> NDArray[Any]:
    """Map the values behind a header into memory, read-only; they begin at a byte of the file.

    Raises:
        ValueError: The file ends before them.
    """
    order: Literal["F", "C"] = "F" if header.is_fortran else "C"
    return np.memmap(path, header.dtype, "r", offset, header.shape, order)


def offset_of_values(archive: ZipFile, path: Path, name: str, header: Header) -> int | None:
    """The byte of an npz at which an array's values begin; None if they are compressed."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type != ZIP_STORED:
        return None
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        skipped: int = sum(LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size)))
    # The entry ends with the values.
    return entry.header_offset + LOCAL_HEADER.size + skipped + entry.file_size - header.nbytes


def read_header(stream: IO[bytes]) -> Header:
    """Read the header of an npy.

    Raises:
        ValueError: It is none, of another version than 1.0 or 2.0, not of numbers, or of a shape that no array has.
        BadZipFile, zlib.error: The archive that it is read from is damaged.
    """
    try:
        version = npy.read_magic(stream)
        size, read = HEADERS.get(version, (0, None))
        if read is not None:
            length = stream.read(size)
            text = stream.read(min(int.from_bytes(length, "little"), LONGEST_HEADER + 1))
            with warnings.catch_warnings():  # of headers that Python 2 wrote
                warnings.simplefilter("ignore")
                shape, is_fortran, dtype = read(BytesIO(length + text))
    except (BadZipFile, zlib.error):
        raise
    except (MemoryError, RecursionError) as error:  # of Python's parser, whose stack is small
        raise ValueError("is no array (its header is nested too deeply)") from error
    except Exception as error:  # damaged bytes make numpy's parser raise nearly anything
        raise ValueError(f"is no array ({brief(error)})") from error
    if read is None:
        raise ValueError(f"is an npy of version {version}; accepted are 1.0 and 2.0")
    if dtype.hasobject:
        raise ValueError("holds pickled Python objects, which are never loaded; store numbers")
    if dtype.kind not in "biufc":
        raise ValueError(f"has dtype {dtype}, not one of numbers")
    # An axis of length 0 must not hide the others from this check, since numpy multiplies them.
    absurd = math.prod(max(length, 1) for length in shape) * dtype.itemsize > sys.maxsize
    if absurd or min(shape, default=0) < 0 or len(shape) > MOST_AXES:
        raise ValueError(f"declares shape {brief_shape(shape)}, which no array has")
    return Header(tuple(map(int, shape)), is_fortran, dtype)


def check_header(place: str, header: Header, dtype: str, shape: Shape) -> None:
    """Check an array's dtype and shape before its values are read.

    Raises:
        UserError: Names the place, what was found and what is accepted.
    """
    if header.dtype != np.dtype(dtype):
        raise UserError(f"{place}: has dtype {header.dtype}, not {dtype}")
    fits = len(header.shape) == len(shape) and all(
        wanted in (None, found) for found, wanted in zip(header.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise UserError(f"{place}: has shape {header.shape}, not ({wanted})")


def brief_shape(shape: tuple[int, ...]) -> str:
    """A shape for a message, shortened if it is long."""
    try:
        return str(shape)[:120]
    except ValueError:  # too many digits
        return "of too many digits"
