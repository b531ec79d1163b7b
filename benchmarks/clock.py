"""Timing two ways of doing the same work in turn, so that a drifting machine slows both alike."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of both, pair by pair."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """How many times as fast ours was in each pair."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    def __str__(self) -> str:
        ours, theirs = (1000 * statistics.median(seconds) for seconds in (self.ours, self.theirs))
        ratios = self.ratios
        return (
            f"{ours:.4g} ms, theirs {theirs:.4g} ms, ratio {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f}-{max(ratios):.2f})"
        )


def paired(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> Timing:
    """Run both in turn after one warm-up each."""
    ours(), theirs()
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(repeats)]
    mine, other = zip(*pairs, strict=True)
    return Timing(mine, other)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
