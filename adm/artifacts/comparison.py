"""Comparison of artifacts: equal, close, apart in nothing but seconds, or different, and where."""

import csv
import filecmp
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adm.artifacts.inventory import Artifact
from adm.artifacts.manifest import MANIFEST
from adm.artifacts.reading import ARRAYS, open_arrays, read_json, readable
from adm.artifacts.seal import MADE_WITH, SEAL
from adm.errors import UserError

CHUNK = 1 << 18
"""Numbers compared at a time: about 10 MB with all that is computed from them."""

CONTENT = "facts"
"""The key of a manifest that describes the content."""

MADE_BY = "made_by"
"""The key of a file that tells how it was made, or a part of it."""

RENDERED = {".md": ".csv", ".tex": ".csv", ".html": ".csv", ".pdf": ".png", ".svg": ".png"}
"""Endings of files that show the same content as the file of another ending beside them."""

NUMBER = re.compile(r"(?<![\w.+\-−])[-+−]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")
"""A number that stands alone in a text: no part of a key or of a version."""

# Numbers that are measured in seconds, and therefore differ between runs.

LOG_COLUMNS = frozenset({"seconds", "images_per_second"})
"""Columns of a training log that are measured."""

THROUGHPUT = frozenset({"device", "images_per_second", "mfu", "peak_flops", "peak_flops_of_repetitions"})
"""Keys of a measured throughput."""

TABLE, FIGURE = "table_7", "figure_5_seconds"

TABLE_COLUMNS = frozenset({"Here", "Images/s, here", "Utilisation, here"})
"""The measured columns of the table; the others come from the paper and the params file."""

SPEED = "images a second"
"""Text that the `measure` of a claim about speed contains."""

FINDINGS = frozenset({"verdict", "effect", "estimate", "low", "high", "note", "needs", "risk"})
"""Keys of a claim that hold measured results; the other keys describe the claim."""


class Kind(StrEnum):
    """How two artifacts compare, from best to worst."""

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
    Kind.MEASURED: "apart in nothing but what is measured in seconds",
    Kind.DIFFERENT: "beyond the tolerance, of another kind, or damaged",
    Kind.ONLY_A: "missing in B",
    Kind.ONLY_B: "missing in A",
}

SOUND = frozenset({Kind.EQUAL, Kind.REMADE, Kind.CLOSE, Kind.MEASURED})
"""The kinds of results that agree."""


@dataclass(frozen=True)
class Tolerance:
    """Numbers a and b are close where |a - b| <= atol + rtol max(|a|, |b|).

    Whole numbers are counts, classes or pixels; for them atol alone counts.
    """

    rtol: float
    atol: float


@dataclass(frozen=True)
class Compared:
    """How two artifacts, or two files, compare.

    Attributes:
        kind: The worst of their files' kinds.
        words: The place of the largest difference, and its values; "" if they are equal.
    """

    kind: Kind
    words: str = ""


@dataclass(frozen=True)
class Difference:
    """What differs.

    Attributes:
        words: What was found.
        where: The place; "" for the whole.
        apart: How far apart the numbers are; infinity for anything else.
        is_close: Whether that is within the tolerance.
        is_measured: Whether it is of what is measured in seconds.
    """

    words: str
    where: str = ""
    apart: float = math.inf
    is_close: bool = False
    is_measured: bool = False

    @property
    def kind(self) -> Kind:
        """How two things compare that differ in this alone."""
        return Kind.MEASURED if self.is_measured else Kind.CLOSE if self.is_close else Kind.DIFFERENT

    def __str__(self) -> str:
        return f"{self.where}: {self.words}" if self.where else self.words


Leaf = tuple[str, Any, bool]
"""A value in a file: its place, itself, and whether it is measured in seconds."""


def compare_artifacts(a: Artifact, b: Artifact, tolerance: Tolerance) -> Compared:
    """Compare two artifacts file by file; a file that cannot be read is a difference, not an error."""
    if a.is_folder != b.is_folder:
        here, there = ("a folder" if one.is_folder else "a file" for one in (a, b))
        return Compared(Kind.DIFFERENT, f"is {here}, there {there}")
    found = []
    for name in sorted(a.files.keys() | b.files.keys()):
        if name not in a.files or name not in b.files:
            compared = Compared(Kind.DIFFERENT, f"is missing {'here' if name in b.files else 'there'}")
        else:
            compared = compare_files(a.files[name], b.files[name], tolerance)
        within = a.is_folder and compared.words
        found.append(replace(compared, words=f"{name}: {compared.words}") if within else compared)
    return max(found, key=lambda one: [*Kind].index(one.kind))


