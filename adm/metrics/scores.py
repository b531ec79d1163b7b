"""The metrics of a batch of samples, one function for each, from features that were computed before.

`adm.config.metrics.METRICS` names the functions. Values that several metrics need are computed once.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import import_module
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from adm.config.metrics import FEWEST_FOR_INTERVALS, METRICS
from adm.metrics.features import Features
from adm.metrics.fid_infinity import fid_infinity as extrapolated_fid
from adm.metrics.fid_infinity import fid_infinity_without
from adm.metrics.frechet import distances_without, factor_of, frechet_distance
from adm.metrics.inception_score import inception_score, inception_score_without
from adm.metrics.jackknife import (
    Jackknife,
    Values,
    halves_of,
    jackknife,
    means_without,
    of_halves,
    parts_of,
    sets_left_out,
)
from adm.metrics.kernel import KernelDistance, kernel_distance
from adm.metrics.manifold import DensityCoverage, PrecisionRecall, density_coverage, precision_recall, recall_of_halves
from adm.metrics.statistics import FeatureStatistics, feature_statistics

Scores = dict[str, float | None]

SEED = 0
"""Seed of the subsets for FID-infinity: the same for all runs, so those of equal size can be paired."""

MOST_SPATIAL_DIMENSIONS = 512
"""With more dimensions, eigenvalues without each set of parts take too long, so sFID has no intervals."""


@dataclass(frozen=True, eq=False)
class MetricInputs:
    """The inputs of the metrics.

    Attributes:
        samples: Features of N samples.
        pool_statistics: Statistics of the reference's pooled features.
        spatial_statistics: Statistics of its spatial features; None if features are pooled alone.
        real: Features of the reference's images; None if it has no images.
        held_out: Pooled features (M, D) of held-out images; None if there are none.
    """

    samples: Features
    pool_statistics: FeatureStatistics
    spatial_statistics: FeatureStatistics | None
    real: Features | None = None
    held_out: npt.NDArray[np.float32] | None = None

    @property
    def real_pool(self) -> npt.NDArray[np.float32]:
        """Pooled features of the reference's images, for metrics that need them."""
        assert self.real is not None
        return self.real.pool

    @property
    def unseen(self) -> npt.NDArray[np.float32]:
        """Pooled features of held-out images, for metrics that need them."""
        assert self.held_out is not None
        return self.held_out

    @cached_property
    def manifold(self) -> PrecisionRecall:
        """Which points lie in the other set's manifold."""
        return precision_recall(self.real_pool, self.samples.pool)

    @cached_property
    def held_out_statistics(self) -> FeatureStatistics:
        """Statistics of the held-out images' features."""
        return feature_statistics(self.unseen)

    @cached_property
    def balls(self) -> DensityCoverage:
        """The balls around the reference's images."""
        return density_coverage(self.real_pool, self.samples.pool)

    @cached_property
    def kernels(self) -> KernelDistance:
        """The kernel distance."""
        return kernel_distance(self.real_pool, self.samples.pool)

    @cached_property
    def kernels_unseen(self) -> KernelDistance:
        """The kernel distance to held-out images."""
        return kernel_distance(self.unseen, self.samples.pool)

    @cached_property
    def pool_factor(self) -> Values:
        """A factor of the covariance of the reference's pooled features."""
        return factor_of(self.pool_statistics.sigma)

    @cached_property
    def sample_statistics(self) -> FeatureStatistics:
        """Statistics of the samples' pooled features."""
        return feature_statistics(self.samples.pool)

    @cached_property
    def fid(self) -> float:
        """FID."""
        return frechet_distance(self.pool_statistics, self.sample_statistics)

    @cached_property
    def fid_spread(self) -> Jackknife:
        """The jackknife of FID."""
        return _spread_of_distances(self.samples.pool, self.pool_statistics, self.pool_factor, self.fid)

    def kept(self, rows: npt.NDArray[np.intp]) -> "MetricInputs":
        """Return the same inputs with the samples of `rows` (N,) alone."""
        samples = Features(self.samples.pool[rows], self.samples.spatial[rows], self.samples.logits[rows])
        return replace(self, samples=samples)


Result = float | tuple[float, float] | None
"""A value, or a value and its standard error, or None if there are too few samples."""


def scores(inputs: MetricInputs, names: Iterable[str]) -> Scores:
    """Compute metrics, without intervals and the standard errors that come from them.

    Metrics that need missing images, of the reference or held out, are skipped.

    Returns:
        Values by the names of metrics, and of errors that are no spread of samples; None if there are too few samples.

    Raises:
        ValueError: There are too few features, or they do not fit the statistics.

    Source: Appendix J.
    """
    values: Scores = {}
    for name in names:
        metric = METRICS[name]
        if any(need in metric.needs and getattr(inputs, need) is None for need in ("real", "held_out")):
            continue
        value = function_of(name)(inputs)
        if metric.error is None or metric.intervals:
            assert not isinstance(value, tuple), name
            values[name] = value
        else:
            assert not isinstance(value, float), name
            values[name], values[metric.error] = value or (None, None)
    return values


