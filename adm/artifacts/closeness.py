"""Differences between numbers: in arrays, read in chunks, in JSON values, and in texts."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.reading import StoredArray

CHUNK = 1 << 18
"""Numbers compared at a time: about 10 MB with all that is computed from them."""

NUMBER = re.compile(r"[-+−]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
WHOLE = re.compile(r"[-+−]?\d+")

MARKS = re.compile(r"([\s\[\](){}|,;:&$%\\]+)")
"""What stands between the words and numbers of a text, of Markdown and of LaTeX."""


@dataclass(frozen=True)
class Tolerance:
    """Numbers a and b are close where |a - b| <= atol + rtol max(|a|, |b|).

    Whole numbers are counts, classes or pixels; for them atol alone counts.
    """

    rtol: float
    atol: float

    def limit(self, larger: float, is_whole: bool) -> float:
        """The largest accepted difference of two numbers, given the larger magnitude."""
        return self.atol if is_whole else self.atol + self.rtol * larger


@dataclass(frozen=True)
class Difference:
    """Where two things differ.

    Attributes:
        where: The place; "" for the whole.
        words: What was found.
        apart: How far apart the numbers are; infinity for anything else.
        is_close: Whether that is within the tolerance.
    """

    where: str
    words: str
    apart: float = math.inf
    is_close: bool = False

    def inside(self, place: str, separator: str = ": ") -> "Difference":
        """The same difference, with its place inside something larger."""
        return Difference(
            f"{place}{separator}{self.where}" if self.where else place, self.words, self.apart, self.is_close
        )

    @property
    def rank(self) -> tuple[bool, float]:
        """Orders differences: the worst one has the largest rank."""
        return not self.is_close, self.apart


def worst(differences: Iterable[Difference]) -> Difference | None:
    """The largest difference; one beyond the tolerance comes before any within it. The first of equals."""
    return max(differences, key=lambda found: found.rank, default=None)


def compare_arrays(a: StoredArray, b: StoredArray, tolerance: Tolerance) -> Difference | None:
    """Compare two arrays number by number; NaN equals NaN.

    Raises:
        UserError: One is damaged.
    """
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return Difference("", f"{a.dtype} of shape {a.shape}, there {b.dtype} of shape {b.shape}")
    if a.is_fortran != b.is_fortran:
        return Difference("", "its axes are stored in another order, so that the numbers were not compared")
    found: Difference | None = None
    num_different = start = 0
    for x, y in zip(a.chunks(CHUNK), b.chunks(CHUNK), strict=True):
        apart, is_close = _apart(x, y, tolerance)
        num_different += int(np.count_nonzero(apart))
        # A number beyond the tolerance comes before any within.
        most = int(np.argmax(apart if is_close.all() else np.where(is_close, -1.0, apart)))
        here = Difference(
            _index(start + most, a), f"{x[most]}, there {y[most]}", float(apart[most]), bool(is_close[most])
        )
        if apart[most] and (found is None or here.rank > found.rank):
            found = here
        start += len(x)
    if found is None:
        return None
    return Difference(found.where, f"{found.words}; {num_different} of {a.size} differ", found.apart, found.is_close)


def compare_values(a: Any, b: Any, tolerance: Tolerance) -> Iterator[Difference]:
    """Compare two JSON values recursively, down to their numbers."""
    if isinstance(a, dict) and isinstance(b, dict):
        yield from _compare_objects(a, b, tolerance)
    elif isinstance(a, list) and isinstance(b, list):
        yield from _compare_lists(a, b, tolerance)
    elif _is_number(a) and _is_number(b):
        yield from _compare_numbers(a, b, tolerance)
    elif isinstance(a, str) and isinstance(b, str):
        yield from compare_texts(a, b, tolerance)
    elif type(a) is not type(b) or a != b:
        yield Difference("", f"{_short(a)}, there {_short(b)}")


def _compare_objects(a: dict[str, Any], b: dict[str, Any], tolerance: Tolerance) -> Iterator[Difference]:
    for key in [*a, *(key for key in b if key not in a)]:
        if key not in a or key not in b:
            yield Difference(key, "is missing here" if key in b else "is missing there")
        else:
            yield from (_within(key, found) for found in compare_values(a[key], b[key], tolerance))


def _compare_lists(a: list[Any], b: list[Any], tolerance: Tolerance) -> Iterator[Difference]:
    if len(a) != len(b):
        yield Difference("", f"has {len(a)} entries, there {len(b)}")
        return
    for number, (x, y) in enumerate(zip(a, b, strict=True)):
        yield from (_within(f"[{number}]", found) for found in compare_values(x, y, tolerance))


def _within(place: str, found: Difference) -> Difference:
    return found.inside(place, "" if found.where.startswith("[") else ".")


def compare_texts(a: str, b: str, tolerance: Tolerance) -> Iterator[Difference]:
    """Compare words exactly and numbers by value; blanks and the rules of tables are ignored."""
    if a == b:
        return
    words, there = _words(a), _words(b)
    pairs = list(zip(words, there, strict=False))
    unlike = (n for n, (x, y) in enumerate(pairs) if x != y and not (_is_printed(x) and _is_printed(y)))
    first = next(unlike, len(pairs))
    if first < max(len(words), len(there)):
        yield Difference("", f"{_short(' '.join(words[first:]))}, there {_short(' '.join(there[first:]))}")
        return
    for x, y in pairs:
        if x != y:
            yield from _compare_numbers(_parse(x), _parse(y), tolerance)


def _compare_numbers(a: float, b: float, tolerance: Tolerance) -> Iterator[Difference]:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return
    apart = abs(a - b)
    if not math.isfinite(apart):
        yield Difference("", f"{a}, there {b}")
        return
    is_whole = isinstance(a, int) and isinstance(b, int)
    is_close = apart <= tolerance.limit(max(abs(a), abs(b)), is_whole)
    yield Difference("", f"{a}, there {b}", float(apart), is_close)


def _apart(x: NDArray[Any], y: NDArray[Any], tolerance: Tolerance) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Differences of two arrays, infinite where one of two numbers is not finite, and whether each pair is close."""
    same: NDArray[np.bool_] = x == y
    if x.dtype.kind not in "biufc":
        return np.where(same, 0.0, np.inf), same
    if is_float := x.dtype.kind in "fc":
        same |= np.isnan(x) & np.isnan(y)
    wide = np.complex128 if x.dtype.kind == "c" else np.float64
    x, y = x.astype(wide), y.astype(wide)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(x - y)
        limit = tolerance.atol + (tolerance.rtol * np.maximum(np.abs(x), np.abs(y)) if is_float else 0.0)
    # float64 cannot tell all whole numbers apart.
    apart = apart if is_float else np.maximum(apart, 1.0)
    apart = np.where(same, 0.0, np.where(np.isfinite(apart), apart, np.inf))
    return apart, same | (np.isfinite(apart) & (apart <= limit))


def _index(position: int, array: StoredArray) -> str:
    if not array.shape:
        return ""
    index = np.unravel_index(position, array.shape, order="F" if array.is_fortran else "C")
    return f"[{', '.join(str(int(i)) for i in index)}]"


def _words(text: str) -> list[str]:
    parts = ("".join(part.split()) for part in MARKS.split(text))
    return [re.sub("-{2,}", "--", part) for part in parts if part]


def _is_printed(word: str) -> bool:
    return NUMBER.fullmatch(word) is not None


def _parse(word: str) -> float:
    plain = word.replace("−", "-")
    return int(plain) if WHOLE.fullmatch(word) else float(plain)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
