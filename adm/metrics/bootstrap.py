"""Bootstrap replicates of the metrics: how much they would vary between sets of samples."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, xlogy

from adm.metrics.features import Features, FloatArray, require_features
from adm.metrics.manifold import PrecisionRecall
from adm.metrics.statistics import CHUNK, FeatureStatistics
from adm.progress import progress

SPLIT_SIZE = 5000
"""Rows in a chunk of the Inception Score; the default of `inception_score`."""

MOST_SPATIAL_DIMENSIONS = 512
"""With more dimensions, a covariance and its eigenvalues for every replicate take too long, so sFID is left out."""

Values = npt.NDArray[np.float64]


def bootstrap_metrics(
    samples: Features,
    pool: FeatureStatistics,
    spatial: FeatureStatistics | None,
    manifold: PrecisionRecall | None,
    replicates: int,
    seed: int,
) -> dict[str, Values]:
    """Compute the metrics of samples resampled with replacement.

    The seed and the number of samples N decide the resampling. The replicates of two sets of the same size are
    therefore paired: replicate r takes the same rows of both. A larger R extends the replicates of a smaller one.

    The reference's statistics and both manifolds are held fixed. For recall the reference points are resampled: the
    samples enter it only through their manifold, and copies of samples would shrink that.

    A sample drawn w times gets the weight w; nothing is copied. In the Inception Score it has this weight inside its
    own chunk, whose weights are normalised. A chunk without any drawn sample does not count.

    Resampling biases the Fréchet distances upwards, as a smaller N does. Use their spread, not their mean.

    Args:
        samples: features of N samples, N >= 2.
        pool: statistics of the reference's pooled features.
        spatial: statistics of the reference's spatial features; None if features are pooled alone.
        manifold: precision and recall of these samples and the reference; None if the reference has no images.
        replicates: R, >= 1.
        seed: >= 0.

    Returns:
        By name, (R,) float64 each: "inception_score", "fid", "sfid" and, with a manifold, "precision" and "recall".
        There is no "sfid" if spatial features have more than MOST_SPATIAL_DIMENSIONS dimensions, and neither it nor
        "inception_score" if features are pooled alone.

    Raises:
        ValueError: features are unusable, they do not fit the statistics or the manifold, or `replicates` is
            not positive.

    Source: Efron & Tibshirani 1993, Chapter 6, for the metrics of Appendix J.
    """
    num_samples = len(require_features(samples.pool, "pooled features"))
    lengths = {"manifold": num_samples if manifold is None else len(manifold.inside_reference)}
    if spatial is not None:
        lengths["spatial features"] = len(require_features(samples.spatial, "spatial features"))
        lengths["logits"] = len(require_features(samples.logits, "logits"))
    for name, length in lengths.items():
        if length != num_samples:
            raise ValueError(f"{name} of {length} samples, expected {num_samples} as of the pooled features")
    if replicates < 1:
        raise ValueError(f"replicates is {replicates}, expected at least 1")
    counts: Values = np.empty((replicates, num_samples))
    for row, drawn in zip(counts, _counts(num_samples, replicates, [seed, 0]), strict=True):
        row[:] = drawn
    metrics = {} if spatial is None else {"inception_score": _inception_scores(samples.logits, counts)}
    metrics["fid"] = _frechet_distances(samples.pool, pool, counts)
    if spatial is not None and spatial.mu.size <= MOST_SPATIAL_DIMENSIONS:
        metrics["sfid"] = _frechet_distances(samples.spatial, spatial, counts)
    return metrics if manifold is None else metrics | _shares(manifold, counts, seed)


def resampled_rows(num_rows: int, replicates: int, seed: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield for each replicate the rows (N,) that `bootstrap_metrics` draws, in order."""
    for counts in _counts(num_rows, replicates, [seed, 0]):
        yield np.repeat(np.arange(num_rows), counts.astype(np.intp))


def _shares(manifold: PrecisionRecall, counts: Values, seed: int) -> dict[str, Values]:
    """Return precision and recall of each replicate, (R,) each."""
    replicates, num_samples = counts.shape
    precision = counts @ manifold.inside_reference / num_samples
    num_points = len(manifold.inside_samples)
    recalls = [drawn @ manifold.inside_samples / num_points for drawn in _counts(num_points, replicates, [seed, 1])]
    return {"precision": precision, "recall": np.array(recalls, dtype=np.float64)}


def _counts(num_rows: int, replicates: int, seed: list[int]) -> Iterator[Values]:
    """Yield for each replicate how often each row is drawn: multinomial counts with a sum of `num_rows`."""
    rng = np.random.default_rng(seed)
    for _ in range(replicates):
        yield np.bincount(rng.integers(num_rows, size=num_rows), minlength=num_rows).astype(np.float64)


