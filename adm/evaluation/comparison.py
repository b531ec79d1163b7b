"""Comparison of the artifacts of two results folders: equal, close, measured, or different, and where."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from io import BytesIO
from itertools import zip_longest
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image

from adm.artifacts.closeness import Difference, Tolerance, compare_arrays, compare_texts, compare_values, worst
from adm.artifacts.inventory import Artifact
from adm.artifacts.manifest import MANIFEST
from adm.artifacts.reading import ARRAYS, StoredArray, open_arrays, read_json
from adm.artifacts.seal import MADE_WITH, SEAL
from adm.errors import UserError, brief
from adm.evaluation.timings import FIGURE, drop_measured, is_measured_cell

BYTES = 1 << 20
"""Bytes compared at a time."""

CONTENT = "facts"
"""The key of a manifest that describes the content."""

MADE = ("stage", "params", "code", "versions", "inputs")
"""The keys of a manifest that describe how the artifact was made; they are reported, but are no difference."""

RENDERED = {".md": ".csv", ".tex": ".csv", ".html": ".csv", ".pdf": ".png", ".svg": ".png"}
"""Endings of files that show the same content as the file of another ending beside them."""


class Kind(StrEnum):
    """How two artifacts compare, from best to worst."""

    EQUAL = "equal"
    REMADE = "remade"
    CLOSE = "close"
    MEASURED = "measured"
    DIFFERENT = "different"
    UNREADABLE = "unreadable"
    ONLY_A = "only in A"
    ONLY_B = "only in B"


MEANING = {
    Kind.EQUAL: "the same bytes",
    Kind.REMADE: "the same content, by other params, code, versions or parents",
    Kind.CLOSE: "within the tolerance",
    Kind.MEASURED: "apart in nothing but what is measured in seconds",
    Kind.DIFFERENT: "beyond the tolerance, or of another kind",
    Kind.UNREADABLE: "damaged",
    Kind.ONLY_A: "missing in B",
    Kind.ONLY_B: "missing in A",
}

SOUND = frozenset({Kind.EQUAL, Kind.REMADE, Kind.CLOSE, Kind.MEASURED})
"""The kinds of results that agree."""


@dataclass(frozen=True)
class Compared:
    """How two artifacts, or two files, compare.

    Attributes:
        kind: The worst of their files' kinds.
        words: The place of the largest difference, and its values; "" if they are equal.
        apart: The size of this difference, if the values are numbers.
        made: The first difference in how they were made; "" if there is none.
    """

    kind: Kind
    words: str = ""
    apart: float = 0.0
    made: str = ""

    @property
    def rank(self) -> tuple[int, float]:
        """Orders comparisons: the worst one has the largest rank."""
        return list(Kind).index(self.kind), self.apart


def compare_artifacts(a: Artifact, b: Artifact, tolerance: Tolerance) -> Compared:
    """Compare two artifacts file by file; an unreadable file is a finding, not an error."""
    if a.is_folder != b.is_folder:
        here, there = ("a folder" if one.is_folder else "a file" for one in (a, b))
        return Compared(Kind.DIFFERENT, f"is {here}, there {there}")
    found = []
    for name in sorted(a.files.keys() | b.files.keys()):
        if name not in a.files or name not in b.files:
            side = "here" if name in b.files else "there"
            compared = Compared(Kind.DIFFERENT, f"is missing {side}", np.inf)
        else:
            compared = compare_files(a.files[name], b.files[name], tolerance)
        within = a.is_folder and compared.words
        found.append(replace(compared, words=f"{name}: {compared.words}") if within else compared)
    return replace(max(found, key=lambda one: one.rank), made=next((one.made for one in found if one.made), ""))


def compare_files(a: Path, b: Path, tolerance: Tolerance) -> Compared:
    """Compare the content of two files."""
    try:
        position = _first_difference(a, b)
        return Compared(Kind.EQUAL) if position is None else _compare_content(a, b, position, tolerance)
    except UserError as error:
        return Compared(Kind.UNREADABLE, str(error))
    except OSError as error:
        return Compared(Kind.UNREADABLE, f"{error.filename}: cannot be read: {error.strerror}")


def judge_by_twin(path: PurePath, compared: Compared, others: Mapping[str, Compared]) -> Compared:
    """Give a table's other files the kind of its csv, and a figure's that of its png, if close or measured.

    Args:
        path: The file's path in its results folder.
        compared: How it compares by itself.
        others: Every artifact of the folder by its path.
    """
    twin = path.with_suffix(RENDERED.get(path.suffix, path.suffix))
    judge = others.get(twin.as_posix())
    if twin == path or judge is None or compared.kind != Kind.DIFFERENT:
        return compared
    if judge.kind not in (Kind.CLOSE, Kind.MEASURED):
        return compared
    return Compared(judge.kind, f"shows {twin.name}, which is {judge.kind}")


def _first_difference(a: Path, b: Path) -> int | None:
    with a.open("rb") as one, b.open("rb") as other:
        position = 0
        while True:
            x, y = one.read(BYTES), other.read(BYTES)
            if x != y:
                pairs = enumerate(zip(x, y, strict=False))
                return position + next((n for n, (p, q) in pairs if p != q), min(len(x), len(y)))
            if not x:
                return None
            position += len(x)


def _compare_content(a: Path, b: Path, position: int, tolerance: Tolerance) -> Compared:
    if a.suffix == ".json":
        return _compare_json(a, b, tolerance)
    if a.suffix in ARRAYS:
        return _judge((found, False) for found in _array_differences(a, b, tolerance))
    if a.suffix == ".csv":
        return _judge(_csv_differences(a, b, tolerance))
    if a.suffix == ".png":
        return _judge((found, a.stem == FIGURE) for found in _image_differences(a, b, tolerance))
    if a.suffix in (".md", ".tex"):
        return _judge((found, False) for found in _text_differences(a, b, tolerance))
    return Compared(Kind.DIFFERENT, f"its bytes differ, first at {position}", np.inf)


def _judge(differences: Iterable[tuple[Difference, bool]]) -> Compared:
    """The kind of two files, from their differences and whether each one is measured in seconds."""
    plain: Difference | None = None
    measured: Difference | None = None
    for found, is_measured in differences:
        if is_measured:
            measured = worst(filter(None, (measured, found)))
        else:
            plain = worst(filter(None, (plain, found)))
    if plain is not None and not plain.is_close:
        return _compared(Kind.DIFFERENT, plain)
    if measured is not None:
        return _compared(Kind.MEASURED, measured)
    if plain is not None:
        return _compared(Kind.CLOSE, plain)
    return Compared(Kind.CLOSE, "the same content, stored in other bytes")


def _compared(kind: Kind, found: Difference) -> Compared:
    return Compared(kind, f"{found.where}: {found.words}" if found.where else found.words, found.apart)


def _array_differences(a: Path, b: Path, tolerance: Tolerance) -> Iterator[Difference]:
    x, y = open_arrays(a), open_arrays(b)
    for name in sorted(x.keys() | y.keys()):
        if name not in x or name not in y:
            yield Difference(name, "is missing here" if name in y else "is missing there")
        elif found := compare_arrays(x[name], y[name], tolerance):
            yield found.inside(name, "") if name else found


def _csv_differences(a: Path, b: Path, tolerance: Tolerance) -> Iterator[tuple[Difference, bool]]:
    rows, there = _rows(a), _rows(b)
    columns, others = next(rows, []), next(there, [])
    if columns != others:
        yield Difference("its columns", f"{', '.join(columns)}; there {', '.join(others)}"), False
        return
    for number, (x, y) in enumerate(zip_longest(rows, there), start=1):
        if x is None or y is None or len(x) != len(y):
            yield Difference(f"row {number}", "is missing or longer on one side"), False
            return
        row, other = dict(zip(columns, x, strict=False)), dict(zip(columns, y, strict=False))
        for column in columns:
            for found in compare_texts(row.get(column, ""), other.get(column, ""), tolerance):
                yield found.inside(f"row {number}, {column}"), is_measured_cell(a.stem, column, row)


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            # The last lines of a log are not data: the fingerprint of its params, and its seal.
            yield from csv.reader(line for line in file if not line.startswith((f"# {MADE_WITH} ", f"# {SEAL} ")))
    except (csv.Error, UnicodeError) as error:
        raise UserError(f"{path}: is no readable csv ({brief(error)})") from error


def _image_differences(a: Path, b: Path, tolerance: Tolerance) -> Iterator[Difference]:
    if found := compare_arrays(_pixels(a), _pixels(b), tolerance):
        yield found.inside("pixel", " ")


def _pixels(path: Path) -> StoredArray:
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGBA"))
    except Exception as error:  # damaged bytes make PIL raise nearly anything
        raise UserError(f"{path}: is no readable png ({brief(error)})") from error
    content = pixels.tobytes()
    return StoredArray(str(path), pixels.dtype, pixels.shape, False, lambda: BytesIO(content))


def _text_differences(a: Path, b: Path, tolerance: Tolerance) -> Iterator[Difference]:
    for number, (x, y) in enumerate(zip_longest(_lines(a), _lines(b)), start=1):
        if x is None or y is None:
            yield Difference(f"line {number}", "is missing here" if x is None else "is missing there")
            return
        for found in compare_texts(x, y, tolerance):
            yield found.inside(f"line {number}")


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except UnicodeError as error:
        raise UserError(f"{path}: is no readable text ({brief(error)})") from error


def _compare_json(a: Path, b: Path, tolerance: Tolerance) -> Compared:
    """Compare the content of two files, and separately how they were made."""
    (content, made), (other, other_made) = (_split(read_json(path), path.name == MANIFEST) for path in (a, b))
    stage = str(made.get("stage"))
    plain, other_plain = drop_measured(stage, content), drop_measured(stage, other)
    differences = [(found, False) for found in compare_values(plain, other_plain, tolerance)]
    if (plain, other_plain) != (content, other):
        apart = {found.where for found, _ in differences}
        everything = compare_values(content, other, tolerance)
        differences += [(found, True) for found in everything if found.where not in apart]
    making = next(compare_values(made, other_made, Tolerance(0.0, 0.0)), None)
    made_otherwise = "" if making is None else f"{making.where}: {making.words}"
    if not differences:
        return Compared(Kind.REMADE, made_otherwise or "the hashes of its files, or its layout", made=made_otherwise)
    return replace(_judge(differences), made=made_otherwise)


def _split(content: dict[str, Any], is_manifest: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    made = content if is_manifest else content.get("made_by", {})
    made = made if isinstance(made, dict) else {"made_by": made}
    said = {} if is_manifest else {key: value for key, value in content.items() if key not in ("made_by", SEAL)}
    return {**said, CONTENT: made.get(CONTENT, {})}, {key: made[key] for key in MADE if key in made}
