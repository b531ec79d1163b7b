"""`evaluate` and `judge`: metrics of a batch of samples and their jackknife, by one extractor or another."""

from pathlib import Path

from adm.artifacts.manifest import MadeBy, read_manifest, read_record
from adm.config.data import GraphParams
from adm.config.metrics import AskedParams, computed
from adm.config.sampling import Batch, GanSampling
from adm.metrics.batches import read_features, read_reference, require_same_graph
from adm.metrics.scores import MetricInputs, write_score
from adm.metrics.statistics import feature_statistics


def run(
    run: Batch | GanSampling,
    inputs: dict[str, Path],
    out: Path,
    made_by: MadeBy,
    asked: AskedParams | None = None,
    extractor: GraphParams | None = None,
) -> None:
    """Score a run against a reference, and write the numbers with what made them; `asked` adds metrics.

    `inputs` are the "reference" batch, and the "features" of the samples and the "reference_features" of its images.

    Features of an `extractor` that is not the reference's own give the metrics of pooled features alone. The Gaussian
    is then fitted to "dataset_features", of the images that the reference is of, or, of a published reference, to its
    images.

    Raises:
        UserError: There are too few samples, features are of several graphs, or an input is damaged.

    Source: Stein et al. 2023, "Exposing flaws of generative model evaluation metrics", for further extractors.
    """
    samples, real = read_features(inputs["features"]), read_features(inputs["reference_features"])
    others = {"reference_features", "dataset_features" if extractor else "reference"} & inputs.keys()
    require_same_graph(inputs["features"], *(inputs[name] for name in sorted(others)))
    if extractor is None:
        pool, spatial, held_out = read_reference(inputs["reference"])
        metric_inputs = MetricInputs(samples, pool, spatial, real, held_out)
    else:
        read_manifest(inputs["reference"])
        pooled = real.pool
        if "dataset_features" in inputs:  # those of held-out images come last
            fitted = read_record(inputs["reference"]).facts["fitted_images"]
            pooled = read_features(inputs["dataset_features"]).pool[:fitted]
        metric_inputs = MetricInputs(samples, feature_statistics(pooled), None, real)
    write_score(out, run, metric_inputs, computed(asked, pooled=extractor is not None), inputs, made_by)
