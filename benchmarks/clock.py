"""Timing two ways of doing the same work in turn, so that a drifting machine slows both alike."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """A row of the table.

    Attributes:
        what: The work that is timed.
        rival: Who else does it.
        ours: Seconds of each repeat.
        theirs: Seconds of each repeat; none where nobody else is timed.
    """

    what: str
    rival: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...] = ()

    def __str__(self) -> str:
        cells = [self.what, self.rival, f"{1000 * statistics.median(self.ours):.4g}", "", ""]
        if self.theirs:
            ratios = [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]
            cells[3] = f"{1000 * statistics.median(self.theirs):.4g}"
            cells[4] = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        return f"| {' | '.join(cells)} |"


def paired(what: str, rival: str, ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> Timing:
    """Run both in turn after one warm-up each."""
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    return Timing(what, rival, *zip(*pairs, strict=True))


def seconds(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
