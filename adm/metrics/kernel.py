"""Kernel distance (KID) between two sets of features, from all pairs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adm.metrics.distances import shown_slices, slices
from adm.metrics.features import FloatArray
from adm.metrics.jackknife import Jackknife, Values, jackknife, num_parts, parts_of, sets_left_out, sums_by_part


@dataclass(frozen=True, eq=False)
class KernelDistance:
    """An estimate of the squared maximum mean discrepancy of two sets.

    Attributes:
        value: unbiased; for two sets of the same distribution it is as often negative as positive.
        real: the mean kernel within the reference.
        within: (G, G) float64, sums of the kernels within the reference, and within the samples, by their parts.
        between: (G, G) float64, sums of the kernels between the reference and the samples, likewise.
        to_real: (M,) float64, each sample's mean kernel to the reference.
        sizes: N and M, points of the reference and samples.
    """

    value: float
    real: float
    within: tuple[Values, Values]
    between: Values
    to_real: Values
    sizes: tuple[int, int]

    def without(self) -> Values:
        """Return the value without each set of `sets_left_out`, (S,)."""
        parts, sets = parts_of(len(self.to_real)), sets_left_out(len(self.to_real))
        counts, between = np.bincount(parts), sums_by_part(self.to_real)
        distances = np.zeros(len(sets))
        for number, left_out in enumerate(sets):
            kept = np.delete(np.arange(len(counts)), list(left_out))
            remaining = counts[kept].sum()
            fake = _mean_within(self.within[1], kept, remaining)
            distances[number] = self.real + fake - 2.0 * between[kept].sum() / remaining
        return distances

    def spread_over_both(self) -> Jackknife:
        """Return how the value depends on the samples and the reference alike: part g of both is left out at a time."""
        parts, sets = num_parts(min(self.sizes)), sets_left_out(min(self.sizes))
        sums = [_folded(_folded(each, parts).T, parts).T for each in (*self.within, self.between)]
        counts = [np.bincount(np.arange(size) % parts) for size in self.sizes]
        distances = np.zeros(len(sets))
        for number, left_out in enumerate(sets):
            kept = np.delete(np.arange(parts), list(left_out))
            real, fake = (count[kept].sum() for count in counts)
            between = sums[2][np.ix_(kept, kept)].sum() / (real * fake)
            distances[number] = _mean_within(sums[0], kept, real) + _mean_within(sums[1], kept, fake) - 2.0 * between
        return jackknife(self.value, distances, min(self.sizes))


def _folded(sums: Values, parts: int) -> Values:
    """Unite parts (G, ...) so that `parts` are left: of 16 and 8 parts of two sets, 8."""
    united: Values = sums.reshape(-1, parts, *sums.shape[1:]).sum(axis=0)
    return united


def _mean_within(sums: Values, kept: npt.NDArray[np.intp], count: int) -> float:
    """Return the mean kernel of two points of `count` in the parts that are kept."""
    return float(sums[np.ix_(kept, kept)].sum() / (count * (count - 1)))


def kernel_distance(real: FloatArray, fake: FloatArray) -> KernelDistance:
    """Compute the unbiased squared MMD of all points with the kernel k(x, y) = (x.y / D + 1)^3.

    It is the sum of the mean kernels within each set (without pairs of a point with itself) minus twice the mean
    kernel between them. Others report the mean of this value over 100 random subsets of 1000 points, which is unbiased,
    too, but noisier, because it leaves out most pairs; the deviation reported with it is that of one subset.

    Products and sums are float64, because the distance is a small difference of large means: 1e-3 or less between
    kernels near 2. In features far from zero, rounding errors of float32 exceed it.

    Args:
        real: (N, D), finite, N >= 2: features of real images.
        fake: (M, D), likewise: features of generated images.

    Returns:
        The distance, and what it is without parts of the samples.

    Source: Bińkowski et al. 2018, Section 4; Gretton et al. 2012, Eq. 3, for the unbiased estimator.
    """
    real_to_fake, fake_to_real, between = _between(real, fake)
    real_within, real_parts = _within(real)
    fake_within, fake_parts = _within(fake)
    value = float((real_within - real_to_fake).mean() + (fake_within - fake_to_real).mean())
    sizes = len(real), len(fake)
    return KernelDistance(value, float(real_within.mean()), (real_parts, fake_parts), between, fake_to_real, sizes)


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
    members = _members(points)
    sums, by_part = np.zeros(len(points)), np.zeros((members.shape[1],) * 2)
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


def _between(a: FloatArray, b: FloatArray) -> tuple[Values, Values, Values]:
    """Return each row's mean kernel to the other set, (N,) and (M,), and the sums of kernels by parts, (G, G)."""
    of_a, of_b = _members(a), _members(b)
    sums_a, sums_b, by_part = np.zeros(len(a)), np.zeros(len(b)), np.zeros((of_a.shape[1], of_b.shape[1]))
    for rows in shown_slices(len(a), "kernels"):
        for columns in slices(len(b)):
            kernels = _kernels(a[rows], b[columns])
            sums_a[rows] += kernels.sum(axis=1)
            sums_b[columns] += kernels.sum(axis=0)
            by_part += of_a[rows].T @ (kernels @ of_b[columns])
    return sums_a / len(b), sums_b / len(a), by_part


def _members(points: FloatArray) -> Values:
    """Tell which part each point belongs to, (N, G)."""
    return np.eye(num_parts(len(points)))[parts_of(len(points))]