def compare_files(a: Path, b: Path, tolerance: Tolerance) -> Compared:
    """Compare the content of two files."""
    try:
        if filecmp.cmp(a, b, shallow=False):
            return Compared(Kind.EQUAL)
        if a.suffix == ".json":
            return _compare_json(a, b, tolerance)
        return _judge(_differences(a, b, tolerance))
    except UserError as error:
        return Compared(Kind.DIFFERENT, str(error))
    except OSError as error:
        return Compared(Kind.DIFFERENT, f"{error.filename}: cannot be read: {error.strerror}")


def shows_another(path: Path) -> bool:
    """Tell whether a file shows what the file of another ending beside it holds: a table's csv, or a figure's png."""
    return path.suffix in RENDERED and path.with_suffix(RENDERED[path.suffix]).is_file()


def _judge(differences: Iterable[Difference]) -> Compared:
    """Return the kind of two files whose bytes differ, with the worst of their differences."""
    ranks = [Kind.CLOSE, Kind.MEASURED, Kind.DIFFERENT]
    equal = Difference("the same content, stored in other bytes", is_close=True)
    worst = max(differences, key=lambda one: (ranks.index(one.kind), one.apart), default=equal)
    return Compared(worst.kind, str(worst))


def _differences(a: Path, b: Path, tolerance: Tolerance) -> Iterator[Difference]:
    if a.suffix in ARRAYS:
        yield from _array_differences(a, b, tolerance)
    elif a.suffix == ".csv":
        yield from _compare_leaves(_cells(a), _cells(b), tolerance)
    elif a.suffix in (".md", ".tex"):
        ours, theirs = ([(f"line {n}", line, False) for n, line in enumerate(_lines(path), start=1)] for path in (a, b))
        yield from _compare_leaves(ours, theirs, tolerance)
    elif a.suffix == ".png":
        x, y = _pixels(a), _pixels(b)
        if x.shape != y.shape:
            yield Difference(f"an image of shape {x.shape}, there {y.shape}")
        elif found := _largest("pixel ", [(x.ravel(), y.ravel())], x.shape, "C", tolerance):
            yield replace(found, is_measured=a.stem == FIGURE)
    else:
        yield Difference("its bytes differ")


def _array_differences(a: Path, b: Path, tolerance: Tolerance) -> Iterator[Difference]:
    ours, theirs = open_arrays(a), open_arrays(b)
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs:
            yield Difference(f"is missing {'here' if name in theirs else 'there'}", name)
            continue
        x, y = ours[name], theirs[name]
        if (x.dtype, x.shape, x.order) != (y.dtype, y.shape, y.order):
            here, there = (f"{one.dtype} of shape {one.shape} in order {one.order}" for one in (x, y))
            yield Difference(f"{here}, there {there}", name)
        elif found := _largest(name, zip(x.chunks(CHUNK), y.chunks(CHUNK), strict=True), x.shape, x.order, tolerance):
            yield found


def _largest(
    place: str,
    pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    shape: tuple[int, ...],
    order: Literal["F", "C"],
    tolerance: Tolerance,
) -> Difference | None:
    """Return the largest difference of two arrays in flat chunks; one beyond the tolerance before any within."""
    found: Difference | None = None
    num_different = start = 0
    for x, y in pairs:
        apart, is_close = _apart(x, y, tolerance)
        num_different += int(np.count_nonzero(apart))
        most = int(np.argmax(apart if is_close.all() else np.where(is_close, -1.0, apart)))
        index = [int(number) for number in np.unravel_index(start + most, shape, order=order)] if shape else ""
        words = f"{x[most]}, there {y[most]}"
        here = Difference(words, f"{place}{index}", float(apart[most]), bool(is_close[most]))
        if apart[most] and (found is None or (not here.is_close, here.apart) > (not found.is_close, found.apart)):
            found = here
        start += len(x)
    return found and replace(found, words=f"{found.words}; {num_different} of {math.prod(shape)} differ")


