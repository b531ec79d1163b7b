"""The Fréchet distance of one pair of Gaussians, by the functions that other evaluators call."""

from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature

import numpy as np
from scipy import linalg

from adm.metrics.frechet import frechet_distance
from adm.metrics.statistics import FeatureStatistics, feature_statistics
from benchmarks.clock import Timing, paired

Distance = Callable[[FeatureStatistics, FeatureStatistics], float]


def gaussians(dimension: int, num_samples: int) -> tuple[FeatureStatistics, FeatureStatistics]:
    """Return two Gaussians whose covariances decay as a power law, as those of pooled features do."""
    rng = np.random.default_rng(0)
    spectrum = 1.0 / np.sqrt(np.arange(1, dimension + 1))
    mixing = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
    first = rng.standard_normal((num_samples, dimension)) * spectrum
    second = rng.standard_normal((num_samples, dimension)) * spectrum @ mixing + 0.1
    return feature_statistics(first), feature_statistics(second)


def rivals() -> Iterator[tuple[str, Distance]]:
    """The name and the distance of each library; the last two pass SciPy an argument that version 1.18 has dropped."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    yield "torch-fidelity", lambda a, b: fid_statistics_to_metric(vars(a), vars(b), verbose=False)[KEY_METRIC_FID]

    if "disp" not in signature(linalg.sqrtm).parameters:
        return

    from pytorch_fid.fid_score import calculate_frechet_distance

    yield "pytorch-fid", lambda a, b: calculate_frechet_distance(a.mu, a.sigma, b.mu, b.sigma)

    from cleanfid.fid import frechet_distance as clean_distance

    yield "clean-fid", lambda a, b: clean_distance(a.mu, a.sigma, b.mu, b.sigma)


def rows(smallest: bool) -> Iterator[Timing]:
    """A row a library and rank, with the relative difference of their value from ours."""
    dimension, repeats = (64, 1) if smallest else (2048, 3)
    ranks = {"full rank": 3 * dimension, "singular": dimension // 2}
    pairs = {rank: gaussians(dimension, num_samples) for rank, num_samples in ranks.items()}
    for rival, distance in rivals():
        for rank, pair in pairs.items():
            ours, theirs = frechet_distance(*pair), distance(*pair)
            what = f"Fréchet distance, {dimension} dimensions, {rank}; theirs differs by {theirs / ours - 1:.0e}"
            yield paired(what, rival, partial(frechet_distance, *pair), partial(distance, *pair), repeats)
