"""Comparison of files: equal, close, or different, and where."""

import csv
import filecmp
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adm.artifacts.manifest import MANIFEST, sha256
from adm.artifacts.reading import read_arrays, read_json, readable
from adm.artifacts.seal import MADE_WITH, SEAL
from adm.errors import UserError, one_line

CHUNK = 1 << 18
"""Numbers compared at a time: about 10 MB with all that is computed from them."""

MADE_BY = "made_by"
"""The key of a file that tells how it was made, or a part of it."""

NUMBER = re.compile(r"(?<![\w.+\-−])[-+−]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")
"""A number that stands alone in a text: no part of a key or of a version."""


class Kind(StrEnum):
    """How two files compare, from best to worst."""

    EQUAL = "equal"
    REMADE = "remade"
    CLOSE = "close"
    MEASURED = "measured"
    DIFFERENT = "different"
    ONLY_A = "only in A"
    ONLY_B = "only in B"


MEANING = {
    Kind.EQUAL: "the same bytes",
    Kind.REMADE: "the same content, by other params, code, versions or parents",
    Kind.CLOSE: "within the tolerance",
    Kind.MEASURED: "of what is measured in seconds",
    Kind.DIFFERENT: "beyond the tolerance, of another kind, or damaged",
    Kind.ONLY_A: "missing in B",
    Kind.ONLY_B: "missing in A",
}

SOUND = frozenset({Kind.EQUAL, Kind.REMADE, Kind.CLOSE, Kind.MEASURED})
"""The kinds of results that agree."""


@dataclass(frozen=True)
class Tolerance:
    """Numbers a and b are close where |a - b| <= atol + rtol |b|.

    Whole numbers are counts, classes or pixels; for them atol alone counts. The defaults are how far numbers of one
    score may lie apart on two kinds of processors: tables hold six digits.
    """

    rtol: float = 1.0e-5
    atol: float = 1.0e-8


@dataclass(frozen=True)
class Compared:
    """How two files compare.

    Attributes:
        kind: Of Kind.
        words: The place of a difference, the first beyond the tolerance, and its values; "" if they are equal.
    """

    kind: Kind
    words: str = ""


def compare_files(a: Path, b: Path, tolerance: Tolerance) -> Compared:
    """Compare the content of two files; one that cannot be read is a difference, not an error."""
    try:
        if filecmp.cmp(a, b, shallow=False):
            return Compared(Kind.EQUAL)
        ours, theirs = _values(a), _values(b)
    except UserError as error:
        return Compared(Kind.DIFFERENT, str(error))
    except OSError as error:
        return Compared(Kind.DIFFERENT, f"{error.filename}: cannot be read: {error.strerror}")
    words = ""
    for difference, is_close in _differences(ours, theirs, tolerance):
        if not is_close:
            return Compared(Kind.DIFFERENT, difference)
        words = words or difference
    if not words and a.suffix == ".json":
        return Compared(Kind.REMADE, f"the same {'facts' if a.name == MANIFEST else 'content'}, made otherwise")
    return Compared(Kind.CLOSE, words or "the same content, stored in other bytes")


def _values(path: Path) -> dict[str, NDArray[Any] | str]:
    """Read the arrays of a file, or its cells, leaves or lines as texts, by their places."""
    match path.suffix:
        case ".npy" | ".npz" | ".safetensors":
            return dict(read_arrays(path))
        case ".json":
            return dict(_leaves(_content(read_json(path), path.name == MANIFEST)))
        case ".csv":
            return dict(_cells(path))
        case ".md" | ".tex":
            return {f"line {number}": line for number, line in enumerate(_lines(path), start=1)}
        case ".png":
            with readable(path, "is no readable png"), Image.open(path) as image:
                return {"pixel ": np.asarray(image.convert("RGBA"))}
    return {"its sha256": sha256(path)[:16]}


