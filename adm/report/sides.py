"""Two results that are compared: what each holds, and what differs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adm.artifacts.manifest import DEFAULT, differing
from adm.errors import one_line
from adm.report.verdicts import Verdict


@dataclass(frozen=True)
class Number:
    """A measured number and its 95 % interval; one without an interval has itself as both ends."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g}" + (f" [{self.low:.4g}, {self.high:.4g}]" if self.low < self.high else "")

    def is_apart_from(self, other: "Number") -> bool:
        """Tell whether the two intervals have no point in common."""
        return self.high < other.low or other.high < self.low


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
    """The content of a results folder, or of a published one; what is measured in seconds is left out.

    Attributes:
        folder: What the user calls it; its tables and figures lie there.
        values: What the params file says beyond defaults, without where results lie; None if today's code refuses it.
        scores: The scores of each run, by run and metric.
        claims: The verdict of each claim.
        results: The results folder, if it is one that is not published.
    """

    folder: Path
    values: Mapping[str, Any] | None
    scores: Mapping[str, Mapping[str, Number]]
    claims: Mapping[str, Verdict]
    results: Path | None = None

    @property
    def numbers(self) -> dict[str, Number]:
        """Every score by "RUN: METRIC"."""
        return {f"{run}: {name}": number for run, named in self.scores.items() for name, number in named.items()}


def differences_of(a: Held, b: Held) -> tuple[list[Change], dict[str, int]]:
    """List what differs between two sides; count the numbers that both have, and those that moved and how."""
    first, second = a.numbers, b.numbers
    both = [(name, number, second[name]) for name, number in first.items() if name in second]
    apart = [(name, x, y) for name, x, y in both if x.is_apart_from(y)]
    params = [] if a.values is None or b.values is None else differing(a.values, b.values)
    claims = [(key, a.claims.get(key), b.claims.get(key)) for key in dict.fromkeys([*a.claims, *b.claims])]
    differences = [
        *(
            Change("param", name, *(None if value is DEFAULT else value for value in values))
            for name, *values in params
        ),
        *(Change("metric", name, x, y, y.value - x.value) for name, x, y in apart),
        *(
            Change("claim", key, found and words(found), now and words(now))
            for key, found, now in claims
            if (found and found.verdict) != (now and now.verdict)
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


def words(claim: Verdict) -> str:
    """Print a verdict with its interval."""
    if claim.estimate is None or claim.low is None or claim.high is None:
        return claim.verdict
    return f"{claim.verdict}: {Number(claim.estimate, claim.low, claim.high)}"


def told(value: Any) -> str:
    """Print a side of a change in 60 characters at most."""
    if value is None or isinstance(value, dict):
        return "-" if value is None else "there"
    return one_line(str(value), longest=60)
