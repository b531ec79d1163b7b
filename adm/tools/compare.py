"""`compare`: what differs between two results folders.

Artifacts are compared within a tolerance, where both sides have them; scores of runs by their intervals. What is
published holds scores and verdicts and no other artifacts.
"""

import csv
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from tabulate import tabulate

from adm.artifacts.comparison import MEANING, SOUND, Compared, Kind, Tolerance, compare_artifacts, shows_another
from adm.artifacts.inventory import find_artifacts
from adm.artifacts.manifest import DEFAULT, differing
from adm.artifacts.seal import read_sealed_json
from adm.artifacts.writing import new_file, write_json
from adm.config.metrics import METRICS
from adm.dvc_file import MEASURED, SCORED
from adm.errors import one_line
from adm.machine import available_cores
from adm.metrics.intervals import Block, t_interval
from adm.params import Params, UserError, load
from adm.pipeline import kinds
from adm.progress import progress
from adm.tools.jobs import params_kept
from adm.tools.publish import ARCHIVE, unpack

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Number:
    """A measured number and its 95 % interval; one without an interval has itself as both ends."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g}" + (f" [{self.low:.4g}, {self.high:.4g}]" if self.low < self.high else "")


@dataclass(frozen=True)
class Change:
    """A difference of a param, a metric or a claim; None is what one side does not have."""

    kind: str
    name: str
    a: Any
    b: Any
    moved: float | None = None


@dataclass(frozen=True)
class Held:
    """What a results folder, or a published one, holds; what is measured in seconds is left out.

    Attributes:
        name: What the user calls it.
        values: What the params file says beyond defaults, without where results lie; None if today's code refuses it.
        scores: The scores of each run, by run and metric.
        claims: The verdict of each claim, with its interval.
        results: The results folder, if it is one that is not published.
    """

    name: str
    values: Mapping[str, Any] | None
    scores: Mapping[str, Mapping[str, Number]]
    claims: Mapping[str, str]
    results: Path | None = None


def run(a: str, b: str | None, params: Path, tolerance: Tolerance, out: Path | None) -> bool:
    """Print each artifact that is not equal, then the params, metrics and verdicts that differ, and counts.

    A metric differs if the two intervals have no point in common; one without an interval, if it differs in six digits.

    Args:
        a: A results folder.
        b: Another one; None is the results of the params file.
        params: The params file.
        tolerance: Of the numbers of artifacts.
        out: A JSON file to write.

    Returns:
        Whether the sides agree: their artifacts within the tolerance, but for what is measured in seconds; of what is
        published, whether nothing differs.

    Raises:
        UserError: A side is none, is damaged, or holds nothing to compare.
    """
    with TemporaryDirectory() as scratch:
        sides = (held(a, params, Path(scratch) / "a"), held(b, params, Path(scratch) / "b"))
    folders = [side.results for side in sides if side.results is not None]
    for side in sides:
        if not side.scores and not side.claims and not (side.results and find_artifacts(side.results)):
            raise UserError(f"{side.name}: nothing to compare: it holds no scores of runs and no claims")
    artifacts = _compare_folders(folders[0], folders[1], tolerance) if len(folders) == 2 else {}
    for path, one in artifacts.items():
        if one.kind != Kind.EQUAL:
            print(f"{one.kind:<10}  {': '.join(filter(None, (path, one.words)))}")
    kinds_of = Counter(one.kind for one in artifacts.values())
    names = [side.name for side in sides]
    if artifacts:
        rows = [[str(kind), kinds_of[kind], MEANING[kind]] for kind in Kind]
        print(tabulate(rows, ["", "artifacts", f"A is {names[0]}, B is {names[1]}"], tablefmt="github"), end="\n\n")
    differences, counts = differences_of(*sides)
    if differences:
        rows = [
            [one.kind, one.name, _text(one.a), _text(one.b), "" if one.moved is None else f"{one.moved:+.4g}"]
            for one in differences
        ]
        print(tabulate(rows, ["", "", *names, "moved"], "github", disable_numparse=True))
    print(
        f"{counts['numbers']} numbers of scores in both: {counts['beyond']} moved beyond their intervals, "
        f"{counts['within']} within them; {counts['without']} that have none changed; "
        f"{counts['alone']} on one side alone"
    )
    if out is not None:
        report = {
            **dict(zip("ab", names, strict=True)),
            "artifacts": {"counts": kinds_of, **{path: asdict(one) for path, one in artifacts.items()}},
            "numbers": counts,
            "differences": [asdict(one) for one in differences],
        }
        with new_file(out) as partial:
            write_json(partial, report)
    return set(kinds_of) <= SOUND if artifacts else not differences


def differences_of(a: Held, b: Held) -> tuple[list[Change], dict[str, int]]:
    """List what differs between two sides; count the numbers that both have, and those that moved and how."""
    first, second = (
        {f"{run}: {name}": number for run, named in side.scores.items() for name, number in named.items()}
        for side in (a, b)
    )
    both = [(name, number, second[name]) for name, number in first.items() if name in second]
    apart = [(name, x, y) for name, x, y in both if x.high < y.low or y.high < x.low]
    params = [] if a.values is None or b.values is None else differing(a.values, b.values)
    differences = [
        *(
            Change("param", name, *(None if value is DEFAULT else value for value in values))
            for name, *values in params
        ),
        *(Change("metric", name, x, y, y.value - x.value) for name, x, y in apart),
        *(
            Change("claim", key, a.claims.get(key), b.claims.get(key))
            for key in dict.fromkeys([*a.claims, *b.claims])
            if a.claims.get(key, "").partition(":")[0] != b.claims.get(key, "").partition(":")[0]
        ),
    ]
    beyond = sum(x.low < x.high or y.low < y.high for _, x, y in apart)
    return differences, {
        "numbers": len(both),
        "beyond": beyond,
        "within": sum(x.value != y.value for _, x, y in both) - len(apart),
        "without": len(apart) - beyond,
        "alone": len(first) + len(second) - 2 * len(both),
    }


def held(name: str | None, params: Path, scratch: Path) -> Held:
    """Read a results folder, published or not, or the results of a params file.

    Args:
        name: The folder; None for the params file.
        params: The params file.
        scratch: A folder for what is unpacked.

    Raises:
        UserError: As of `run`.
    """
    if name is None:
        found = load(params)
        return _read(found.paths.results, found, Path(found.paths.results), is_whole=True)
    folder = Path(name)
    if not folder.is_dir():
        raise UserError(f"{name}: is no folder of results; of a commit, `git worktree add` makes one")
    is_whole = not (folder / ARCHIVE).is_file()
    folder = folder if is_whole else unpack(folder, scratch)
    file, kept = params_kept(folder), None
    try:
        kept = load(file)
    except UserError as error:
        logger.warning("params are not compared: %s", error)
    return _read(name, kept, folder, is_whole)


def _compare_folders(a: Path, b: Path, tolerance: Tolerance) -> dict[str, Compared]:
    """Compare the artifacts of two folders by their paths; files that show what another one holds are left out."""
    ours, theirs = (
        {path: one for path, one in find_artifacts(folder).items() if not shows_another(one.path)} for folder in (a, b)
    )
    both = sorted(ours.keys() & theirs.keys())
    found = dict.fromkeys(ours, Compared(Kind.ONLY_A)) | dict.fromkeys(theirs, Compared(Kind.ONLY_B))
    with ThreadPoolExecutor(available_cores()) as pool:
        pairs = pool.map(lambda path: compare_artifacts(ours[path], theirs[path], tolerance), both)
        found |= zip(both, progress(pairs, total=len(both), unit="artifact"), strict=True)
    return {path: found[path] for path in sorted(found)}


def _read(name: str, params: Params | None, root: Path, is_whole: bool = False) -> Held:
    def files(kind: str, output: str) -> list[Path]:
        paths = sorted(root.glob(kinds()[kind].outputs[output].format(key="*")))
        return [path for path in paths if path.stem not in MEASURED]

    scores = {run: score for kind in SCORED for path in files(kind, "out") for run, score in _scores(path)}
    claims = {key: verdict for path in files("claims", "csv") for key, verdict in _claims(path)}
    values = None if params is None else params.model_dump(mode="json", exclude_defaults=True, exclude={"paths"})
    return Held(name, values, scores, claims, root if is_whole else None)


def _scores(path: Path) -> Iterator[tuple[str, dict[str, Number]]]:
    """Yield the runs of a score file, which is of one or of a curve, with their metrics."""
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
        error = metrics.get((name in METRICS and METRICS[name].error) or "") or 0
        interval: tuple[float, ...] = (value - 1.96 * error, value + 1.96 * error)
        if name in spreads:
            values, pairs = (np.array(spreads[name][part], np.float64)[:, None] for part in ("values", "pairs"))
            interval = t_interval(Block(values, pairs))[1:]
        yield name, Number(*(float(f"{number:.6g}") for number in (value, *interval)))


def _claims(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the claims of a csv, each with its verdict and its interval."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                estimate = [float(row[name]) for name in ("estimate", "low", "high") if row["estimate"]]
                yield row["key"], f"{row['verdict']}: {Number(*estimate)}" if estimate else row["verdict"]
            except (KeyError, ValueError) as error:
                raise UserError(f"{path}: is of another format: it holds no claim with a verdict ({error})") from error


def _text(value: Any) -> str:
    if value is None or isinstance(value, dict):
        return "-" if value is None else "there"
    text = one_line(str(value))
    return text if len(text) <= 60 else f"{text[:56]} ..."
