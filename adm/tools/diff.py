"""`diff`: what differs between two results folders, or between what git holds of two revisions.

Both are compared by the scores of their runs, which have intervals. Git holds those of published results; of
a revision that published none, the numbers are those of the tables.
"""

import csv
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from tabulate import tabulate

from adm.artifacts.manifest import DEFAULT, differing
from adm.artifacts.seal import read_sealed_json
from adm.config.metrics import METRICS
from adm.dvc_file import MEASURED
from adm.errors import one_line
from adm.metrics.blocks import Block, t_interval
from adm.params import Params, UserError, load
from adm.params.entries import SCORED
from adm.pipeline import Pipeline, kinds
from adm.tools.publish import ARCHIVE, published, unpack

HELD = (".csv", ".yaml", ".yml", ARCHIVE)
"""Endings of the files of a revision that are read: tables, claims, scores, and params files with their bases."""

OF_ENTRIES = (*SCORED, "claims")
"""Sections of which an entry more or less is told as a run or a claim."""

WIDE = 1.96
"""Half of a 95 % interval, in standard errors."""

NUMBER = r"-?[\d.]+(?:e[+-]?\d+)?"
CELL = re.compile(rf"({NUMBER})(?: \[({NUMBER}), ({NUMBER})\]| ± ({NUMBER}))?")
"""A number in a table, alone, with its 95 % interval or with its standard error."""

HALF, OF_SEEDS = ", ±", (", spread", ", seeds")
"""Endings of columns that stand beside a metric over seeds: half of its interval, and what is no measurement."""

ELSEWHERE = ", paper"
"""Ending of columns that hold the paper's numbers."""


