"""Reading: every artifact is checked before it is used, and a bad one is named in one line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from adm.params.errors import UserError

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
    try:
        # Opened here, since numpy leaves a file open that it cannot read.
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as archive:
            names = list(archive.files)
            arrays = {name: archive[name] for name in expected if name in names}
    except FileNotFoundError as error:
        raise UserError(f"{path}: does not exist") from error
    except Exception as error:  # damaged bytes make zipfile and numpy's parser of headers raise nearly anything
        raise UserError(f"{path}: is no readable npz, truncated or of another format ({_brief(error)})") from error
    for name, (dtype, shape) in expected.items():
        if name not in arrays:
            raise UserError(f"{path}: holds no array {name!r}; it has {', '.join(names)}")
        # Of a zip entry that is no npy file numpy returns the bytes.
        if not isinstance(arrays[name], np.ndarray):
            raise UserError(f"{path}: {name}: is no array")
        _check_array(f"{path}: {name}", arrays[name], dtype, shape)
    return arrays


def read_npy(path: Path, dtype: str, shape: Shape) -> NDArray[Any]:
    """Map an npy file into memory, read-only.

    Raises:
        UserError: As `read_npz`.
    """
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise UserError(f"{path}: does not exist") from error
    except Exception as error:  # as in `read_npz`
        raise UserError(f"{path}: is no readable npy, truncated or of another format ({_brief(error)})") from error
    _check_array(str(path), array, dtype, shape)
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
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is no readable JSON ({_brief(error)})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a JSON {type(content).__name__}, not an object")
    return content


def _check_array(place: str, array: NDArray[Any], dtype: str, shape: Shape) -> None:
    """Check an array's dtype, shape and, for floats, that it is finite.

    Raises:
        UserError: Names the place, what was found and what is accepted.
    """
    if array.dtype != np.dtype(dtype):
        raise UserError(f"{place}: has dtype {array.dtype}, not {dtype}")
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for found, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise UserError(f"{place}: has shape {array.shape}, not ({wanted})")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(np.size(array) - np.isfinite(array).sum())
        raise UserError(f"{place}: holds {bad} values that are NaN or infinite")


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
