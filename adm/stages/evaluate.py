"""`evaluate`: all metrics of a batch of samples, and their jackknife."""

from pathlib import Path

from adm.artifacts.manifest import provenance, require_section
from adm.metrics.batches import (
    read_features,
    read_held_out,
    read_reference_statistics,
    require_same_graph,
)
from adm.metrics.score_file import ScoredRun, write_score
from adm.metrics.scores import MetricInputs
from adm.params.data import ReferenceParams
from adm.params.metrics import METRICS
from adm.params.published import PublishedReferenceParams


def run(
    run: ScoredRun, against: ReferenceParams | PublishedReferenceParams, inputs: dict[str, Path], out: Path
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
    found = MetricInputs(samples, *read_reference_statistics(reference), real, read_held_out(reference))
    write_score(out, run, found, METRICS, inputs, made_by)
