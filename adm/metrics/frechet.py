"""Fréchet distance between two Gaussians: FID on pooled features, sFID on spatial ones."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import linalg

from adm.artifacts.streaming import stretches
from adm.metrics.features import FloatArray
from adm.metrics.jackknife import Values
from adm.metrics.statistics import CHUNK, FeatureStatistics
from adm.progress import progress


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Compute |mu_a - mu_b|^2 + tr(S_a) + tr(S_b) - 2 tr sqrt(S_a S_b).

    Args:
        a: mean and covariance, D dimensions.
        b: mean and covariance, D dimensions.

    Returns:
        The squared Fréchet (2-Wasserstein) distance, >= 0.

    Raises:
        ValueError: the dimensions disagree.

    Source: Appendix J; Heusel et al. 2017, Eq. 6; Dowson & Landau 1982.
    """
    if a.mu.shape != b.mu.shape:
        raise ValueError(f"statistics of {a.mu.size} and {b.mu.size} dimensions, expected the same")
    root = _trace_of_root_by_eigenvalues(a.sigma, b.sigma)
    if root is None:
        root = _trace_of_root_by_factors(a.sigma, b.sigma)
    difference = a.mu - b.mu
    distance = difference @ difference + np.trace(a.sigma) + np.trace(b.sigma) - 2.0 * root
    return max(float(distance), 0.0)


def _trace_of_root_by_eigenvalues(sigma_a: npt.NDArray[np.float64], sigma_b: npt.NDArray[np.float64]) -> float | None:
    """Return tr sqrt(S_a S_b) from one symmetric eigenvalue problem, or None if that is not accurate.

    With S_b = L L^T the product S_a S_b has the eigenvalues of the symmetric L^T S_a L. LAPACK forms it in place
    (problem type 2), and no eigenvectors are needed. This is much faster than any general matrix square root.
    """
    try:
        eigenvalues = linalg.eigvalsh(sigma_a, sigma_b, type=2, driver="gv", check_finite=False)
    except np.linalg.LinAlgError:  # S_b is singular: fewer samples than dimensions, or a constant feature
        return None
    # Rounding changes an eigenvalue by about 1 eps of the largest, which the square root magnifies near zero. At 100
    # eps the distance agrees with the slow method to ten digits, for power-law spectra of 2048 dimensions.
    if eigenvalues[0] <= 100 * np.finfo(np.float64).eps * eigenvalues[-1]:
        return None
    return float(np.sqrt(eigenvalues).sum())


def _trace_of_root_by_factors(sigma_a: npt.NDArray[np.float64], sigma_b: npt.NDArray[np.float64]) -> float:
    """Return tr sqrt(S_a S_b) as the sum of the singular values of F_a^T F_b, where S = F F^T.

    The singular values of the factors' product are the roots themselves. Their error is 1 eps, while roots of
    eigenvalues near zero have an error of sqrt(eps). This is slower, so only singular covariances use it.
    """
    product = factor_of(sigma_a).T @ factor_of(sigma_b)
    if 0 in product.shape:
        return 0.0
    return float(linalg.svdvals(product, overwrite_a=True, check_finite=False).sum())


def factor_of(sigma: Values) -> Values:
    """Return F (D, rank) with F F^T = sigma, without directions whose variance is zero up to rounding.

    Pivoted Cholesky stops at the rank, and takes a tenth of the time of eigenvectors.
    """
    packed, pivots, rank, _ = linalg.lapack.dpstrf(sigma, lower=1)
    factor: Values = np.empty((len(sigma), rank))
    factor[pivots - 1] = np.tril(packed[:, :rank])
    return factor


