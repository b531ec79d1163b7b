"""`judge`: a run scored by a further extractor, in the metrics that pooled features give, and their jackknife."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import identity, provenance, read_made_by, read_manifest, require_section
from adm.config.data import GraphParams
from adm.config.metrics import AskedParams, computed
from adm.config.sampling import Batch, GanSampling
from adm.errors import UserError
from adm.metrics.batches import read_features, require_same_graph
from adm.metrics.scores import MetricInputs, write_score
from adm.metrics.statistics import feature_statistics
from adm.params.data import DatasetParams, PublishedReferenceParams, ReferenceParams, of_files


def run(
    run: Batch | GanSampling,
    extractor: GraphParams,
    reference: ReferenceParams | PublishedReferenceParams,
    inputs: dict[str, Path],
    out: Path,
    dataset: DatasetParams | None = None,
    asked: AskedParams | None = None,
) -> None:
    """Score a run against the images of its reference, and write the numbers with their provenance.

    `inputs` are "samples", the "reference" batch, and the extractor's features of both, "features" and
    "reference_features". Of a reference that is made here they are also its "data" and the "dataset_features", whose
    training images the Gaussian is fitted to. A published reference has statistics of the paper's extractor alone: the
    Gaussian is fitted to its images. A dataset that stores files is given with its section. `asked` adds metrics.

    Raises:
        UserError: The samples belong to another run or are too few, the reference is another one, or features belong
            to other images or come from different graphs.

    Source: Stein et al. 2023, "Exposing flaws of generative model evaluation metrics".
    """
    sections = {"run": run, "extractor": extractor, **of_files(dataset), **({} if asked is None else {"asked": asked})}
    made_by = provenance("judge", sections, inputs, ["numpy", "scipy"])
    require_section(inputs["samples"], run, "sample", "sample_gan", "adopt")
    require_section(inputs["reference"], reference, "reference", "adopt")
    features, batch = inputs["features"], inputs["reference"]
    others = [inputs[name] for name in ("reference_features", "dataset_features") if name in inputs]
    require_same_graph(features, *others)
    read_manifest(batch, "reference", "adopt")
    samples = read_features(features, inputs["samples"])
    real = read_features(inputs["reference_features"], batch)
    pool = real.pool if "data" not in inputs else _trained_on(inputs, dataset)
    found = MetricInputs(samples, feature_statistics(pool), None, real)
    write_score(out, run, found, computed(asked, pooled=True), inputs, made_by)


def _trained_on(inputs: dict[str, Path], dataset: DatasetParams | None) -> NDArray[np.float32]:
    """The pooled features (N, D) of the images that the reference is fitted to: all that are not held out."""
    reference = read_made_by(inputs["reference"], "reference")
    if reference.inputs.get("data") != identity(inputs["data"]):
        raise UserError(f"{inputs['reference']}: is of other images than those of {inputs['data']}")
    whole = read_features(inputs["dataset_features"], inputs["data"], dataset.side if dataset else None)
    return whole.pool[: reference.facts["fitted_images"]]