def _frechet_distances(features: FloatArray, reference: FeatureStatistics, counts: Values) -> Values:
    """Return the Fréchet distance of each replicate of (N, D) features to the reference, (R,).

    With S_b = F F^T, factored once, the product of covariances S_a S_b has the eigenvalues of F^T S_a F. With
    S_a = A^T A these are also the eigenvalues of (A F) (A F)^T. Both are symmetric, and the smaller one is cheap
    whatever the ranks. Roots of eigenvalues that are zero up to rounding have an error of 1e-8 of the largest root,
    which is good enough for replicates.
    """
    num_rows, num_dimensions = features.shape
    if num_dimensions != reference.mu.size:
        raise ValueError(f"features of {num_dimensions} dimensions, expected {reference.mu.size} as of the statistics")
    centre = features.mean(axis=0, dtype=np.float64)
    shifts, traces = _moments(features, centre, counts)
    factor = _factor(reference.sigma)
    few = num_rows < num_dimensions
    projected = (features - centre) @ factor if few else None
    roots = np.zeros(len(counts))
    drawings = zip(counts, shifts, strict=True)
    for i, (weights, shift) in enumerate(progress(drawings, len(counts), "replicate", name="bootstrap")):
        drawn = np.flatnonzero(weights)
        if projected is not None:
            rows = (projected[drawn] - shift @ factor) * np.sqrt(weights[drawn, None])
            product = rows @ rows.T
        else:
            product = factor.T @ _scatter(features, drawn, weights, centre + shift) @ factor
        eigenvalues = np.linalg.eigvalsh(product / (num_rows - 1))
        roots[i] = np.sqrt(np.maximum(eigenvalues, 0.0)).sum()
    offsets = np.square(shifts + (centre - reference.mu)).sum(axis=1)
    distances: Values = np.maximum(offsets + traces + np.trace(reference.sigma) - 2.0 * roots, 0.0)
    return distances


def _moments(features: FloatArray, centre: Values, counts: Values) -> tuple[Values, Values]:
    """Return each replicate's mean minus the centre, (R, D), and the trace of its covariance, (R,)."""
    num_rows = len(features)
    shifts = np.zeros((len(counts), features.shape[1]))
    squares = np.zeros(len(counts))
    for start in range(0, num_rows, CHUNK):
        chunk = slice(start, start + CHUNK)
        centred = features[chunk] - centre
        shifts += counts[:, chunk] @ centred
        squares += counts[:, chunk] @ np.square(centred).sum(axis=1)
    shifts /= num_rows
    return shifts, (squares - num_rows * np.square(shifts).sum(axis=1)) / (num_rows - 1)


def _scatter(features: FloatArray, drawn: npt.NDArray[np.intp], weights: Values, mean: Values) -> Values:
    """Return the sum of w (x - mean) (x - mean)^T over the rows that were drawn, (D, D)."""
    total = np.zeros((len(mean), len(mean)))
    for start in range(0, len(drawn), CHUNK):
        rows = drawn[start : start + CHUNK]
        scaled = (features[rows] - mean) * np.sqrt(weights[rows, None])
        total += scaled.T @ scaled
    return total


def _factor(sigma: Values) -> Values:
    """Return F (D, rank) with F F^T = sigma."""
    eigenvalues, vectors = np.linalg.eigh(sigma)
    kept = eigenvalues > len(sigma) * np.finfo(np.float64).eps * eigenvalues[-1]
    factor: Values = vectors[:, kept] * np.sqrt(eigenvalues[kept])
    return factor


def _inception_scores(logits: FloatArray, counts: Values) -> Values:
    """Return the Inception Score of each replicate of (N, C) logits, (R,).

    The mean divergence from the marginal is the marginal's entropy minus the mean entropy. This takes one matrix
    product for all replicates.
    """
    total, num_chunks = np.zeros(len(counts)), np.zeros(len(counts))
    for start in range(0, len(logits), SPLIT_SIZE):
        log_conditional = log_softmax(logits[start : start + SPLIT_SIZE].astype(np.float64), axis=1)
        conditional = np.exp(log_conditional)
        weights = counts[:, start : start + SPLIT_SIZE]
        mass = weights.sum(axis=1)
        weights = weights / np.maximum(mass, 1.0)[:, None]
        marginal = weights @ conditional
        divergence = weights @ (conditional * log_conditional).sum(axis=1) - xlogy(marginal, marginal).sum(axis=1)
        total += np.where(mass > 0, np.exp(divergence), 0.0)
        num_chunks += mass > 0
    return total / num_chunks
