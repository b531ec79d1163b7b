"""Verdicts on claims: what an interval says, the risk that it errs, the data that would decide it, and their files."""

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from markupsafe import Markup
from pydantic import TypeAdapter
from scipy import stats

from adm.artifacts.manifest import MadeBy
from adm.artifacts.reading import read_json
from adm.errors import UserError, brief
from adm.metrics.intervals import TAIL, Interval
from adm.report.shown import write_shown
from adm.report.tables import csv_of, html_table, latex, markdown, rendered

CAPTION = (
    "The claims of {whose} against what this scale measured. Verdicts are of these trained networks, one training "
    "each: an interval covers the draw of the samples, images or repetitions, and another training may differ by more."
)
CAPTION_OVER_SEEDS = (
    "The claims of {whose} against what this scale measured. Where a number of seeds stands, models were "
    "trained from so many seeds and sampled apart: the interval is a t-interval that covers both the seeds of training "
    "and the draw of the samples. Any other interval covers the draw of the samples, images or repetitions alone."
)
COLUMNS = {"Claim": 4.2, "Source": 2.0, "Measured": 4.4, "95 % interval": 3.2, "Verdict": 2.0}
"""Headings, and the width of their columns in LaTeX in centimetres."""

Unit = Literal["images a run", "images", "samples a run", "repetitions", "seeds a model"]
"""Kinds of data of which a claim has a number."""

MOST_IMAGES = 100_000
"""Twice as many as the paper's FIDs are of."""

LEAST_SEEDS = 5
"""Fewer tell too little of what another training does to be compared with what another draw of samples does."""

WORST_FIRST = ("does not hold", "undecided", "not tested", "holds")
"""Every verdict, in the order in which a reader looks for them."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The measured effect, the 95 % interval of `measure`, and the verdict from the interval."""

    verdict: Literal["holds", "does not hold", "undecided", "not tested"]
    effect: str = ""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    measure: str = ""
    note: str = ""
    clearance: float = 0.0
    """The value of the function of this name; files do not hold it."""


@dataclass(frozen=True, kw_only=True)
class Verdict(Finding):
    """A claim with its finding."""

    key: str
    statement: str
    source: str
    seeds: int | None = None
    """The number of seeds of training that its interval covers, the least of those compared; None if it covers none."""
    samples: int | None = None
    """The number of samples of a run, the least of those compared; None if no runs are."""
    needs: str = ""
    """The data that would decide an undecided claim."""
    risk: float | None = None
    """The probability that a decided claim is decided wrongly."""


@dataclass(frozen=True)
class Data:
    """The data that an interval is of.

    Attributes:
        unit: What is counted.
        count: How many there are, the least of what is compared.
        freedom: Degrees of freedom of a t-interval, those of the interval itself; infinite for any other. They grow
            with the number of repetitions and of seeds; of images, they are of parts, whose number stays.
        images: The samples of a run, the least of what is compared; 0 if no runs are.
        share: With seeds, the share of the variance that is of the draw of these images; 0 if it is not known.
    """

    unit: Unit
    count: int
    freedom: float = math.inf
    images: int = 0
    share: float = 0.0


def clearance(value: Interval, threshold: float) -> float:
    """Measure the distance of the estimate from the threshold in units of the arm of the interval on that side.

    Above 1 the interval decides. It is infinite for a point that is not on the threshold.
    """
    gap = abs(value.estimate - threshold)
    arm = value.estimate - value.low if value.estimate > threshold else value.high - value.estimate
    return gap / arm if arm > 0 else math.inf if gap > 0 else 0.0


def risk(cleared: float, freedom: float) -> float:
    """Estimate how probable it is that the truth lies on the other side of the threshold than the verdict says.

    It takes the interval's distribution, normal or Student's, as one of the truth. That is right on average over truths
    that are spread evenly around the threshold (Fisher 1930).

    Args:
        cleared: The `clearance` of a decided claim.
        freedom: Degrees of freedom of a t-interval; infinite for any other.
    """
    return min(TAIL, float(stats.t.sf(cleared * stats.t.ppf(1 - TAIL, freedom), freedom)))


def needed(cleared: float, data: Data) -> str:
    """Say how much data would decide an undecided claim if its estimate stayed what it is; "" if none would.

    Intervals of n images shrink as 1 / sqrt(n), those of n seeds or repetitions as t(df; 0.975) / sqrt(n), with df in
    proportion to n - 1. Of the same models, k times as many images leave 1 - share (1 - 1 / k) of the variance; how
    large the share is, fewer than LEAST_SEEDS seeds cannot tell. Numbers of images are rounded up to two digits. Beyond
    100 seeds or repetitions, and beyond twice as many images as the paper's FIDs are of, no effect is to be expected
    that anyone would measure.
    """
    if cleared > 1:
        return ""
    most, count, images = MOST_IMAGES, None, None
    if data.unit in ("repetitions", "seeds a model"):
        most, wanted = 100, cleared * _width(data.count, data)
        count = next((n for n in range(data.count + 1, most + 1) if _width(n, data) < wanted), None)
        if data.count >= LEAST_SEEDS and data.share + cleared**2 > 1:
            images = _images(data.images / (1 - (1 - cleared**2) / data.share))
    elif cleared > 0:
        count = _images(data.count / cleared**2)
    told = f"about {count:,} {data.unit}" if count else f"more than {most:,} {data.unit}"
    if images:
        return f"{told}, or perhaps {images:,} images a run"
    return told if count else f"{told}: no effect is to be expected"


