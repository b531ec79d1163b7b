"""Kernel distance (KID) between two sets of features, from all pairs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adm.metrics.distances import shown_slices, slices
from adm.metrics.features import FloatArray, require_features
from adm.metrics.jackknife import Jackknife, Values, num_parts, parts_of, sets_left_out, sums_by_part


@dataclass(frozen=True, eq=False)
class KernelDistance:
    """An estimate of the squared maximum mean discrepancy of two sets.

    Attributes:
        value: unbiased; for two sets of the same distribution it is as often negative as positive.
        real: the mean kernel within the reference.
        within: (G, G) float64, sums of the kernels within the samples, by their parts.
        between: (M,) float64, each sample's mean kernel to the reference.
        terms: (N,) and (M,) float64, of the reference and of the samples; the value is the sum of their means.
    """

    value: float
    real: float
    within: Values
    between: Values
    terms: tuple[Values, Values]

    @property
    def over_both(self) -> Jackknife:
        """How the value depends on parts of the samples and of the reference alike, to first order."""
        parts = num_parts(min(map(len, self.terms)))
        changes = np.array([sum(2.0 * each[part::parts].mean() for each in self.terms) for part in range(parts)])
        return Jackknife(self.value + changes - changes.mean(), np.zeros(0))

    def without(self) -> Values:
        """Return the value without each set of `sets_left_out`, (S,)."""
        parts, sets = parts_of(len(self.between)), sets_left_out(len(self.between))
        counts, between = np.bincount(parts), sums_by_part(self.between)
        distances = np.zeros(len(sets))
        for number, left_out in enumerate(sets):
            kept = np.delete(np.arange(len(counts)), list(left_out))
            remaining = counts[kept].sum()
            fake = self.within[np.ix_(kept, kept)].sum() / (remaining * (remaining - 1))
            distances[number] = self.real + fake - 2.0 * between[kept].sum() / remaining
        return distances


def kernel_distance(reference: npt.ArrayLike, samples: npt.ArrayLike) -> KernelDistance:
    """Compute the unbiased squared MMD of all points with the kernel k(x, y) = (x.y / D + 1)^3.

    It is the sum of the mean kernels within each set (without pairs of a point with itself) minus twice the mean
    kernel between them. Others report the mean of this value over 100 random subsets of 1000 points, which is unbiased,
    too, but noisier, because it leaves out most pairs; the deviation reported with it is that of one subset.

    Products and sums are float64, because the distance is a small difference of large means: 1e-3 or less between
    kernels near 2. In features far from zero, rounding errors of float32 exceed it.

    Args:
        reference: (N, D), real, finite, N >= 2: features of real images.
        samples: (M, D), likewise: features of generated images.

    Returns:
        The distance, and what it is without parts of the samples.

    Raises:
        ValueError: features are unusable, or their dimensions disagree.

    Source: Bińkowski et al. 2018, Section 4; Gretton et al. 2012, Eq. 3, for the unbiased estimator.
    """
    real = require_features(reference, "reference features")
    fake = require_features(samples, "sample features")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"features of {real.shape[1]} and {fake.shape[1]} dimensions, expected the same")
    real_to_fake, fake_to_real = _between(real, fake)
    real_within, _ = _within(real)
    fake_within, by_part = _within(fake)
    real_terms, fake_terms = real_within - real_to_fake, fake_within - fake_to_real
    value = float(real_terms.mean() + fake_terms.mean())
    return KernelDistance(value, float(real_within.mean()), by_part, fake_to_real, (real_terms, fake_terms))


def _kernels(a: FloatArray, b: FloatArray) -> Values:
    """Return the kernels of all pairs of rows, (R, C) float64."""
    products: Values = a.astype(np.float64) @ b.astype(np.float64).T
    products /= a.shape[1]
    products += 1.0
    kernels = np.square(products)  # `** 3` is many times slower
    kernels *= products
    return kernels


def _within(points: FloatArray) -> tuple[Values, Values]:
    """Return each point's mean kernel to the others of its set, (N,), and the sums of kernels by parts, (G, G).

    A block off the diagonal serves both sides.
    """
    sums, by_part = np.zeros(len(points)), np.zeros((num_parts(len(points)),) * 2)
    members = np.eye(len(by_part))[parts_of(len(points))]
    for rows in shown_slices(len(points), "kernels"):
        for columns in slices(rows.stop):
            kernels = _kernels(points[rows], points[columns])
            if columns == rows:
                np.fill_diagonal(kernels, 0.0)
            else:
                sums[columns] += kernels.sum(axis=0)
            sums[rows] += kernels.sum(axis=1)
            both = members[rows].T @ (kernels @ members[columns])
            by_part += both if columns == rows else both + both.T
    return sums / (len(points) - 1), by_part


def _between(a: FloatArray, b: FloatArray) -> tuple[Values, Values]:
    """Return each row's mean kernel to the other set, (N,) and (M,)."""
    sums_a, sums_b = np.zeros(len(a)), np.zeros(len(b))
    for rows in shown_slices(len(a), "kernels"):
        for columns in slices(len(b)):
            kernels = _kernels(a[rows], b[columns])
            sums_a[rows] += kernels.sum(axis=1)
            sums_b[columns] += kernels.sum(axis=0)
    return sums_a / len(b), sums_b / len(a)
