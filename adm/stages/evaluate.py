"""`evaluate`: all metrics of a batch of samples, and their jackknife."""

from pathlib import Path

from adm.artifacts.manifest import provenance, require_section
from adm.config.metrics import AskedParams, computed
from adm.config.sampling import Batch, GanSampling
from adm.metrics.batches import read_features, read_reference, require_same_graph
from adm.metrics.scores import MetricInputs, write_score
from adm.params.data import PublishedReferenceParams, ReferenceParams


def run(
    run: Batch | GanSampling,
    reference: ReferenceParams | PublishedReferenceParams,
    inputs: dict[str, Path],
    out: Path,
    asked: AskedParams | None = None,
) -> None:
    """Score a run against a reference and write the numbers with their provenance; `asked` adds metrics.

    `inputs` are "samples", their "features", the "reference" batch, and "reference_features", those of its images.

    Raises:
        UserError: The samples belong to another run or are too few, the reference is another one, or features belong
            to other images or come from different graphs.
    """
    sections = {"run": run, **({} if asked is None else {"asked": asked})}
    made_by = provenance("evaluate", sections, inputs, ["numpy", "scipy"])
    require_section(inputs["samples"], run, "sample", "sample_gan", "adopt")
    require_section(inputs["reference"], reference, "reference", "adopt")
    features, batch = inputs["features"], inputs["reference"]
    require_same_graph(features, inputs["reference_features"], batch)
    samples = read_features(features, inputs["samples"])
    real = read_features(inputs["reference_features"], batch)
    pool, spatial, held_out = read_reference(batch)
    found = MetricInputs(samples, pool, spatial, real, held_out)
    write_score(out, run, found, computed(asked), inputs, made_by)