def _images(exact: float) -> int | None:
    """Round a number of images up to two digits; None if it is beyond MOST_IMAGES."""
    rounding: int = 10 ** max(0, math.floor(math.log10(exact)) - 1)
    return math.ceil(exact / rounding) * rounding if exact <= MOST_IMAGES else None


def _width(n: int, data: Data) -> float:
    """Compute the width of a t-interval of n values, relative to their spread."""
    freedom = data.freedom * (n - 1) / (data.count - 1)
    return float(stats.t.ppf(1 - TAIL, freedom)) / math.sqrt(n)


def write_verdicts(stem: Path, verdicts: Sequence[Verdict], made_by: MadeBy) -> None:
    """Write verdicts as `<stem>.csv`, `.md`, `.tex` and `.html`, rounded, and as `.json` in full and with `made_by`.

    The name of `stem` is the group of the claims.
    """
    caption = _caption(verdicts, stem.name)
    hidden = ["clearance"] + ["seeds"] * (not any(verdict.seeds for verdict in verdicts))
    rows = [{name: value for name, value in asdict(one).items() if name not in hidden} for one in verdicts]
    first = ["key", "statement", "source", "verdict"]
    table = pd.DataFrame(rows, columns=first + [name for name in rows[0] if name not in first])
    printed = pd.DataFrame([_printed(verdict) for verdict in verdicts], columns=list(COLUMNS))
    widths = "".join(f"p{{{width}cm}}" for width in COLUMNS.values())
    texts = {
        ".csv": csv_of(table),
        ".md": f"{caption}\n\n{markdown(printed, ['left'] * len(COLUMNS))}\n",
        ".tex": latex(printed, caption, widths, "longtable"),
        ".html": rendered("table_alone.html.j2", title="Claims", table=verdict_table(verdicts, stem.name)) + "\n",
    }
    write_shown(stem, texts, made_by, claims={row.pop("key"): row for row in rows})


def _caption(verdicts: Sequence[Verdict], group: str) -> str:
    caption = CAPTION_OVER_SEEDS if any(verdict.seeds for verdict in verdicts) else CAPTION
    whose = {"later": "later work", "own": "this params file"}.get(group, "the paper's appendix")
    return caption.format(whose=whose)


def verdict_table(verdicts: Sequence[Verdict], group: str) -> Markup:
    """Print the verdicts of a group of claims as a `<table>` element, those first that do not hold."""
    ranked = sorted(verdicts, key=lambda verdict: WORST_FIRST.index(verdict.verdict))
    printed = pd.DataFrame([_printed(verdict) for verdict in ranked], columns=list(COLUMNS))
    values = {"Verdict": [str(WORST_FIRST.index(verdict.verdict)) for verdict in ranked]}
    return html_table(printed, _caption(verdicts, group), [True] * len(COLUMNS), values)


def read_verdicts(path: Path) -> list[Verdict]:
    """Read verdicts back from `<stem>.csv`.

    Raises:
        UserError: The file cannot be read, or is not as this version writes it.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{name: text for name, text in row.items() if text} for row in csv.DictReader(file)]
        verdicts = TypeAdapter(list[Verdict]).validate_python(rows)
    except (OSError, csv.Error, ValueError) as error:
        raise UserError(f"{path}: holds no verdicts as this version writes them ({brief(error)})") from error
    # What is published has no second file, and is held by git.
    whole = path.with_suffix(".json")
    if whole.is_file() and {one.key: one.verdict for one in verdicts} != {
        key: claim["verdict"] for key, claim in read_json(whole)["claims"].items()
    }:
        raise UserError(f"{path}: holds other verdicts than {whole.name}; make it again: adm claims {path.stem}")
    return verdicts


def _printed(verdict: Verdict) -> tuple[str, ...]:
    if verdict.low is None or verdict.high is None:
        return verdict.statement, verdict.source, verdict.effect, "", f"{verdict.verdict}: {verdict.note}"
    measured = "; ".join(filter(None, (verdict.effect, verdict.note)))
    units = {"seeds": verdict.seeds, "samples a run": verdict.samples}
    counts = [f"; {count:,} {unit}" for unit, count in units.items() if count]
    ends = f"{verdict.low:.3g} to {verdict.high:.3g} ({verdict.measure}{''.join(counts)})"
    told = f"{verdict.verdict}: needs {verdict.needs}" if verdict.needs else verdict.verdict
    return verdict.statement, verdict.source, measured, ends, told
