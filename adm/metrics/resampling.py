"""Bootstrap replicates of the metrics for which the registry asks for them."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from adm.metrics.bootstrap import bootstrap_metrics, resampled_rows
from adm.metrics.scores import SEED, MetricInputs, scores
from adm.params.metrics import METRICS, PAPER_METRICS


def replicates_of(inputs: MetricInputs, names: Iterable[str], replicates: int) -> dict[str, npt.NDArray[np.float64]]:
    """Bootstrap replicates of each metric that has them; those of the paper's metrics are computed together and fast.

    Args:
        inputs: The inputs of the metrics.
        names: Keys of METRICS.
        replicates: R, >= 1.

    Returns:
        By name, (R,) float64 each: first the result of `bootstrap_metrics`, then the other metrics, computed from
        each resample.

    Raises:
        ValueError: `bootstrap_metrics` refuses the features.
    """
    found = bootstrap_metrics(
        inputs.samples, inputs.pool_statistics, inputs.spatial_statistics, inputs.manifold, replicates, SEED
    )
    others = [name for name in names if METRICS[name].bootstrap and name not in PAPER_METRICS]
    if others:
        drawn = resampled_rows(len(inputs.samples.pool), replicates, SEED)
        rows = [scores(inputs.resampled(indices), others) for indices in drawn]
        found |= {name: np.array([row[name] for row in rows], dtype=np.float64) for name in others if name in rows[0]}
    return found