def with_intervals(
    inputs: MetricInputs, names: Iterable[str], drawn: MetricInputs | None = None
) -> tuple[Scores, dict[str, Jackknife]]:
    """Compute metrics as `scores` does, with their standard errors, and the jackknife of those that have intervals.

    `drawn` are the inputs with samples in random order, for parts that are like draws where those given may be sorted.

    Returns:
        The result of `scores` with all errors, and the jackknife of each metric with intervals: none if there are fewer
        than FEWEST_FOR_INTERVALS samples, nor of sFID of more than MOST_SPATIAL_DIMENSIONS dimensions.

    Raises:
        ValueError: As `scores`.
    """
    values: Scores = {}
    spreads: dict[str, Jackknife] = {}
    count = len(inputs.samples.pool)
    for name, value in scores(inputs, names).items():
        values[name] = value
        if name not in METRICS or not METRICS[name].intervals:
            continue
        if value is not None and count >= FEWEST_FOR_INTERVALS:
            spread = SPREADS.get(name, partial(_computed_anew, name))(drawn or inputs, value)
            if spread is not None:
                spreads[name] = spread
        if (error := METRICS[name].error) is not None:
            values[error] = math.sqrt(spreads[name].variance) if name in spreads else None
    return values, spreads


def _computed_anew(name: str, inputs: MetricInputs, value: float) -> Jackknife:
    parts = parts_of(len(inputs.samples.pool))
    kept = (np.flatnonzero(~np.isin(parts, left_out)) for left_out in sets_left_out(len(parts)))
    return _spread(inputs, value, np.array([function_of(name)(inputs.kept(rows)) for rows in kept], dtype=np.float64))


def function_of(name: str) -> Callable[[MetricInputs], Result]:
    """Return the function that the registry names for a metric."""
    module, function = METRICS[name].function.split(":")
    compute: Callable[[MetricInputs], Result] = getattr(import_module(module), function)
    return compute


def inception(inputs: MetricInputs) -> float:
    """Compute the Inception Score."""
    return inception_score(inputs.samples.logits)


def sfid(inputs: MetricInputs) -> float:
    """Compute FID of spatial features."""
    assert inputs.spatial_statistics is not None
    return frechet_distance(inputs.spatial_statistics, feature_statistics(inputs.samples.spatial))


fid = attrgetter("fid")
precision, recall = attrgetter("manifold.precision"), attrgetter("manifold.recall")
density, coverage = attrgetter("balls.density"), attrgetter("balls.coverage")
kid, kid_unseen = attrgetter("kernels.value"), attrgetter("kernels_unseen.value")


def fid_infinity(inputs: MetricInputs) -> float | None:
    """Compute FID extrapolated to infinitely many samples; None if there are too few samples."""
    return extrapolated_fid(inputs.pool_statistics, inputs.samples.pool, SEED)


def fid_held_out(inputs: MetricInputs) -> float:
    """Compute FID against held-out images: it is larger for a model that memorises its training images.

    FID is larger with fewer images. It is therefore comparable with FID against the training images only if there are
    many held-out images.
    """
    return frechet_distance(inputs.held_out_statistics, inputs.sample_statistics)


def fid_floor(inputs: MetricInputs) -> float:
    """Compute FID of held-out images against training images: the value of real images."""
    return frechet_distance(inputs.pool_statistics, inputs.held_out_statistics)


def _spread(inputs: MetricInputs, value: float, without: Values) -> Jackknife:
    return jackknife(value, without, len(inputs.samples.pool))


def _spread_of_distances(
    features: npt.NDArray[np.float32], statistics: FeatureStatistics, factor: Values, value: float
) -> Jackknife:
    num = len(features)
    distances = distances_without(features, parts_of(num), sets_left_out(num), statistics, factor)
    return jackknife(value, distances, num)


def _sfid_spread(inputs: MetricInputs, value: float) -> Jackknife | None:
    statistics = inputs.spatial_statistics
    assert statistics is not None
    if statistics.mu.size > MOST_SPATIAL_DIMENSIONS:
        return None
    return _spread_of_distances(inputs.samples.spatial, statistics, factor_of(statistics.sigma), value)


def _recall_spread(inputs: MetricInputs, value: float) -> Jackknife:
    rows = inputs.samples.pool
    halves, points = halves_of(len(rows)), halves_of(len(inputs.real_pool))
    # Halves of samples that complement each other are compared on the same points.
    points = np.tile(points[np.arange(len(halves) // 2) % (len(points) // 2)], (2, 1))
    return of_halves(value, recall_of_halves(inputs.real_pool, rows, halves, points), len(rows))


def _fid_infinity_spread(inputs: MetricInputs, value: float) -> Jackknife:
    """Return the jackknife of FID-infinity; with two parts out at a time it would take too long.

    Its second order is taken to have the share that FID's has.
    """
    rows = inputs.samples.pool
    without = fid_infinity_without(inputs.pool_statistics, inputs.pool_factor, rows, SEED)
    own, fid_itself = jackknife(value, np.array([value, *without]), len(rows)), inputs.fid_spread
    spread = fid_itself.values.std()
    return Jackknife(own.values, fid_itself.pairs * (own.values.std() / spread if spread > 0 else 0.0))


SPREADS: dict[str, Callable[[MetricInputs, float], Jackknife | None]] = {
    "fid": lambda inputs, value: inputs.fid_spread,
    "sfid": _sfid_spread,
    "inception_score": lambda inputs, value: _spread(inputs, value, inception_score_without(inputs.samples.logits)),
    "precision": lambda inputs, value: _spread(inputs, value, means_without(inputs.manifold.inside_reference)),
    "recall": _recall_spread,
    "fid_infinity": _fid_infinity_spread,
    "kid": lambda inputs, value: _spread(inputs, value, inputs.kernels.without()),
    "kid_held_out": lambda inputs, value: (
        inputs.kernels_unseen.spread_over_both() if len(inputs.unseen) >= FEWEST_FOR_INTERVALS else None
    ),
    "density": lambda inputs, value: _spread(inputs, value, inputs.balls.density_without()),
    "coverage": lambda inputs, value: _spread(inputs, value, inputs.balls.coverage_without()).folded(),
}
"""The jackknife of each metric, in less time than by computing it anew; None if it takes too long. Metrics that are not
here are computed anew."""
