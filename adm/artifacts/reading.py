"""Reading of arrays and JSON with checks; an error names the file in one line."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.archives import (
    Shape,
    array_names,
    check_header,
    map_values,
    offset_of_values,
    open_archive,
    open_array,
    read_header,
    read_values,
)
from adm.artifacts.streaming import stretches
from adm.errors import UserError, brief

STRETCH = 4096
"""Number of rows checked at once."""


def read_npz(
    path: Path, expected: Mapping[str, tuple[str, Shape]], mapped: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """Read arrays of an npz, pickles refused.

    Args:
        path: The file.
        expected: For each array wanted, its dtype and shape.
        mapped: Those to map into memory, read-only, if they are not compressed. The archive's checksum is not checked
            then: it would take reading them whole. So the file's hash must have been checked.

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
                check_header(place, header, dtype, shape)
                offset = offset_of_values(archive, path, name, header) if name in mapped else None
                arrays[name] = read_values(header, stream) if offset is None else map_values(path, header, offset)
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
    check_header(str(path), header, dtype, shape)
    array = map_values(path, header, offset)
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


def _check_finite(place: str, array: NDArray[Any]) -> None:
    if array.dtype.kind == "f":
        bad = sum(int(part.size - np.isfinite(part).sum()) for part in stretches(np.atleast_1d(array), STRETCH))
        if bad:
            raise UserError(f"{place}: holds {bad} values that are NaN or infinite")
