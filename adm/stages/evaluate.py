"""`evaluate` and `judge`: metrics of a batch of samples and their jackknife, by one extractor or another."""

import math
from pathlib import Path

from threadpoolctl import threadpool_limits

from adm.artifacts.manifest import MadeBy, read_manifest, read_record
from adm.artifacts.seal import write_sealed_json
from adm.artifacts.writing import new_file
from adm.config.data import GraphParams
from adm.config.metrics import AskedParams, computed
from adm.config.sampling import Batch
from adm.errors import NotFiniteError, UserError, about
from adm.metrics.batches import judge_of, read_features, read_reference, require_same_graph
from adm.metrics.jackknife import rounded
from adm.metrics.scores import MetricInputs, with_intervals
from adm.metrics.statistics import feature_statistics


def run(
    run: Batch,
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
        UserError: There are too few samples, or others than the run asks for, features are of several graphs, or an
            input is damaged.
        NotFiniteError: A metric is NaN or infinite.

    Source: Stein et al. 2023, "Exposing flaws of generative model evaluation metrics", for further extractors.
    """
    features, reference = inputs["features"], inputs["reference"]
    samples, real = read_features(features), read_features(inputs["reference_features"])
    others = {"reference_features", "dataset_features" if extractor else "reference"} & inputs.keys()
    require_same_graph(features, *(inputs[name] for name in sorted(others)))
    if extractor is None:
        pool, spatial, held_out = read_reference(reference)
        metric_inputs = MetricInputs(samples, pool, spatial, real, held_out)
    else:
        read_manifest(reference)
        pooled = real.pool
        if "dataset_features" in inputs:  # those of held-out images come last
            fitted = read_record(reference).facts["fitted_images"]
            pooled = read_features(inputs["dataset_features"]).pool[:fitted]
        metric_inputs = MetricInputs(samples, feature_statistics(pooled), None, real)
    if (count := len(samples.pool)) != run.num_samples:
        raise UserError(f"{features}: holds {count} samples, but the run asks for {run.num_samples}")
    place = f"{features} against {reference}"
    with about(place), threadpool_limits(run.threads):
        metrics, spreads = with_intervals(metric_inputs, computed(asked, pooled=extractor is not None))
    if missing := [name for name, value in metrics.items() if value is not None and not math.isfinite(value)]:
        raise NotFiniteError(f"{place}: {', '.join(missing)}: NaN or infinite")
    content = {
        "metrics": metrics,
        "num_samples": count,
        "num_reference_images": len(real.pool),
        **judge_of(features),
        "made_by": made_by,
        "jackknife": {
            name: {"values": rounded(spread.values), "pairs": rounded(spread.pairs)} for name, spread in spreads.items()
        },
    }
    with new_file(out) as path:
        write_sealed_json(path, content)