def _content(content: dict[str, Any], is_manifest: bool) -> dict[str, Any]:
    """Return the content of a JSON file, without what tells how it was made but for its facts."""
    made = content if is_manifest else content.get(MADE_BY)
    said = {} if is_manifest else {key: value for key, value in content.items() if key != SEAL}
    return {**said, "facts": made.get("facts", {}) if isinstance(made, dict) else {}}


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of a JSON value by their places, but for what tells how it, or a part of it, was made."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            if key != MADE_BY:
                yield from _leaves(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{place}[{number}]")
    else:
        yield place, repr(value)


def _cells(path: Path) -> Iterator[tuple[str, str]]:
    with readable(path, "is no readable csv"):
        columns, *rows = csv.reader(_lines(path))
    yield "its columns", ", ".join(columns)
    for number, cells in enumerate(rows, start=1):
        yield f"row {number}", f"{len(cells)} cells"
        yield from ((f"row {number}, {column}", cell) for column, cell in zip(columns, cells, strict=False))


def _lines(path: Path) -> list[str]:
    """Return the lines of a text; the last ones of a log are not data: the fingerprint of its params, and its seal."""
    with readable(path, "is no readable text"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if not line.startswith((f"# {MADE_WITH} ", f"# {SEAL} "))]


def _differences(
    ours: Mapping[str, NDArray[Any] | str], theirs: Mapping[str, NDArray[Any] | str], tolerance: Tolerance
) -> Iterator[tuple[str, bool]]:
    """Yield what differs, and whether it is within the tolerance."""
    for place in dict.fromkeys([*ours, *theirs]):
        if place not in ours or place not in theirs:
            yield f"{place}: is missing {'here' if place in theirs else 'there'}", False
            continue
        x, y = ours[place], theirs[place]
        if isinstance(x, str) or isinstance(y, str):
            yield from _of_texts(place, str(x), str(y), tolerance)
        else:
            yield from _of_arrays(place, x, y, tolerance)


def _of_arrays(place: str, x: NDArray[Any], y: NDArray[Any], tolerance: Tolerance) -> Iterator[tuple[str, bool]]:
    """Yield the largest difference in each chunk of two arrays, one beyond the tolerance before any within."""
    if (x.dtype, x.shape) != (y.dtype, y.shape):
        yield f"{place}: {x.dtype} of shape {x.shape}, there {y.dtype} of shape {y.shape}", False
        return
    is_float, wide = x.dtype.kind in "fc", np.complex128 if x.dtype.kind == "c" else np.float64
    for start in range(0, x.size, CHUNK):
        here, there = (each.reshape(-1)[start : start + CHUNK] for each in (x, y))
        same = (here == there) | (np.isnan(here) & np.isnan(there))
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(here.astype(wide) - there.astype(wide))
        # float64 cannot tell all whole numbers apart.
        apart = np.where(np.isfinite(apart), apart, np.inf) if is_float else np.maximum(apart, 1.0)
        limit = tolerance.atol + (tolerance.rtol * np.abs(there) if is_float else 0.0)
        far = ~same & ((apart > limit) | np.isinf(apart))
        if not same.all():
            most = int(np.argmax(np.where(far if far.any() else ~same, apart, -1.0)))
            index = [int(number) for number in np.unravel_index(start + most, x.shape)] if x.size > 1 else ""
            yield f"{place}{index}: {here[most]}, there {there[most]}", not far[most]


def _of_texts(place: str, a: str, b: str, tolerance: Tolerance) -> Iterator[tuple[str, bool]]:
    """Compare words exactly and numbers by value; blanks and the rules of tables are ignored."""
    a, b = (re.sub("-{2,}", "--", " ".join(text.split())) for text in (a, b))
    if NUMBER.sub("0", a) != NUMBER.sub("0", b):
        yield f"{place}: {one_line(a, longest=60)}, there {one_line(b, longest=60)}", False
        return
    for x, y in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True):
        if x != y:
            here, there = np.split(np.array([_parse(x), _parse(y)]), 2)
            yield from _of_arrays(place, here, there, tolerance)


def _parse(number: str) -> float:
    plain = number.replace("−", "-")
    return int(plain) if plain.lstrip("+-").isdigit() else float(plain)
