"""The metrics of a batch of samples, one function for each, from features that were computed before.

`adm.params.metrics.METRICS` names the functions. Values that several metrics need are computed once.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module

import numpy as np
import numpy.typing as npt

from adm.metrics.density_coverage import DensityCoverage, density_coverage
from adm.metrics.features import Features, require_features
from adm.metrics.fid_infinity import fewest_samples, fid_infinity
from adm.metrics.frechet import frechet_distance
from adm.metrics.inception_score import inception_score
from adm.metrics.kernel import kernel_distance
from adm.metrics.manifold import PrecisionRecall, precision_recall
from adm.metrics.statistics import FeatureStatistics, feature_statistics
from adm.params.metrics import METRICS

Scores = dict[str, float | None]

SEED = 0
"""Seed of the bootstrap and of the subsets for FID-infinity: the same for all, so batches of equal size are resampled
alike."""


NEIGHBOURS = 3
"""K of precision and recall (Appendix J)."""


@dataclass(frozen=True, eq=False)
class MetricInputs:
    """The inputs of the metrics.

    Attributes:
        samples: Features of N samples.
        pool_statistics: Statistics of the reference's pooled features.
        spatial_statistics: Statistics of its spatial features; None if features are pooled alone.
        real: Features of the reference's images; None if it has no images.
        held_out: Pooled features (M, D) of held-out images; None if there are none.
        measure: Function that computes precision and recall (K = 3) from pooled features of reference and samples.
    """

    samples: Features
    pool_statistics: FeatureStatistics
    spatial_statistics: FeatureStatistics | None
    real: Features | None = None
    held_out: npt.NDArray[np.float32] | None = None
    measure: Callable[..., PrecisionRecall] = precision_recall

    @cached_property
    def manifold(self) -> PrecisionRecall | None:
        """Which points lie in the other set's manifold; None if the reference has no images."""
        return None if self.real is None else self.measure(self.real.pool, self.samples.pool, NEIGHBOURS)

    @cached_property
    def held_out_statistics(self) -> FeatureStatistics:
        """Statistics of the held-out images' features."""
        assert self.held_out is not None
        return feature_statistics(self.held_out)

    @cached_property
    def balls(self) -> DensityCoverage:
        """The balls around the reference's images."""
        assert self.real is not None
        return density_coverage(self.real.pool, self.samples.pool)

    def resampled(self, rows: npt.NDArray[np.intp]) -> "MetricInputs":
        """The same inputs with the samples replaced by those of `rows` (N,), which may repeat."""
        samples = Features(self.samples.pool[rows], self.samples.spatial[rows], self.samples.logits[rows])
        return replace(self, samples=samples)


Found = float | tuple[float, float] | None
"""A value, or a value and its standard error, or None if there are too few samples."""


def scores(inputs: MetricInputs, names: Iterable[str]) -> Scores:
    """Compute metrics, and their standard errors if they have one.

    Args:
        inputs: The inputs of the metrics.
        names: Keys of METRICS. Metrics that need missing images, of the reference or held out, are skipped.

    Returns:
        Values by the names of metrics and of their errors; None if there are too few samples.

    Raises:
        ValueError: Features are unusable, or do not fit the statistics.

    Source: Appendix J.
    """
    found: Scores = {}
    for name in names:
        metric = METRICS[name]
        if any(need in metric.needs and getattr(inputs, need) is None for need in ("real", "held_out")):
            continue
        value = function_of(name)(inputs)
        if metric.error is None:
            assert not isinstance(value, tuple), name
            found[name] = value
        else:
            assert not isinstance(value, float), name
            found[name], found[metric.error] = value or (None, None)
    return found


def function_of(name: str) -> Callable[[MetricInputs], Found]:
    """The function that the registry names for a metric."""
    module, function = METRICS[name].function.split(":")
    found: Callable[[MetricInputs], Found] = getattr(import_module(module), function)
    return found


def lost(found: Scores) -> list[str]:
    """The names of values that are NaN or infinite."""
    return [name for name, value in found.items() if value is not None and not math.isfinite(value)]


def inception(inputs: MetricInputs) -> float:
    """Inception Score."""
    return inception_score(inputs.samples.logits)


def fid(inputs: MetricInputs) -> float:
    """FID."""
    return frechet_distance(inputs.pool_statistics, feature_statistics(inputs.samples.pool))


def sfid(inputs: MetricInputs) -> float:
    """FID of spatial features."""
    assert inputs.spatial_statistics is not None
    return frechet_distance(inputs.spatial_statistics, feature_statistics(inputs.samples.spatial))


def precision(inputs: MetricInputs) -> float:
    """Improved precision."""
    assert inputs.manifold is not None
    return inputs.manifold.precision


def recall(inputs: MetricInputs) -> float:
    """Improved recall."""
    assert inputs.manifold is not None
    return inputs.manifold.recall


def kid(inputs: MetricInputs) -> tuple[float, float]:
    """The kernel distance (KID) and its standard error."""
    assert inputs.real is not None
    found = kernel_distance(inputs.real.pool, inputs.samples.pool)
    return found.value, found.standard_error


def density(inputs: MetricInputs) -> tuple[float, float]:
    """Density and its standard error."""
    return inputs.balls.density, inputs.balls.density_error


def coverage(inputs: MetricInputs) -> tuple[float, float]:
    """Coverage and its standard error."""
    return inputs.balls.coverage, inputs.balls.coverage_error


def fid_of_infinitely_many(inputs: MetricInputs) -> tuple[float, float] | None:
    """FID extrapolated to infinitely many samples, and its standard error; None if there are too few samples."""
    rows = require_features(inputs.samples.pool, "sample features")
    if len(rows) < fewest_samples(*rows.shape):
        return None
    found = fid_infinity(inputs.pool_statistics, rows, SEED)
    return found.value, found.standard_error


def fid_held_out(inputs: MetricInputs) -> float:
    """FID against held-out images: it is larger for a model that memorises its training images.

    FID is larger with fewer images. It is therefore comparable with FID against the training images only if there are
    many held-out images.
    """
    return frechet_distance(inputs.held_out_statistics, feature_statistics(inputs.samples.pool))


def fid_floor(inputs: MetricInputs) -> float:
    """FID of held-out images against training images: the value of real images."""
    return frechet_distance(inputs.pool_statistics, inputs.held_out_statistics)
