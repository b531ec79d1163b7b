"""Timing two ways of doing the same work in turn, so that a drifting machine slows both alike."""

import statistics
import time
from collections.abc import Callable


def paired(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> tuple[float, float, float]:
    """Run both in turn after one warm-up each.

    Returns:
        Median seconds of ours, median seconds of theirs, and the median of the ratios theirs / ours, pair by pair.
    """
    ours(), theirs()
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(repeats)]
    mine, other = zip(*pairs, strict=True)
    return statistics.median(mine), statistics.median(other), statistics.median(b / a for a, b in pairs)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
