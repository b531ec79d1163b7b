"""Bootstrap replicates of the metrics that the registry asks them of."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from adm.metrics.bootstrap import bootstrap_metrics, resampled_rows
from adm.metrics.scores import SEED, MetricInputs, scores
from adm.params.metrics import METRICS, PAPER_METRICS


def replicates_of(inputs: MetricInputs, names: Iterable[str], replicates: int) -> dict[str, npt.NDArray[np.float64]]:
    """Replicates (R,) of each metric that has any; of those of the paper, all at once and fast.

    Args:
        inputs: What metrics are computed from.
        names: Of METRICS.
        replicates: R, >= 1.

    Returns:
        By name: what `bootstrap_metrics` gives, then the other metrics, each computed anew of every resample.

    Raises:
        ValueError: As `bootstrap_metrics`.
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
