"""What an interval of a claim says beyond its verdict: the risk that it errs, and the data that would decide it."""

import math
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from adm.metrics.intervals import TAIL, Interval

Unit = Literal["images a run", "images", "samples a run", "repetitions", "seeds a model"]
"""What a claim has a number of."""

MOST: dict[Unit, int] = {"repetitions": 100, "seeds a model": 100}
"""Beyond so many, no effect is to be expected that anyone would measure."""

MOST_IMAGES = 100_000
"""As MOST, of images: twice as many as the paper's FIDs are of."""


@dataclass(frozen=True)
class Data:
    """What an interval is of.

    Attributes:
        unit: What is counted.
        count: How many there are, the least of what is compared.
        freedom: Degrees of freedom of a t-interval, those of the interval itself; infinite for any other. They grow
            with the number of repetitions and of seeds; of images, they are of parts, whose number stays.
    """

    unit: Unit
    count: int
    freedom: float = math.inf


def clearance(found: Interval, threshold: float) -> float:
    """The distance of the estimate from the threshold, in units of the arm of the interval on that side.

    Above 1 the interval decides. It is infinite for a point that is not on the threshold.
    """
    gap = abs(found.estimate - threshold)
    arm = found.estimate - found.low if found.estimate > threshold else found.high - found.estimate
    return gap / arm if arm > 0 else math.inf if gap > 0 else 0.0


def risk(cleared: float | None, freedom: float) -> float:
    """The probability that the truth lies on the other side of the threshold than the verdict says, at most 2.5 %.

    It takes the interval's distribution, normal or Student's, as one of the truth. That is right on average over truths
    that are spread evenly around the threshold (Fisher 1930).

    Args:
        cleared: The `clearance` of a decided claim; None takes 2.5 %.
        freedom: Degrees of freedom of a t-interval; infinite for any other.
    """
    if cleared is None:
        return TAIL
    return min(TAIL, float(stats.t.sf(cleared * stats.t.ppf(1 - TAIL, freedom), freedom)))


def needed(cleared: float | None, data: Data) -> str:
    """How much data would decide an undecided claim if its estimate stayed what it is; "" if none would.

    Intervals of n images shrink as 1 / sqrt(n), those of n seeds or repetitions as t(df; 0.975) / sqrt(n), with df in
    proportion to n - 1. The number of images is rounded up to two digits.
    """
    if cleared is None or cleared > 1:
        return ""
    most = MOST.get(data.unit, MOST_IMAGES)
    if data.unit in MOST:
        wanted = cleared * _width(data.count, data)
        count = next((n for n in range(data.count + 1, most + 1) if _width(n, data) < wanted), None)
    else:
        exact = data.count / cleared**2 if cleared > 0 else math.inf
        count = _rounded_up(exact) if exact <= most else None
    if count is None:
        return f"more than {most:,} {data.unit}: no effect is to be expected"
    return f"about {count:,} {data.unit}"


def _width(n: int, data: Data) -> float:
    """The width of a t-interval of n values, relative to their spread."""
    freedom = data.freedom * (n - 1) / (data.count - 1)
    return float(stats.t.ppf(1 - TAIL, freedom)) / math.sqrt(n)


def _rounded_up(exact: float) -> int:
    unit: int = 10 ** max(0, math.floor(math.log10(exact)) - 1)
    return math.ceil(exact / unit) * unit
