"""Whether results are those that are published of their scale: to the byte, or as another training would have them."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from scipy import stats

from adm.config.metrics import RETRAINING
from adm.errors import UserError, some
from adm.report.lottery import ROWS
from adm.report.sides import Number
from adm.tools.compare import held, is_measured
from adm.tools.publish import ARCHIVE, processors, published

WIDE_95, WIDE_99 = 1.960, 2.576
"""Half of a 95 % and of a 99 % interval, in standard errors."""


def compared(results: Path) -> list[str]:
    """Tell how a whole results folder compares with what is published of its scale; nothing where nothing is.

    A run that ended well ends well, whatever is published: what is damaged there, or of another version, is told.
    """
    if not (published(results) / ARCHIVE).is_file():
        return []
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
    """Compare results with what is published of their scale; the first line says whether they are reproduced.

    They are reproduced if all that is published is here, no fewer scores lie in their 99 % intervals than chance leaves
    there, and no claim that held does not hold, or vice versa. `results` is a whole folder, and `ratio` of `within`.

    Raises:
        UserError: What is published is damaged, or was published by another version.
    """
    out = published(results)
    with TemporaryDirectory() as scratch:
        try:
            theirs = held(str(out), Path(), Path(scratch))
        except UserError as error:
            raise UserError(f"{str(error).replace(scratch, str(out / ARCHIVE))}; type: adm publish") from error
        files = [path for path in Path(scratch).glob("*/**/*") if path.is_file() and not is_measured(path)]
        pairs = [(path, results / path.relative_to(scratch)) for path in files]
        equal = sum(here.is_file() and here.read_bytes() == path.read_bytes() for path, here in pairs)
        before = processors(Path(scratch))
    ours = held(str(results), Path(), Path(scratch))
    here, there = ours.numbers, theirs.numbers
    both = [(here[name], number) for name, number in there.items() if name in here]
    scores = [within(*pair, ratio) for pair in both if any(number.low < number.high for number in pair)]
    gone, lacking = len(there.keys() - here.keys()), len(theirs.claims.keys() - ours.claims.keys())
    moved = {
        key: (claim.verdict, ours.claims[key].verdict)
        for key, claim in theirs.claims.items()
        if key in ours.claims and claim.verdict != ours.claims[key].verdict
    }
    turned = any({*words} == {"holds", "does not hold"} for words in moved.values())
    word = "reproduced to the byte" if equal == len(files) else "reproduced, if not to the byte"
    if gone or lacking or turned or len(scores) - sum(scores) > stats.binom.ppf(0.99, len(scores), 0.01):
        word = "not reproduced in full"
    yield f"{word}: {equal} of {len(files)} files of scores, tables and claims have the bytes of those in {out}"
    if ours.values != theirs.values:
        yield f"the params file has changed since; adm compare {out} tells what"
    if equal < len(files):
        yield f"{sum(scores)} of {len(scores)} scores lie within the 99 % interval of a difference of two trainings"
    if gone or lacking:
        yield f"{gone} scores and {lacking} verdicts that are published are not here"
    if equal < len(files) or moved:
        told = [f"{key} ({' -> '.join(words)})" for key, words in moved.items()]
        yield f"verdicts that differ: {some(told, 8) or 'none'}"
    if equal < len(files) and (now := processors(results)) != before:
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
    return abs(ours.value - theirs.value) <= WIDE_99 * math.hypot(1, ratio) * math.hypot(*sampled)
