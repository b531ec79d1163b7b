"""`evaluate`: all metrics of a batch of samples, and bootstrap replicates."""

from pathlib import Path

from threadpoolctl import threadpool_limits

from adm.artifacts.manifest import provenance, require_section
from adm.artifacts.seal import write_sealed_json
from adm.artifacts.writing import new_file
from adm.metrics.batches import (
    read_features,
    read_held_out_statistics,
    read_reference_statistics,
    require_same_graph,
)
from adm.metrics.resampling import replicates_of
from adm.metrics.scores import MetricInputs, lost, scores
from adm.params.data import ReferenceParams
from adm.params.errors import NotFiniteError, UserError
from adm.params.gans import GanRunParams
from adm.params.metrics import METRICS
from adm.params.published import PublishedReferenceParams, PublishedSamplesParams
from adm.params.runs import ScoredParams


def run(
    run: ScoredParams | GanRunParams | PublishedSamplesParams,
    against: ReferenceParams | PublishedReferenceParams,
    inputs: dict[str, Path],
    out: Path,
) -> None:
    """Score a run against a reference and write the numbers with their provenance.

    `inputs` are "samples", their "features", the "reference" batch, and "reference_features", those of its images.

    Raises:
        UserError: The samples belong to another run or are too few, the reference is another one, or features belong
            to other images or come from different graphs.
    """
    made_by = provenance("evaluate", {"run": run}, inputs, ["numpy", "scipy"])
    require_section(inputs["samples"], run, "sample", "sample_gan", "adopt")
    require_section(inputs["reference"], against, "reference", "adopt")
    features, reference = inputs["features"], inputs["reference"]
    require_same_graph(features, inputs["reference_features"], reference)
    samples = read_features(features, inputs["samples"])
    real = read_features(inputs["reference_features"], reference)
    if len(samples.pool) != run.num_samples:
        raise UserError(f"{features}: holds {len(samples.pool)} samples, but the run asks for {run.num_samples}")
    found = MetricInputs(samples, *read_reference_statistics(reference), real, read_held_out_statistics(reference))
    try:
        with threadpool_limits(run.threads):
            metrics = scores(found, METRICS)
            replicates = replicates_of(found, METRICS, run.replicates)
    except ValueError as error:
        raise UserError(f"{features} against {reference}: {error}") from error
    if names := lost(metrics):
        raise NotFiniteError(f"{features} against {reference}: {', '.join(names)}: NaN or infinite")
    with new_file(out) as path:
        write_sealed_json(
            path,
            {
                "metrics": metrics,
                "num_samples": len(samples.pool),
                "num_reference_images": len(real.pool),
                "made_by": made_by,
                # Six digits are enough for intervals, and keep the file readable.
                "bootstrap": {name: [float(f"{x:.6g}") for x in values] for name, values in replicates.items()},
            },
        )
