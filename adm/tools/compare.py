"""`compare`: what differs between two results folders.

Files are compared within a tolerance, where both sides have them; scores of runs by their intervals. What is
published holds scores and verdicts and no other artifacts.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tabulate import tabulate

from adm.artifacts.comparison import MEANING, SOUND, Compared, Kind, Tolerance, compare_files
from adm.artifacts.writing import new_file, write_json
from adm.config.metrics import METRICS
from adm.dvc_file import MEASURED, SCORED
from adm.metrics.intervals import metric_interval
from adm.params import UserError, load
from adm.pipeline import kinds
from adm.progress import progress
from adm.report.metrics import Score, read_scores
from adm.report.page.beside import beside
from adm.report.sides import Held, Number, differences_of, told
from adm.report.verdicts import read_verdicts
from adm.tools.jobs import params_kept
from adm.tools.publish import ARCHIVE, NOTE, unpack

logger = logging.getLogger(__name__)

SCRATCH = frozenset({"jobs", "logs", "params.yaml", "report.html", "report.json", "work"})
"""Entries of a results folder beside results: triggers of jobs, logs, params, the page of all, and unfinished work."""

RENDERED = {".md": ".csv", ".tex": ".csv", ".html": ".csv", ".pdf": ".png", ".svg": ".png"}
"""Endings of files that show the same content as the file of another ending beside them."""


def run(a: str, b: str | None, params: Path, tolerance: Tolerance, out: Path | None) -> bool:
    """Print each file that is not equal, then the params, metrics and verdicts that differ, and counts.

    A metric differs if the two intervals have no point in common; one without an interval, if it differs in six digits.

    Args:
        a: A results folder.
        b: Another one; None is the results of the params file.
        params: The params file.
        tolerance: Of the numbers in files.
        out: A JSON file to write.

    Returns:
        Whether the sides agree: their files within the tolerance, but for what is measured in seconds; of what is
        published, whether nothing differs.

    Raises:
        UserError: A side is none, is damaged, or holds nothing to compare.
    """
    sides = _sides(a, b, params)
    folders = [side.results for side in sides if side.results is not None]
    files = _compare_folders(folders[0], folders[1], tolerance) if len(folders) == 2 else {}
    for path, one in files.items():
        if one.kind != Kind.EQUAL:
            print(f"{one.kind:<10}  {': '.join(filter(None, (path, one.words)))}")
    kinds_of = Counter(one.kind for one in files.values())
    names = [str(side.folder) for side in sides]
    if files:
        rows = [[str(kind), kinds_of[kind], MEANING[kind]] for kind in Kind]
        print(tabulate(rows, ["", "files", f"A is {names[0]}, B is {names[1]}"], tablefmt="github"), end="\n\n")
    differences, counts = differences_of(*sides)
    if differences:
        rows = [
            [one.kind, one.name, told(one.a), told(one.b), "" if one.moved is None else f"{one.moved:+.4g}"]
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
            "files": {"counts": kinds_of, **{path: asdict(one) for path, one in files.items()}},
            "numbers": counts,
            "differences": [asdict(one) for one in differences],
        }
        with new_file(out) as partial:
            write_json(partial, report)
    return set(kinds_of) <= SOUND if files else not differences


def page(a: str, b: str | None, params: Path, out: Path) -> None:
    """Set two results side by side on one page, in an html file; the other arguments are those of `run`.

    Raises:
        UserError: As of `run`, or a table, a picture or samples are not as this version writes them.
    """
    text = beside(*_sides(a, b, params))
    with new_file(out) as partial:
        partial.write_text(text, encoding="utf-8")
    print(out)


def _sides(a: str, b: str | None, params: Path) -> tuple[Held, Held]:
    with TemporaryDirectory() as scratch:
        sides = (held(a, params, Path(scratch) / "a"), held(b, params, Path(scratch) / "b"))
    for side in sides:
        if not side.scores and not side.claims and not (side.results and _files(side.results)):
            raise UserError(f"{side.folder}: nothing to compare: it holds no scores of runs and no claims")
    return sides


def held(name: str | None, params: Path, scratch: Path) -> Held:
    """Read a results folder, published or not, or without a name the results of a params file.

    What is published is unpacked into `scratch`.

    Raises:
        UserError: As of `run`.
    """
    kept, is_whole = None, name is None
    if name is None:
        kept = load(params)
        root = folder = Path(kept.paths.results)
        if not root.is_dir():
            raise UserError(f"{root}: is not there yet; snakemake makes it")
    else:
        root = folder = Path(name)
        if not folder.is_dir():
            raise UserError(f"{name}: is no folder of results; of a commit, `git worktree add` makes one")
        if (folder / ARCHIVE).is_file():
            root = unpack(folder, scratch)
        elif not (folder / NOTE).is_file():  # else it is published without its scores
            is_whole = True
        if is_whole or root != folder:
            file = params_kept(root)
            try:
                kept = load(file)
            except UserError as error:
                logger.warning("params are not compared: %s", str(error).replace(str(root), str(folder)))

    def files(kind: str, output: str) -> list[Path]:
        paths = sorted(root.glob(kinds()[kind].outputs[output].format(key="*")))
        return [path for path in paths if path.stem not in MEASURED]

    read = (read_scores(path) for kind in SCORED for path in files(kind, "out"))
    return Held(
        folder=folder,
        values=None if kept is None else kept.model_dump(mode="json", exclude_defaults=True, exclude={"paths"}),
        scores={run: dict(_metrics(score)) for by_run in read for run, score in by_run.items()},
        claims={one.key: one for path in files("claims", "csv") for one in read_verdicts(path)},
        results=root if is_whole else None,
    )


def is_measured(path: Path) -> bool:
    """Tell whether a file of results, by its path, holds what is measured in seconds, which differs from run to run."""
    return path.stem in MEASURED or path.parent.name in ("training", "throughput")


def _compare_folders(a: Path, b: Path, tolerance: Tolerance) -> dict[str, Compared]:
    ours, theirs = _files(a), _files(b)
    compared = dict.fromkeys(ours, Compared(Kind.ONLY_A)) | dict.fromkeys(theirs, Compared(Kind.ONLY_B))
    for path in progress(sorted(ours & theirs), unit="file"):
        one = compare_files(a / path, b / path, tolerance)
        measured = one.kind == Kind.DIFFERENT and is_measured(path)
        compared[path] = replace(one, kind=Kind.MEASURED) if measured else one
    return {path.as_posix(): compared[path] for path in sorted(compared)}


def _files(results: Path) -> set[Path]:
    """List the files of results but hidden ones, SCRATCH, records, and those that show what another one holds."""
    paths = {path.relative_to(results): path for path in results.rglob("*") if not path.is_dir()}
    return {
        name
        for name, path in paths.items()
        if name.parts[0] not in SCRATCH
        and not (name.parts[0] in ("tables", "figures") and path.suffix == ".json")
        and not any(part.startswith(".") for part in name.parts)
        and not (path.suffix in RENDERED and path.with_suffix(RENDERED[path.suffix]).is_file())
    }


def _metrics(score: Score) -> Iterator[tuple[str, Number]]:
    errors = {metric.error for metric in METRICS.values()}
    for name, value in score.metrics.items():
        if value is None or name in errors:
            continue
        error = score.metrics.get((name in METRICS and METRICS[name].error) or "") or 0
        ends: tuple[float, ...] = (value - 1.96 * error, value + 1.96 * error)
        if name in score.jackknife:
            ends = metric_interval(name, score.jackknife[name], score.num_samples)[1:]
        yield name, Number(*(float(f"{number:.6g}") for number in (value, *ends)))
