"""How a run of a scale ended, in a few lines, and how it compares with what is published of the scale.

`python workflow/verdicts.py RESULTS SECONDS`
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from adm.errors import UserError, some
from adm.metrics.intervals import TAIL
from adm.report.lottery import ROWS
from adm.report.verdicts import read_verdicts
from adm.tools.compare import Number, held, is_measured
from adm.tools.publish import ARCHIVE, NOTE, processors, published

RETRAINING = 3.2
"""The standard deviation of a score over trainings, in those over draws of samples, where no lottery measured it.

Source: arXiv 2606.20536.
"""

WIDE_95, WIDE_99 = 1.960, 2.576
"""Half of a 95 % and of a 99 % interval, in standard errors."""


def summary(results: Path, seconds: int) -> list[str]:
    """Tell how long a run took, how many claims got which verdict, where to read on, and what differs from before."""
    found = [verdict for path in results.glob("claims/*.csv") for verdict in read_verdicts(path)]
    counts, wrong = Counter(verdict.verdict for verdict in found), sum(verdict.risk or 0.0 for verdict in found)
    told = ", ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items()))
    tested = counts.total() - counts["not tested"]
    chance = f"; expected to be wrong by chance: {wrong:.2g}, at most {TAIL * tested:.1f}" if tested else ""
    return [
        f"Time:      {seconds // 60} min {seconds % 60} s",
        f"Claims:    {told or 'none'}{chance}",
        f"Tables:    {results / 'tables'}",
        f"Figures:   {results / 'figures'}",
        f"Report:    {results / 'report.html'}",
        *(f"{'' if number else 'Published:':10} {line}" for number, line in enumerate(_compared(results))),
    ]


def _compared(results: Path) -> list[str]:
    """Compare as `comparison` does; a run that ended well ends well, whatever is published."""
    try:
        return list(comparison(results, retraining(results)))
    except UserError as error:
        return [f"cannot be compared: {error}"]


def retraining(results: Path) -> float:
    """Read the ratio of retraining to drawing samples again from a scale's table `lottery`; without one, RETRAINING."""
    path = results / "tables" / "lottery.csv"
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []
    return next((float(row[1]) for row in rows if row[0] == ROWS["ratio"] and row[1]), RETRAINING)


def comparison(results: Path, ratio: float = RETRAINING) -> Iterator[str]:
    """Tell how results compare with what is published of their scale.

    Args:
        results: A results folder, whole.
        ratio: As of `within`.

    Raises:
        UserError: What is published is damaged, or was published by another version.
    """
    out = published(results)
    if not (out / ARCHIVE).is_file():
        yield f"nothing to compare with in {out}" + (f"; see its {NOTE}" if (out / NOTE).is_file() else "")
        return
    with TemporaryDirectory() as scratch:
        try:
            theirs = held(str(out), Path(), Path(scratch))
        except UserError as error:
            raise UserError(f"{str(error).replace(scratch, str(out / ARCHIVE))}; type: adm publish") from error
        files = [path for path in Path(scratch).glob("*/**/*") if path.is_file() and not is_measured(path)]
        differ = [path for path in files if not _same(path, results / path.relative_to(scratch))]
        before = processors(Path(scratch))
    ours = held(str(results), Path(), Path(scratch))
    pairs = [
        (number, theirs.scores[run][name])
        for run, metrics in ours.scores.items()
        for name, number in metrics.items()
        if name in theirs.scores.get(run, {})
    ]
    scores = [within(*pair, ratio) for pair in pairs if any(number.low < number.high for number in pair)]
    gone = sum(name not in ours.scores.get(run, {}) for run, found in theirs.scores.items() for name in found)
    lacking = sum(key not in ours.claims for key in theirs.claims)
    equal = len(files) - len(differ)
    yield f"{equal} of {len(files)} files of scores, tables and claims have the bytes of those in {out}"
    if ours.values != theirs.values:
        yield f"the params file has changed since; adm compare {out} tells what"
    if differ:
        yield f"{sum(scores)} of {len(scores)} scores lie within the 99 % interval of a difference of two trainings"
    moved = [
        f"{key} ({theirs.claims[key].partition(':')[0]} -> {verdict})"
        for key, found in ours.claims.items()
        if key in theirs.claims and (verdict := found.partition(":")[0]) != theirs.claims[key].partition(":")[0]
    ]
    if gone or lacking:
        yield f"{gone} scores and {lacking} verdicts that are published are not here"
    if differ or moved:
        yield f"verdicts that differ: {some(moved, 8) or 'none'}"
    if differ and (now := processors(results)) != before:
        yield f"made on {' and '.join(sorted(before))}, here on {' and '.join(sorted(now))}: kernels round otherwise,"
        yield "and training carries a last digit to one that shows (docs/determinism.md)"


def within(ours: Number, theirs: Number, ratio: float = RETRAINING) -> bool:
    """Tell whether two scores lie within the 99 % interval of a difference of two trainings.

    The variance of a score is that of the draw of its samples, by its 95 % interval, and `ratio`² times as much of its
    training.

    Args:
        ours: A score.
        theirs: The same score of another training.
        ratio: The standard deviation over trainings, in those over draws of samples.
    """
    sampled = [(score.high - score.low) / 2 / WIDE_95 for score in (ours, theirs)]
    return abs(ours.value - theirs.value) <= WIDE_99 * np.sqrt(1 + ratio**2) * np.hypot(*sampled)


def _same(a: Path, b: Path) -> bool:
    return b.is_file() and a.read_bytes() == b.read_bytes()


if __name__ == "__main__":
    print(*summary(Path(sys.argv[1]), int(sys.argv[2])), sep="\n")
