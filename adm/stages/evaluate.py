"""`evaluate`: Inception Score, FID, sFID, precision and recall of a run's features."""

from pathlib import Path

from adm.artifacts.manifest import provenance
from adm.artifacts.writing import new_file, write_json
from adm.determinism import settle
from adm.metrics.batches import read_features, read_reference_statistics
from adm.metrics.frechet import frechet_distance
from adm.metrics.inception_score import inception_score
from adm.metrics.manifold import precision_recall
from adm.metrics.statistics import feature_statistics
from adm.params.errors import UserError
from adm.params.runs import RunParams


def run(run: RunParams, features: Path, reference: Path, reference_features: Path, out: Path) -> None:
    """Score a run and write the numbers with what made them.

    Raises:
        UserError: There are fewer samples than the run asks for, or their features do not fit the reference's.
    """
    settle(run.threads)
    inputs = {"features": features, "reference": reference, "reference_features": reference_features}
    made_by = provenance("evaluate", {"run": run}, inputs, ["numpy", "scipy", "torch"])
    samples, real = read_features(features), read_features(reference_features)
    if len(samples.pool) != run.num_samples:
        raise UserError(f"{features}: holds {len(samples.pool)} samples, but the run asks for {run.num_samples}")
    pool, spatial = read_reference_statistics(reference)
    try:
        manifold = precision_recall(real.pool, samples.pool)
        metrics = {
            "inception_score": inception_score(samples.logits),
            "fid": frechet_distance(pool, feature_statistics(samples.pool)),
            "sfid": frechet_distance(spatial, feature_statistics(samples.spatial)),
            "precision": manifold.precision,
            "recall": manifold.recall,
        }
    except ValueError as error:
        raise UserError(f"{features} against {reference}: {error}") from error
    counts = {"num_samples": len(samples.pool), "num_reference_images": len(real.pool)}
    with new_file(out) as path:
        write_json(path, {"metrics": metrics, **counts, "made_by": made_by})