def _apart(x: NDArray[Any], y: NDArray[Any], tolerance: Tolerance) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Differences of two arrays, infinite where one of two numbers is not finite, and whether each pair is close."""
    same: NDArray[np.bool_] = x == y
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


def _compare_json(a: Path, b: Path, tolerance: Tolerance) -> Compared:
    """Compare the content of two files, but for how they were made."""
    ours, theirs = (_content(read_json(path), path.name == MANIFEST) for path in (a, b))
    differences = list(_compare_leaves(ours, theirs, tolerance))
    return _judge(differences) if differences else Compared(Kind.REMADE, "the same content, made otherwise")


def _content(content: dict[str, Any], is_manifest: bool) -> Iterator[Leaf]:
    """Return the content of a JSON file, without what tells how it was made but for the facts of a manifest."""
    made = content if is_manifest else content.get(MADE_BY, {})
    made = made if isinstance(made, dict) else {}
    said = {} if is_manifest else {key: value for key, value in content.items() if key not in (MADE_BY, SEAL)}
    return _leaves({**said, CONTENT: made.get(CONTENT, {})}, str(made.get("stage")))


def _leaves(value: Any, stage: str = "", place: str = "", is_measured: bool = False) -> Iterator[Leaf]:
    """Yield the values in a JSON value that `stage` made, but for what tells how a run of a curve was made."""
    if isinstance(value, dict) and value:
        measured = THROUGHPUT if stage == "throughput" else frozenset()
        if stage == "claims" and SPEED in str(value.get("measure", "")):
            measured = FINDINGS
        for key, inner in value.items():
            if key != MADE_BY:
                yield from _leaves(inner, stage, f"{place}.{key}" if place else key, is_measured or key in measured)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _leaves(inner, stage, f"{place}[{number}]", is_measured)
    else:
        yield place, value, is_measured


def _cells(path: Path) -> Iterator[Leaf]:
    """Yield the columns of a csv, and its cells."""
    with readable(path, "is no readable csv"):
        columns, *rows = csv.reader(_lines(path))
    yield "its columns", ", ".join(columns), False
    for number, cells in enumerate(rows, start=1):
        row = dict(zip(columns, cells, strict=False))
        measured = FINDINGS if SPEED in row.get("measure", "") else LOG_COLUMNS
        measured |= TABLE_COLUMNS if path.stem == TABLE else frozenset()
        yield f"row {number}", len(cells), False
        for column, cell in row.items():
            yield f"row {number}, {column}", cell, column in measured


def _compare_leaves(a: Iterable[Leaf], b: Iterable[Leaf], tolerance: Tolerance) -> Iterator[Difference]:
    ours, theirs = ({place: (value, is_measured) for place, value, is_measured in leaves} for leaves in (a, b))
    for place, (value, is_measured) in (ours | theirs).items():
        if place not in ours or place not in theirs:
            missing = f"is missing {'here' if place in theirs else 'there'}"
            yield Difference(missing, place, is_measured=is_measured)
        else:
            for found in _compare_values(ours[place][0], value, tolerance):
                yield replace(found, where=place, is_measured=is_measured)


def _compare_values(a: Any, b: Any, tolerance: Tolerance) -> Iterator[Difference]:
    if isinstance(a, str) and isinstance(b, str):
        yield from compare_texts(a, b, tolerance)
    elif {type(a), type(b)} <= {int, float}:
        yield from _compare_numbers(a, b, tolerance)
    elif type(a) is not type(b) or a != b:
        yield Difference(f"{_short(a)}, there {_short(b)}")


def _lines(path: Path) -> list[str]:
    """Return the lines of a text; the last ones of a log are not data: the fingerprint of its params, and its seal."""
    with readable(path, "is no readable text"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if not line.startswith((f"# {MADE_WITH} ", f"# {SEAL} "))]


def _pixels(path: Path) -> NDArray[np.uint8]:
    with readable(path, "is no readable png"), Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


def compare_texts(a: str, b: str, tolerance: Tolerance) -> Iterator[Difference]:
    """Compare words exactly and numbers by value; blanks and the rules of tables are ignored."""
    a, b = (re.sub("-{2,}", "--", " ".join(text.split())) for text in (a, b))
    if NUMBER.sub("0", a) != NUMBER.sub("0", b):
        yield Difference(f"{_short(a)}, there {_short(b)}")
        return
    for x, y in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True):
        if x != y:
            yield from _compare_numbers(_parse(x), _parse(y), tolerance)


def _compare_numbers(a: float, b: float, tolerance: Tolerance) -> Iterator[Difference]:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return
    apart = abs(a - b)
    is_whole = isinstance(a, int) and isinstance(b, int)
    limit = tolerance.atol + (0.0 if is_whole else tolerance.rtol * max(abs(a), abs(b)))
    yield Difference(f"{a}, there {b}", "", float(apart), math.isfinite(apart) and apart <= limit)


def _parse(number: str) -> float:
    plain = number.replace("−", "-")
    return int(plain) if plain.lstrip("+-").isdigit() else float(plain)


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
