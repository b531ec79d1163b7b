"""What is asked for of samples and a reference: metrics, intervals, classes, a second extractor, and warnings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from adm.data.images import Images
from adm.evaluation.reference import Reference
from adm.evaluation.second_extractor import SecondExtractor
from adm.evaluation.stored_features import FeatureStore
from adm.metrics.bootstrap import bootstrap_metrics
from adm.metrics.features import Features
from adm.metrics.half_precision import half_precision_recall
from adm.metrics.manifold import PrecisionRecall, precision_recall
from adm.metrics.per_class import per_class_precision_recall
from adm.metrics.scores import further_scores, scores
from adm.metrics.statistics import FeatureStatistics, feature_statistics
from adm.report.intervals import centred_draws, interval

SEED = 0
"""Of whatever is drawn: the bootstrap, and the subsets that FID is extrapolated from."""


@dataclass(frozen=True)
class Options:
    """What is scored, and what is asked for beside the paper's five metrics.

    Attributes:
        num_samples: Score the first so many; None scores all.
        arithmetic: Of the distances for precision and recall; "float16" is the released evaluator's.
        replicates: Of the bootstrap behind intervals; 0 gives none.
        further: KID, density, coverage and FID-infinity too.
        per_class: Precision and recall of each class too.
        cache: Folder that keeps features for later calls.
        second: Another extractor, for Fréchet distance, KID and the manifold metrics of its features.
    """

    num_samples: int | None = None
    arithmetic: Literal["exact", "float16"] = "exact"
    replicates: int = 0
    further: bool = False
    per_class: bool = False
    cache: Path | None = None
    second: SecondExtractor | None = None


def score(store: FeatureStore, fake: Images, real: Reference, options: Options) -> dict[str, Any]:
    """Compute all that `options` ask for, from features that are computed once.

    Args:
        store: Computes and keeps features.
        fake: The samples.
        real: The reference; with images, where `options` ask for more than its statistics tell.
        options: What is asked for.

    Returns:
        "metrics", "warnings" and, where asked for, "intervals", "further", "per_class" and "second_extractor".

    Raises:
        UserError: An image cannot be read, or the second extractor fails.
        ValueError: Features are unusable, or do not fit the statistics.
    """
    samples = store.features(fake)
    points = store.features(real.images) if real.images else None
    pool, spatial = real.stored or _statistics(points)
    manifold = None if points is None else _manifold(points, samples, options)
    found: dict[str, Any] = {"metrics": scores(samples, pool, spatial, manifold)}
    if options.replicates:
        replicates = bootstrap_metrics(samples, pool, spatial, manifold, options.replicates, SEED)
        intervals = {name: interval(centred_draws(found["metrics"][name], drawn)) for name, drawn in replicates.items()}
        found["intervals"] = {name: [ends.low, ends.high] for name, ends in intervals.items()}
    if points is not None and options.further:
        found["further"] = further_scores(samples.pool, points.pool, pool, SEED)
    if points is not None and options.per_class:
        found["per_class"] = _per_class(points, samples, fake, real)
    if real.images is not None and options.second is not None:
        found["second_extractor"] = options.second.scores(fake, real.images)
    return {**found, "warnings": _warnings(samples, fake, real)}


def _statistics(points: Features | None) -> tuple[FeatureStatistics, FeatureStatistics]:
    assert points is not None
    return feature_statistics(points.pool), feature_statistics(points.spatial)


def _manifold(points: Features, samples: Features, options: Options) -> PrecisionRecall:
    recall = half_precision_recall if options.arithmetic == "float16" else precision_recall
    return recall(points.pool, samples.pool)


def _per_class(points: Features, samples: Features, fake: Images, real: Reference) -> dict[str, Any]:
    assert real.images is not None
    assert real.images.labels is not None
    assert fake.labels is not None
    found = per_class_precision_recall(points.pool, real.images.labels, samples.pool, fake.labels)
    return {
        str(label): None if manifold is None else {"precision": manifold.precision, "recall": manifold.recall}
        for label, manifold in found.items()
    }


def _warnings(samples: Features, fake: Images, real: Reference) -> list[str]:
    """What a reader of the numbers should know."""
    found = []
    for name, features in (("pooled", samples.pool), ("spatial", samples.spatial)):
        count, dimensions = features.shape
        if count <= dimensions:
            found.append(
                f"{count} samples do not exceed the {dimensions} {name} features: their covariance is singular, and "
                "the Fréchet distance biased upwards"
            )
    if real.images is None:
        found.append(f"{real.path.name} has no images: precision and recall cannot be computed")
    elif real.images.size != fake.size:
        sizes = ["x".join(map(str, images.size)) for images in (fake, real.images)]
        found.append(f"samples are {sizes[0]}, but the reference's images {sizes[1]}: the graph sees both resized")
    return found