def distances_without(
    features: FloatArray,
    parts: npt.NDArray[np.int64],
    sets: Sequence[tuple[int, ...]],
    reference: FeatureStatistics,
    factor: Values,
) -> Values:
    """Compute the Fréchet distance to a reference of the samples that remain if sets of their parts are left out.

    With S_b = F F^T the product of covariances S_a S_b has the eigenvalues of F^T S_a F. Sums over parts are subtracted
    from those over all samples, so a set costs the eigenvalues of one symmetric matrix. Roots of eigenvalues that are
    zero up to rounding have an error of 1e-8 of the largest root, which is good enough for a spread.

    Args:
        features: (N, D), finite.
        parts: (N,) int64, the part of each sample.
        sets: The parts that are left out; two samples at least remain.
        reference: Statistics of as many dimensions.
        factor: `factor_of` its covariance.

    Returns:
        A distance for each set, (S,).
    """
    num_rows, num_dimensions = features.shape
    centre = features.mean(axis=0, dtype=np.float64)
    last = max(int(parts.max()), *(part for left_out in sets for part in left_out))
    of_part = [np.flatnonzero(parts == part) for part in range(last + 1)]
    sums, squares = np.zeros((len(of_part), num_dimensions)), np.zeros(len(of_part))
    for part, rows in enumerate(of_part):
        for chunk in stretches(rows, CHUNK):
            centred = features[chunk] - centre
            sums[part] += centred.sum(axis=0)
            squares[part] += np.square(centred).sum()
    sizes = np.array([num_rows - sum(len(of_part[part]) for part in left_out) for left_out in sets])
    shifts = -np.stack([sums[list(left_out)].sum(axis=0) for left_out in sets]) / sizes[:, None]
    remaining = squares.sum() - np.array([squares[list(left_out)].sum() for left_out in sets])
    traces = (remaining - sizes * np.square(shifts).sum(axis=1)) / (sizes - 1)
    if num_rows < factor.shape[1]:
        projected = (features - centre) @ factor
        roots = _roots_of_few(projected @ projected.T, parts, sets)
    else:
        roots = _roots_of_many(features, centre, of_part, sets, sizes, shifts, factor)
    offsets = np.square(shifts + (centre - reference.mu)).sum(axis=1)
    distances: Values = offsets + traces + np.trace(reference.sigma) - 2.0 * roots
    return distances


def _roots_of_few(gram: Values, parts: npt.NDArray[np.int64], sets: Sequence[tuple[int, ...]]) -> Values:
    """Return tr sqrt(S_a S_b) for each set from products (N, N) of projected samples, fewer than dimensions."""
    roots = np.zeros(len(sets))
    for i, left_out in enumerate(progress(sets, len(sets), "set", name="parts left out")):
        kept = np.flatnonzero(~np.isin(parts, left_out))
        products = gram[np.ix_(kept, kept)]
        means = products.mean(axis=0)
        products += means.mean() - means - means[:, None]
        roots[i] = _sum_of_roots(products / (len(kept) - 1))
    return roots


def _roots_of_many(
    features: FloatArray,
    centre: Values,
    of_part: Sequence[npt.NDArray[np.int64]],
    sets: Sequence[tuple[int, ...]],
    sizes: npt.NDArray[np.int64],
    shifts: Values,
    factor: Values,
) -> Values:
    """Return tr sqrt(S_a S_b) for each set from the projected scatter of each part."""
    rank = factor.shape[1]

    def scatter(part: int) -> Values:
        total = np.zeros((rank, rank))
        for chunk in stretches(of_part[part], CHUNK):
            projected = (features[chunk] - centre) @ factor
            total += projected.T @ projected
        return total

    # Scatters of more than 2**23 numbers are not held together, but computed anew from the few rows of their part.
    kept = lru_cache(max(1, 2**23 // rank**2))(scatter)
    total = np.zeros((rank, rank))
    for part in range(len(of_part)):
        total += kept(part)
    roots = np.zeros(len(sets))
    for i, left_out in enumerate(progress(sets, len(sets), "set", name="parts left out")):
        mean = shifts[i] @ factor
        product = total - sizes[i] * np.outer(mean, mean)
        for part in left_out:
            product -= kept(part)
        roots[i] = _sum_of_roots(product / (sizes[i] - 1))
    return roots


def _sum_of_roots(product: Values) -> float:
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(product), 0.0)).sum())
