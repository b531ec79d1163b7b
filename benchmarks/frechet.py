"""Time the Fréchet distance against the general matrix square root that evaluators commonly call.

Run as `python -m benchmarks.frechet --dimension 2048`; the thread count is the BLAS's (OMP_NUM_THREADS).
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy import linalg

from adm.metrics.frechet import frechet_distance
from adm.metrics.statistics import FeatureStatistics, feature_statistics


def gaussians(dimension: int, num_samples: int) -> tuple[FeatureStatistics, FeatureStatistics]:
    """Return two Gaussians whose covariances decay as a power law, as those of pooled features do."""
    rng = np.random.default_rng(0)
    spectrum = 1.0 / np.sqrt(np.arange(1, dimension + 1))
    mixing = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
    first = rng.standard_normal((num_samples, dimension)) * spectrum
    second = rng.standard_normal((num_samples, dimension)) * spectrum @ mixing + 0.1
    return feature_statistics(first), feature_statistics(second)


def general_square_root(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Return the same distance by `scipy.linalg.sqrtm` of the product of the covariances."""
    difference = a.mu - b.mu
    root = np.trace(linalg.sqrtm(a.sigma @ b.sigma)).real
    return float(difference @ difference + np.trace(a.sigma) + np.trace(b.sigma) - 2.0 * root)


def timed(
    distance: Callable[[FeatureStatistics, FeatureStatistics], float],
    pair: tuple[FeatureStatistics, FeatureStatistics],
    repeats: int,
) -> tuple[float, float]:
    """Return the distance and the fewest seconds it took."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        value = distance(*pair)
        seconds.append(time.perf_counter() - start)
    return value, min(seconds)


def main() -> None:
    """Print both distances, both times and their ratio; then the same for singular covariances."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dimension", type=int, default=2048, help="of the features (default: 2048)")
    parser.add_argument("--repeats", type=int, default=2, help="runs of each; the fastest counts (default: 2)")
    parser.add_argument("--smallest", action="store_true", help="64 dimensions, one run of each")
    options = parser.parse_args()
    dimension, repeats = (64, 1) if options.smallest else (options.dimension, options.repeats)
    for name, num_samples in (("full rank", 3 * dimension), ("singular", dimension // 2)):
        pair = gaussians(dimension, num_samples)
        ours, seconds = timed(frechet_distance, pair, repeats)
        theirs, their_seconds = timed(general_square_root, pair, repeats)
        print(f"{name}, {dimension} dimensions")
        print(f"  adm.metrics.frechet  {seconds:8.3f} s  distance {ours:.10f}")
        print(f"  scipy.linalg.sqrtm   {their_seconds:8.3f} s  distance {theirs:.10f}")
        print(f"  ratio                {their_seconds / seconds:8.1f}", flush=True)


if __name__ == "__main__":
    main()