class Number(NamedTuple):
    """A measured number and its 95 % interval; one without an interval has itself as both ends."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g}" + (f" [{self.low:.4g}, {self.high:.4g}]" if self.low < self.high else "")


class Difference(NamedTuple):
    """A difference of a param, a run, a number or a claim; None is what one side does not have."""

    kind: str
    name: str
    a: Any
    b: Any
    moved: float | None = None


@dataclass(frozen=True)
class Held:
    """What a results folder, a published one, or a revision, holds; what is measured in seconds is left out.

    Attributes:
        name: What the user calls it.
        params: The params file.
        scores: The scores of each run, by run and metric; none of a revision without published scores.
        cells: The numbers of tables, by table, row and column.
        claims: The verdict of each claim, with its interval.
    """

    name: str
    params: Params
    scores: Mapping[str, Mapping[str, Number]]
    cells: Mapping[str, Mapping[str, Number]]
    claims: Mapping[str, str]


def run(a: str, b: str | None, params: Path, as_json: bool) -> bool:
    """Print what differs between two results folders or revisions, and how many numbers were compared.

    A number differs if the two intervals have no point in common; one without an interval, if it differs in the six
    digits that tables hold.

    Args:
        a: A results folder, or a revision of git.
        b: Another one; None is the params file as it is now, and its results.
        params: The params file, of a revision, too.
        as_json: Print JSON instead of a table.

    Returns:
        Whether anything differs.

    Raises:
        UserError: A side is neither, is of a params file that today's code does not accept, is damaged, or holds
            nothing to compare.
    """
    with TemporaryDirectory() as scratch:
        sides = (held(a, params, Path(scratch) / "a"), held(b, params, Path(scratch) / "b"))
    by_scores = all(side.scores for side in sides)
    numbers = [dict(_flat(side.scores if by_scores else side.cells)) for side in sides]
    for side, found in zip(sides, numbers, strict=True):
        if not found and not side.claims:
            raise UserError(f"{side.name}: nothing to compare: it holds no scores of runs, no tables and no claims")
    differences, counts = compare(sides, numbers, by_scores)
    if as_json:
        shown = [{**one._asdict(), "a": _plain(one.a), "b": _plain(one.b)} for one in differences]
        names = {"a": sides[0].name, "b": sides[1].name}
        print(json.dumps({**names, "counts": counts, "differences": shown}, indent=2, ensure_ascii=False))
        return bool(differences)
    if differences:
        rows = [[one.kind, one.name, _text(one.a), _text(one.b), _moved(one)] for one in differences]
        print(tabulate(rows, ["", "", *(side.name for side in sides), "moved"], "github", disable_numparse=True))
    print(
        f"{counts['numbers']} numbers of {'scores' if by_scores else 'tables'} in both: {counts['beyond']} moved "
        f"beyond their intervals, {counts['within']} within them; {counts['without']} that have none changed"
    )
    return bool(differences)


def compare(
    sides: tuple[Held, Held], numbers: list[dict[str, Number]], by_scores: bool
) -> tuple[list[Difference], dict[str, int]]:
    """What differs between two sides, and how many numbers both have, and how many of these moved and how.

    Args:
        sides: The two sides.
        numbers: The numbers of each, by name.
        by_scores: Whether the numbers are scores of runs, not cells of tables.
    """
    a, b = sides
    first, second = numbers
    both = [(name, number, second[name]) for name, number in first.items() if name in second]
    apart = [(name, x, y) for name, x, y in both if x.high < y.low or y.high < x.low]
    runs = [set(side.scores if by_scores else side.params.scored) for side in sides]
    differences = [
        *_params(a.params, b.params, runs[0] ^ runs[1]),
        *(Difference("run", run, "there", None) for run in sorted(runs[0] - runs[1])),
        *(Difference("run", run, None, "there") for run in sorted(runs[1] - runs[0])),
        *(Difference("metric" if by_scores else "cell", name, x, y, y.value - x.value) for name, x, y in apart),
        *_claims(a.claims, b.claims),
    ]
    beyond = sum(x.low < x.high or y.low < y.high for _, x, y in apart)
    return differences, {
        "numbers": len(both),
        "beyond": beyond,
        "within": sum(x.value != y.value for _, x, y in both) - len(apart),
        "without": len(apart) - beyond,
    }


def held(name: str | None, params: Path, scratch: Path) -> Held:
    """Read a results folder, published or not; a revision; or what is there now. `scratch` holds what is unpacked.

    Raises:
        UserError: As of `run`.
    """
    if name is None:
        found = load(params)
        return _read("now", found, Path(found.paths.results))
    if (folder := Path(name)).is_dir():
        if (folder / ARCHIVE).is_file():
            folder = unpack(folder, scratch)
        file = folder / kinds()["resolve"].outputs["params"]
        if not file.is_file():
            raise UserError(f"{folder}: is no results folder: it has no {file.name}, which `adm resolve` writes")
        return _read(name, load(file), folder)
    # Results whose place a params file does not tell have the name of the folder of that file.
    project = scratch / Path.cwd().name
    _extract(name, project)
    if params.is_absolute():
        raise UserError(f"--params {params}: of a revision it is a path in the project, such as params.yaml")
    try:
        found = load(project / params)
        root = project / found.paths.results
        # Results were once in git where they are made.
        root = published(root) if published(root).is_dir() else root
        return _read(name, found, unpack(root, scratch / "results") if (root / ARCHIVE).is_file() else root)
    except UserError as error:
        raise UserError(str(error).replace(f"{project}/", f"{name}:")) from error


def _extract(revision: str, folder: Path) -> None:
    """Put what git holds of a revision's tables, claims and params files into a folder."""
    try:
        command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
        commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        archive = subprocess.run(["git", "archive", commit], check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise UserError(f"{revision}: is neither a results folder nor a revision of git here") from error
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        wanted = [file for file in files if file.isfile() and file.name.endswith(HELD)]
        files.extractall(folder, wanted, filter="data")


def _read(name: str, params: Params, root: Path) -> Held:
    jobs = [job for job in Pipeline(params, 1, root).jobs.values() if job.key not in MEASURED]
    files = {
        rule: {job.key: path for job in jobs if job.kind.name == rule and (path := job.outputs[output]).is_file()}
        for rule, output in (
            ("evaluate", "out"),
            ("curve", "out"),
            ("judge", "out"),
            ("table", "csv"),
            ("claims", "csv"),
        )
    }
    scored = [path for rule in ("evaluate", "curve", "judge") for path in files[rule].values()]
    return Held(
        name=name,
        params=params,
        scores={run: score for path in scored for run, score in _scores(path)},
        cells={key: dict(_cells(path)) for key, path in files["table"].items()},
        claims={
            row["key"]: _verdict(path, row)
            for path in files["claims"].values()
            for row in _rows(path, "key", "verdict", "estimate", "low", "high")
        },
    )


def _flat(numbers: Mapping[str, Mapping[str, Number]]) -> Iterator[tuple[str, Number]]:
    for of, named in numbers.items():
        for name, number in named.items():
            yield f"{of}: {name}", number


def _scores(path: Path) -> Iterator[tuple[str, dict[str, Number]]]:
    """The runs of a score file, which is of one or of a curve, with their metrics."""
    content = read_sealed_json(path)
    try:
        for run, scored in content.get("runs", {path.stem: content}).items():
            yield run, dict(_metrics(scored["metrics"], scored["jackknife"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path}: is of another format: it holds no scored run with metrics and jackknife") from error


def _metrics(
    metrics: Mapping[str, float | None], spreads: Mapping[str, Mapping[str, list[float]]]
) -> Iterator[tuple[str, Number]]:
    errors = {metric.error for metric in METRICS.values()}
    for name, value in metrics.items():
        if value is None or name in errors:
            continue
        error = metrics.get((name in METRICS and METRICS[name].error) or "")
        if name in spreads:
            values, pairs = (np.array(spreads[name][part], np.float64)[:, None] for part in ("values", "pairs"))
            yield name, _number(value, *t_interval(Block(values, pairs))[1:])
        else:
            yield name, _number(value, value - WIDE * (error or 0), value + WIDE * (error or 0))


def _number(*numbers: float) -> Number:
    return Number(*(float(f"{number:.6g}") for number in numbers))


def _rows(path: Path, *columns: str) -> list[dict[str, str]]:
    """The rows of a csv, which has some columns at least."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, restval=""))
    if missing := [name for row in rows[:1] for name in columns if name not in row]:
        raise UserError(f"{path}: is of another format: it has no column {missing[0]!r}")
    return rows


def _cells(path: Path) -> Iterator[tuple[str, Number]]:
    """The numbers of a table that were measured here, by row and column."""
    seen: dict[str, int] = {}
    for row in _rows(path):
        first = next(iter(row.values()))
        seen[first] = seen.get(first, 0) + 1
        label = first if seen[first] == 1 else f"{first} ({seen[first]})"
        for column, text in list(row.items())[1:]:
            cell = CELL.fullmatch(text)
            if cell is None or column.endswith((ELSEWHERE, HALF, *OF_SEEDS)):
                continue
            value, low, high, error = cell.groups()
            half = float(row.get(f"{column}{HALF}") or WIDE * float(error or 0))
            yield f"{label}, {column}", _number(float(value), float(low or value) - half, float(high or value) + half)


def _verdict(path: Path, row: Mapping[str, str]) -> str:
    if not row["estimate"]:
        return row["verdict"]
    try:
        return f"{row['verdict']}: {Number(*(float(row[name]) for name in ('estimate', 'low', 'high')))}"
    except ValueError as error:
        raise UserError(f"{path}: is of another format: {row['key']}: {error}") from error


def _params(a: Params, b: Params, runs: set[str]) -> Iterator[Difference]:
    """The keys with other values, without where results lie, and without runs and claims that one side lacks."""
    before, after = (side.model_dump(mode="json", exclude_defaults=True, exclude={"paths"}) for side in (a, b))
    for name, first, second in differing(before, after):
        section, _, key = name.partition(".")
        is_whole = key in (a.claims.keys() ^ b.claims.keys() if section == "claims" else runs)
        if section not in OF_ENTRIES or not is_whole:
            yield Difference("param", name, *(None if value is DEFAULT else value for value in (first, second)))


def _claims(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Difference]:
    for name in dict.fromkeys([*a, *b]):
        before, after = a.get(name), b.get(name)
        if (before or "").partition(":")[0] != (after or "").partition(":")[0]:
            yield Difference("claim", name, before, after)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    text = one_line(str(value))
    return text if len(text) <= 60 else f"{text[:56]} ..."


def _moved(one: Difference) -> str:
    return "" if one.moved is None else f"{one.moved:+.4g}"


def _plain(value: Any) -> Any:
    return value._asdict() if isinstance(value, Number) else value
