"""Reading of arrays and JSON with checks; an error names the file in one line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.archives import Header, array_names, open_archive, open_array, read_header, read_values
from adm.params.errors import UserError, brief

Shape = tuple[int | None, ...]
"""An expected shape; None stands for any length."""


def read_npz(path: Path, expected: Mapping[str, tuple[str, Shape]]) -> dict[str, NDArray[Any]]:
    """Read arrays of an npz, pickles refused.

    Args:
        path: The file.
        expected: For each array wanted, its dtype and shape.

    Raises:
        UserError: The file is missing, truncated or no npz, lacks an array, or holds one of another dtype or shape,
            or one with NaN or infinity.
    """
    with open_archive(path) as archive:
        names = array_names(archive)
        arrays = {}
        for name, (dtype, shape) in expected.items():
            if name not in names:
                raise UserError(f"{path}: holds no array {name!r}; it has {', '.join(names) or 'none'}")
            place = f"{path}: {name}"
            with open_array(archive, path, name) as (header, stream):
                _check_header(place, header, dtype, shape)
                arrays[name] = read_values(header, stream)
            _check_finite(place, arrays[name])
    return arrays


def read_npy(path: Path, dtype: str, shape: Shape) -> NDArray[Any]:
    """Map an npy file into memory, read-only.

    Raises:
        UserError: As `read_npz`.
    """
    try:
        with path.open("rb") as file:
            header = read_header(file)
            offset = file.tell()
        header.require_exactly(path.stat().st_size - offset)
    except FileNotFoundError as error:
        raise UserError(f"{path}: does not exist") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is no readable npy, truncated or of another format ({brief(error)})") from error
    _check_header(str(path), header, dtype, shape)
    order: Literal["F", "C"] = "F" if header.is_fortran else "C"
    array: NDArray[Any] = np.memmap(path, header.dtype, "r", offset, header.shape, order)
    _check_finite(str(path), array)
    return array


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: The file is missing or holds no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: does not exist") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no readable JSON ({brief(error)})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a JSON {type(content).__name__}, not an object")
    return content


def _check_header(place: str, header: Header, dtype: str, shape: Shape) -> None:
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


def _check_finite(place: str, array: NDArray[Any]) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(np.size(array) - np.isfinite(array).sum())
        raise UserError(f"{place}: holds {bad} values that are NaN or infinite")
