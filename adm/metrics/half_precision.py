"""Precision and recall in float16, as the reference evaluator computes them on a GPU.

`adm.metrics.manifold` computes the exact values. This module is for comparison with published values, which differ from
those by about 0.001: squared distances of pooled features are in the hundreds, where float16 has steps of 0.25.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from adm.metrics.distances import slices
from adm.metrics.features import require_features
from adm.metrics.manifold import BoolArray, PrecisionRecall

LARGEST = 1.0e17
"""Largest feature: its squares, summed over all dimensions, are still finite in float32."""

STRIP = 128
"""Number of rows of a block that are rounded at once, while they are in the cache."""

Floats = npt.NDArray[np.float32]
Rounding = Callable[[Floats], Floats]


def half_precision_recall(
    reference: npt.ArrayLike, samples: npt.ArrayLike, neighbours: int = 3, block: int = 10000
) -> PrecisionRecall:
    """Compute improved precision and recall with squared distances in float16.

    A squared distance is max(|u|^2 - 2 u.v + |v|^2, 0), rounded to float16 after every step. If any entry of a block
    is not finite, the whole block is float32, so the result depends on `block` and on the order of the points. If only
    2 u.v overflows, an entry stays finite and is zero: points with |u|^2 between 32752 and 65504 seem to coincide. A
    ball reaches to the (k+1)-th smallest of its centre's distances to its own set, itself included; it includes its
    boundary.

    numpy multiplies float16 matrices one number at a time, which is slow. Products are therefore computed in float32
    from rounded features, and rounded after the sum, as a GPU's matrix units do. Norms are rounded squares, summed in
    float32, because the order of a GPU's sums is unknown. A value halfway between two float16 may therefore be
    rounded the other way.

    Args:
        reference: (N, D), real, finite, N > neighbours, no entry beyond LARGEST: features of real images.
        samples: (M, D), likewise: features of generated images.
        neighbours: k, >= 1.
        block: rows and columns of a block, >= 1; the reference evaluator's is 10000. Memory grows with its square: at
            10000 it is half a gigabyte, and twice that if a block overflows.

    Returns:
        Precision and recall, within a few thousandths of `precision_recall` on pooled features.

    Raises:
        ValueError: features are unusable, too few or too large, or their dimensions disagree.

    Source: Appendix J (K = 3); the reference evaluator's arithmetic.
    """
    if neighbours < 1 or block < 1:
        raise ValueError(f"neighbours is {neighbours} and block is {block}, expected at least 1")
    real = _require_points(reference, "reference", neighbours)
    fake = _require_points(samples, "sample", neighbours)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"features of {real.shape[1]} and {fake.shape[1]} dimensions, expected the same")
    real_radii, fake_radii = _radii(real, neighbours, block), _radii(fake, neighbours, block)
    inside_reference, inside_samples = np.zeros(len(fake), dtype=np.bool_), np.zeros(len(real), dtype=np.bool_)
    for rows in slices(len(real), block):
        for columns in slices(len(fake), block):
            # Rounding is not symmetric in u and v: the reference's points come first, as in the reference evaluator.
            real_inside, fake_inside = _inside(real[rows], real_radii[rows], fake[columns], fake_radii[columns])
            inside_samples[rows] |= real_inside
            inside_reference[columns] |= fake_inside
    return PrecisionRecall(inside_reference=inside_reference, inside_samples=inside_samples)


def _require_points(features: npt.ArrayLike, name: str, neighbours: int) -> Floats:
    """Check that features are usable and enough, and return them as (N, D) float32."""
    rows = require_features(features, f"{name} features")
    if len(rows) <= neighbours:
        raise ValueError(f"{name} features hold {len(rows)} points, expected more than {neighbours} (neighbours)")
    if max(float(rows.max()), -float(rows.min())) > LARGEST:
        raise ValueError(f"{name} features hold values beyond {LARGEST:g}, expected squares that fit float32")
    return rows.astype(np.float32, copy=False)


def _inside(u: Floats, u_radii: Floats, v: Floats, v_radii: Floats) -> tuple[BoolArray, BoolArray]:
    """Return whether any of the other side's balls holds each point of a block, (R,) and (C,)."""
    distances = _distances(u, v)
    return np.any(distances <= v_radii, axis=1), np.any(distances <= u_radii[:, None], axis=0)


def _radii(points: Floats, neighbours: int, block: int) -> Floats:
    """Return each point's (k+1)-th smallest distance to its set, itself included, (N,) float32."""
    radii = np.empty(len(points), dtype=np.float32)
    for rows in slices(len(points), block):
        nearest = np.empty((rows.stop - rows.start, 0), dtype=np.float32)
        for columns in slices(len(points), block):
            distances = _smallest(_distances(points[rows], points[columns]), neighbours + 1)
            nearest = _smallest(np.concatenate([nearest, distances], axis=1), neighbours + 1)
        radii[rows] = nearest.max(axis=1)
    return radii


def _smallest(values: Floats, count: int) -> Floats:
    """Return the `count` smallest of each row, in any order; it reorders `values`."""
    if values.shape[1] > count:
        values.partition(count - 1, axis=1)
    return values[:, :count].copy()  # a view would keep the whole block in memory while the next one is computed


def _distances(u: Floats, v: Floats) -> Floats:
    """Return a block's squared distances, (R, C) float32, rounded to float16 unless one of them is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        distances = _rounded_distances(u, v, _to_half)
    if np.isfinite(distances.max()):  # none is negative, and `max` passes NaN on
        return distances
    return _rounded_distances(u, v, _as_it_is)


def _rounded_distances(u: Floats, v: Floats, rounded: Rounding) -> Floats:
    """Return max(|u|^2 - 2 u.v + |v|^2, 0), (R, C), with every intermediate result rounded."""
    u, v = rounded(u), rounded(v)
    norms_u, norms_v = (rounded(rounded(np.square(x)).sum(axis=1)) for x in (u, v))
    distances: Floats = u @ v.T
    for rows in slices(len(u), STRIP):
        doubled = rounded(2.0 * distances[rows])  # doubling is exact, so one rounding is enough
        sums = rounded(rounded(norms_u[rows, None] - doubled) + norms_v)
        np.maximum(sums, 0.0, out=distances[rows])
    return distances


def _to_half(values: Floats) -> Floats:
    """Round to float16; a sum of two float16 computed in float32 rounds to their float16 sum."""
    return values.astype(np.float16).astype(np.float32)


def _as_it_is(values: Floats) -> Floats:
    return values
