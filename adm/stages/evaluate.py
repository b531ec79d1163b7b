"""`evaluate`: Inception Score, FID, sFID, precision and recall of a batch's features, and bootstrap replicates."""

from pathlib import Path

from threadpoolctl import threadpool_limits

from adm.artifacts.manifest import provenance
from adm.artifacts.writing import new_file, write_json
from adm.metrics.batches import read_features, read_reference_statistics
from adm.metrics.bootstrap import bootstrap_metrics
from adm.metrics.features import Features
from adm.metrics.frechet import frechet_distance
from adm.metrics.inception_score import inception_score
from adm.metrics.manifold import PrecisionRecall, precision_recall
from adm.metrics.statistics import FeatureStatistics, feature_statistics
from adm.params.errors import UserError
from adm.params.gans import GanRunParams
from adm.params.published import PublishedSamplesParams
from adm.params.runs import ScoredParams

BOOTSTRAP_SEED = 0
"""One for all, so that batches of the same size are resampled alike."""


def run(
    run: ScoredParams | GanRunParams | PublishedSamplesParams,
    features: Path,
    reference: Path,
    reference_features: Path,
    out: Path,
) -> None:
    """Score a batch and write the numbers with what made them.

    Raises:
        UserError: There are fewer samples than the run asks for, or their features do not fit the reference's.
    """
    inputs = {"features": features, "reference": reference, "reference_features": reference_features}
    made_by = provenance("evaluate", {"run": run}, inputs, ["numpy", "scipy"])
    samples, real = read_features(features), read_features(reference_features)
    if len(samples.pool) != run.num_samples:
        raise UserError(f"{features}: holds {len(samples.pool)} samples, but the run asks for {run.num_samples}")
    pool, spatial = read_reference_statistics(reference)
    try:
        with threadpool_limits(run.threads):
            manifold = precision_recall(real.pool, samples.pool)
            metrics = _metrics(samples, pool, spatial, manifold)
            replicates = bootstrap_metrics(samples, pool, spatial, manifold, run.replicates, BOOTSTRAP_SEED)
    except ValueError as error:
        raise UserError(f"{features} against {reference}: {error}") from error
    with new_file(out) as path:
        write_json(
            path,
            {
                "metrics": metrics,
                "num_samples": len(samples.pool),
                "num_reference_images": len(real.pool),
                "made_by": made_by,
                # Six digits: intervals need no more, and the file stays one to look into.
                "bootstrap": {name: [float(f"{x:.6g}") for x in values] for name, values in replicates.items()},
            },
        )


def _metrics(
    samples: Features, pool: FeatureStatistics, spatial: FeatureStatistics, manifold: PrecisionRecall
) -> dict[str, float]:
    return {
        "inception_score": inception_score(samples.logits),
        "fid": frechet_distance(pool, feature_statistics(samples.pool)),
        "sfid": frechet_distance(spatial, feature_statistics(samples.spatial)),
        "precision": manifold.precision,
        "recall": manifold.recall,
    }
