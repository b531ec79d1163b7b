"""All metrics of a batch of samples, from features that were computed once."""

import numpy.typing as npt

from adm.metrics.density_coverage import density_coverage
from adm.metrics.features import Features, require_features
from adm.metrics.fid_infinity import fewest_samples, fid_infinity
from adm.metrics.frechet import frechet_distance
from adm.metrics.inception_score import inception_score
from adm.metrics.kernel import kernel_distance
from adm.metrics.manifold import PrecisionRecall
from adm.metrics.statistics import FeatureStatistics, feature_statistics

Scores = dict[str, float]

SEED = 0
"""Of the bootstrap and of the subsets that FID is extrapolated from: one for all, so that batches of the same size are
drawn from alike."""


def scores(
    samples: Features, pool: FeatureStatistics, spatial: FeatureStatistics, manifold: PrecisionRecall | None
) -> Scores:
    """Compute the paper's metrics.

    Args:
        samples: features of N samples.
        pool: statistics of the reference's pooled features.
        spatial: statistics of its spatial features.
        manifold: of these samples and the reference; None where the reference has no images.

    Returns:
        "inception_score", "fid", "sfid" and, with a manifold, "precision" and "recall".

    Raises:
        ValueError: features are unusable, or do not fit the statistics.

    Source: Appendix J.
    """
    found = {
        "inception_score": inception_score(samples.logits),
        "fid": frechet_distance(pool, feature_statistics(samples.pool)),
        "sfid": frechet_distance(spatial, feature_statistics(samples.spatial)),
    }
    if manifold is not None:
        found |= {"precision": manifold.precision, "recall": manifold.recall}
    return found


def held_out_scores(samples: npt.ArrayLike, pool: FeatureStatistics, held_out: FeatureStatistics) -> Scores:
    """Compare with images that no model was trained on: a model that memorises its own is further from these.

    FID grows as images get fewer, so the two distances compare with "fid" only as far as the images held out are many.

    Args:
        samples: (N, D) pooled features of the samples.
        pool: statistics of the pooled features of the images that were trained on.
        held_out: statistics of those of the images held out.

    Returns:
        "fid_held_out", of the samples and the images held out, and "fid_floor", of the images held out and those
        trained on: what real images have, and samples can hardly be below in both.

    Raises:
        ValueError: features are unusable, or do not fit the statistics.
    """
    return {
        "fid_held_out": frechet_distance(held_out, feature_statistics(samples)),
        "fid_floor": frechet_distance(pool, held_out),
    }


def further_scores(samples: npt.ArrayLike, points: npt.ArrayLike, pool: FeatureStatistics) -> Scores:
    """Compute metrics that came after the paper's, or beside them.

    Args:
        samples: (N, D) pooled features of the samples.
        points: (M, D) pooled features of the reference's images.
        pool: statistics of the reference's pooled features, of as many images as there are.

    Returns:
        "kid" and "fid_infinity", each with its "_standard_error", "density" and "coverage"; no "fid_infinity" for
        samples too few to extrapolate from.

    Raises:
        ValueError: features are unusable, or do not fit each other.
    """
    rows = require_features(samples, "sample features")
    kernel, balls = kernel_distance(points, rows), density_coverage(points, rows)
    found = {
        "kid": kernel.value,
        "kid_standard_error": kernel.standard_error,
        "density": balls.density,
        "coverage": balls.coverage,
    }
    if len(rows) >= fewest_samples(*rows.shape):
        extrapolation = fid_infinity(pool, rows, SEED)
        found |= {"fid_infinity": extrapolation.value, "fid_infinity_standard_error": extrapolation.standard_error}
    return found
