"""`evaluate`: the paper's five metrics of a batch's features, further ones, and bootstrap replicates."""

from pathlib import Path

from threadpoolctl import threadpool_limits

from adm.artifacts.manifest import provenance
from adm.artifacts.sealed import write_sealed_json
from adm.artifacts.writing import new_file
from adm.metrics.batches import read_features, read_reference_statistics
from adm.metrics.bootstrap import bootstrap_metrics
from adm.metrics.manifold import precision_recall
from adm.metrics.scores import SEED, further_scores, scores
from adm.params.errors import UserError
from adm.params.gans import GanRunParams
from adm.params.published import PublishedSamplesParams
from adm.params.runs import ScoredParams


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
            metrics = scores(samples, pool, spatial, manifold)
            further = further_scores(samples.pool, real.pool, pool)
            replicates = bootstrap_metrics(samples, pool, spatial, manifold, run.replicates, SEED)
    except ValueError as error:
        raise UserError(f"{features} against {reference}: {error}") from error
    with new_file(out) as path:
        write_sealed_json(
            path,
            {
                "metrics": metrics,
                "further": further,
                "num_samples": len(samples.pool),
                "num_reference_images": len(real.pool),
                "made_by": made_by,
                # Six digits: intervals need no more, and the file stays one to look into.
                "bootstrap": {name: [float(f"{x:.6g}") for x in values] for name, values in replicates.items()},
            },
        )
