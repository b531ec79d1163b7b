"""The file of a run's score: metrics, and their jackknife for intervals and claims."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from adm.artifacts.seal import write_sealed_json
from adm.artifacts.writing import new_file
from adm.config.sampling import Batch, GanSampling
from adm.errors import NotFiniteError, UserError
from adm.metrics.jackknife import rounded
from adm.metrics.scores import MetricInputs, lost, with_intervals

ScoredRun = Batch | GanSampling | Batch


def write_score(
    out: Path, run: ScoredRun, found: MetricInputs, names: Collection[str], inputs: Mapping[str, Path], made_by: Any
) -> None:
    """Compute metrics and their jackknife, and write them with their provenance.

    Args:
        out: The file.
        run: The section of the run.
        found: The inputs of the metrics; the reference has images.
        names: Keys of METRICS.
        inputs: The "features" and the "reference", for messages.
        made_by: The provenance.

    Raises:
        UserError: There are other numbers of samples than the run asks for, or features are unusable.
        NotFiniteError: A metric is NaN or infinite.
    """
    assert found.real is not None
    features, count = inputs["features"], len(found.samples.pool)
    if count != run.num_samples:
        raise UserError(f"{features}: holds {count} samples, but the run asks for {run.num_samples}")
    place = f"{features} against {inputs['reference']}"
    try:
        with threadpool_limits(run.threads):
            metrics, spreads = with_intervals(found, names)
    except ValueError as error:
        raise UserError(f"{place}: {error}") from error
    if missing := lost(metrics):
        raise NotFiniteError(f"{place}: {', '.join(missing)}: NaN or infinite")
    with new_file(out) as path:
        write_sealed_json(
            path,
            {
                "metrics": metrics,
                "num_samples": count,
                "num_reference_images": len(found.real.pool),
                "made_by": made_by,
                "jackknife": {
                    name: {"values": rounded(spread.values), "pairs": rounded(spread.pairs)}
                    for name, spread in spreads.items()
                },
            },
        )
