"""Whether an FID is the one that was reported: its interval, and what would move it, measured on the same images."""

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

from adm.data.images import Images
from adm.metrics.executors import half_precision
from adm.metrics.features import Executor
from adm.metrics.fid_infinity import fid_infinity
from adm.metrics.frechet import frechet_distance
from adm.metrics.intervals import block_of, t_interval
from adm.metrics.jackknife import Jackknife
from adm.metrics.protocols import PROTOCOLS
from adm.metrics.scores import SEED, MetricInputs
from adm.metrics.statistics import FeatureStatistics, feature_statistics

PROBED = 2000
"""Images of samples and of the reference, at most, on which another resizing and another precision are measured."""

LEAST_OF_THREE = -1.5 / math.sqrt(math.pi)
"""The mean of the least of three standard normals."""

RETRAINING = 3.2
"""How far training again moves FID, over how far drawing samples again does, at ImageNet's scale.

Source: Dufour et al. (2026).
"""


Probe = Callable[[str, bool], float | None]
"""FID of the first PROBED images of samples and reference by another protocol ("" is the scores' own), and whether in
half precision; None without images."""


class Move(NamedTuple):
    """What moves an FID: in words, to what (None where it goes either way), and how far."""

    what: str
    fid: float | None
    change: float


def expectation(expected: float, name: str, inputs: MetricInputs, spread: Jackknife, probe: Probe) -> dict[str, Any]:
    """Compare an FID with the one that is expected.

    Args:
        expected: What was reported.
        name: The protocol.
        inputs: Of FID.
        spread: Of FID.
        probe: See `prober`.

    Returns:
        "fid" that is expected, whether the interval holds it, `within`, and "moves": rows of what, FID and change.
    """
    ends = t_interval(block_of([spread]))
    moves = [*_moves(ends.estimate, name, inputs, math.sqrt(spread.variance), probe)]
    return {
        "fid": expected,
        "within": ends.low <= expected <= ends.high,
        "moves": [move._asdict() for move in moves],
    }


def prober(
    fake: Images, real: Images | None, own: Executor, opened: Callable[[str], Executor], device: str, batch: int
) -> Probe:
    """Build the function that computes FID of the first images of samples and reference.

    Args:
        fake: The samples.
        real: The reference's images.
        own: Computes features by the protocol of the scores.
        opened: Opens the executor of another protocol.
        device: Where they compute.
        batch: Images at a time.
    """

    def fitted(images: Images, executor: Executor) -> FeatureStatistics:
        first = replace(images, count=min(images.count, PROBED))

        def chunks() -> Iterator[Any]:
            left = first.count
            for chunk in images.chunks(batch):
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0:
                    return

        return feature_statistics(executor.features(chunks(), batch).pool)

    def probe(name: str, low: bool) -> float | None:
        if real is None:
            return None
        executor = opened(name) if name else own
        with half_precision(device) if low else nullcontext():
            return frechet_distance(fitted(real, executor), fitted(fake, executor))

    return probe


def _moves(fid: float, name: str, inputs: MetricInputs, error: float, probe: Probe) -> Iterator[Move]:
    rows, reference = inputs.samples.pool, inputs.pool_statistics

    def to(what: str, moved: float | None) -> Iterator[Move]:
        if moved is not None:
            yield Move(what, moved, moved - fid)

    half = len(rows) // 2
    yield from to(f"half as many samples, {half}", frechet_distance(reference, feature_statistics(rows[:half])))
    yield from to("infinitely many samples, extrapolated", fid_infinity(reference, rows, SEED))
    if inputs.real is not None:
        points = inputs.real.pool
        half = len(points) // 2
        fitted = feature_statistics(rows)
        yield from to(
            f"half of the reference's images, {half}", frechet_distance(feature_statistics(points[:half]), fitted)
        )
    if (plain := probe("", False)) is not None:
        for other, protocol in PROTOCOLS.items():
            if protocol.prepare is not PROTOCOLS[name].prepare and other != "torch-fidelity":
                moved = probe(other, False)
                assert moved is not None
                yield from to(f"images resized {protocol.resize} ({other})", fid + moved - plain)
        low = probe("", True)
        assert low is not None
        yield from to("features in bfloat16", fid + low - plain)
    yield from to("the least of three draws of samples, on average", fid + LEAST_OF_THREE * error)
    yield Move("another draw of samples, standard deviation", None, error)
    yield Move("another training, standard deviation as found for ImageNet", None, RETRAINING * error)
