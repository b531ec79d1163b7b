"""Improved precision and recall: which points lie in the manifold that another set of points spans.

A set's manifold is the union of balls around its points; each ball reaches to its centre's third neighbour. It takes
all pairwise distances; `adm.metrics.distances` describes how float32 and float64 share this work.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adm.metrics.distances import (
    Cloud,
    Distances,
    ball_radii,
    clouds,
    inside_balls,
    k_nearest,
    shown_slices,
    slices,
    squared_distances,
)
from adm.metrics.features import require_features
from adm.metrics.jackknife import Values

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """Which points lie in the other set's manifold.

    Attributes:
        inside_reference: (M,) bool, the samples inside the reference's manifold.
        inside_samples: (N,) bool, the reference points inside the samples' manifold.
    """

    inside_reference: BoolArray
    inside_samples: BoolArray

    @property
    def precision(self) -> float:
        """The share of samples inside the reference's manifold, in [0, 1] (fidelity)."""
        return float(self.inside_reference.mean())

    @property
    def recall(self) -> float:
        """The share of reference points inside the samples' manifold, in [0, 1] (diversity)."""
        return float(self.inside_samples.mean())


def precision_recall(reference: npt.ArrayLike, samples: npt.ArrayLike, neighbours: int = 3) -> PrecisionRecall:
    """Compute improved precision and recall with squared Euclidean distances.

    A ball reaches to its centre's k-th neighbour and includes its boundary. The centre itself is excluded; a copy of
    it is not. Memory grows with N + M, never with N M.

    Args:
        reference: (N, D), real, finite, N > neighbours: features of real images.
        samples: (M, D), real, finite, M > neighbours: features of generated images.
        neighbours: k, >= 1.

    Returns:
        Precision and recall, equal to what float64 differences between all pairs give.

    Raises:
        ValueError: features are unusable or too few, or their dimensions disagree.

    Source: Appendix J (K = 3); Kynkäänniemi et al. 2019, Eqs. 1-2 and Algorithm 1.
    """
    real = require_features(reference, "reference features")
    fake = require_features(samples, "sample features")
    for name, rows in (("reference", real), ("samples", fake)):
        if len(rows) <= neighbours:
            raise ValueError(f"{name} hold {len(rows)} points, expected more than {neighbours} (neighbours)")
    real_cloud, fake_cloud = clouds(real, fake)
    return PrecisionRecall(
        inside_reference=_covered(fake_cloud, real_cloud, ball_radii(real_cloud, neighbours)),
        inside_samples=_covered(real_cloud, fake_cloud, ball_radii(fake_cloud, neighbours)),
    )


def _covered(points: Cloud, centres: Cloud, radii: Distances) -> BoolArray:
    """Return whether any of the balls around `centres` holds each point, (points,)."""
    # The largest balls come first: most points lie in one of them and are then finished.
    order = np.argsort(-radii, kind="stable")
    inside = np.zeros(len(points.features), dtype=np.bool_)
    for chunk in shown_slices(len(order), "manifold"):
        outside = np.flatnonzero(~inside)
        balls = order[chunk]
        for some in slices(len(outside)):
            rows = outside[some]
            inside[rows] = inside_balls(points, rows, centres, balls, radii[balls]).any(axis=1)
    return inside


def recall_of_halves(
    reference: npt.ArrayLike,
    samples: npt.ArrayLike,
    halves: BoolArray,
    halves_of_reference: BoolArray,
    neighbours: int = 3,
) -> Values:
    """Compute recall of several halves of the samples and of the reference, with the balls that these samples span.

    Let D_x be the difference in whether two halves of the samples cover the reference point x. Of n samples the
    variance of recall is that of the mean of D_x / 2 where many points share a ball, because such covariances fall as
    1 / n. Where every point has balls of its own, it is twice as much: whether a ball covers it is as uncertain with n
    samples as with n / 2. The mean over a random half of the points has both: it keeps half of the squares, and a
    quarter of the products.

    Args:
        reference: (N, D), as for `precision_recall`.
        samples: (M, D), likewise.
        halves: (H, M) bool, which samples belong to each half, more than `neighbours`.
        halves_of_reference: (H, N) bool, which points of the reference are asked for.
        neighbours: k, >= 1.

    Returns:
        Recall of each half, (H,), as `precision_recall` of its samples gives it for its points.
    """
    real, fake = clouds(require_features(reference, "reference features"), require_features(samples, "sample features"))
    radii = _radii_of_halves(fake, halves, neighbours)
    covered = np.zeros((len(halves), len(real.features)), dtype=np.bool_)
    # A ball's least radius leaves few points to be measured: those that it does not cover in every half.
    for radius, is_least in ((np.where(halves, radii, np.inf).min(axis=0), True), (radii.max(axis=0), False)):
        for some in shown_slices(len(real.features), "manifold"):
            for columns in slices(len(fake.features)):
                rows = np.arange(some.start, some.stop)[~covered[:, some].all(axis=0)]
                if not len(rows):
                    break
                inside = inside_balls(real, rows, fake, columns, radius[columns])
                if is_least:
                    covered[:, rows] |= (halves[:, columns] @ inside.T.astype(np.float32)) > 0
                    continue
                point, ball = np.nonzero(inside)
                point, ball = rows[point], ball + columns.start
                distances = squared_distances(real.features, point, fake.features, ball)
                half, pair = np.nonzero(halves[:, ball] & (distances <= radii[:, ball]))
                covered[half, point[pair]] = True
    shares: Values = (covered & halves_of_reference).sum(axis=1) / halves_of_reference.sum(axis=1)
    return shares


def _radii_of_halves(cloud: Cloud, halves: BoolArray, neighbours: int) -> Distances:
    """Return the squared distance of each point to its k-th neighbour within each half, (H, N); -1 outside the half."""
    num_points = len(cloud.features)
    # Few points have fewer than k of so many neighbours in any half.
    indices, distances = k_nearest(cloud, cloud, min(5 * neighbours, num_points - 1))
    radii = np.full(halves.shape, -1.0)
    for half, members in enumerate(halves):
        rows = np.flatnonzero(members)
        place = np.cumsum(members[indices[rows]], axis=1) == neighbours
        found = place.any(axis=1)
        radii[half, rows[found]] = distances[rows[found], place[found].argmax(axis=1)]
        for row in rows[~found]:
            others = rows[rows != row]
            measured = squared_distances(cloud.features, np.full(len(others), row), cloud.features, others)
            radii[half, row] = np.partition(measured, neighbours - 1)[neighbours - 1]
    return radii


def per_class_precision_recall(
    reference: npt.ArrayLike,
    reference_labels: npt.NDArray[np.int64],
    samples: npt.ArrayLike,
    sample_labels: npt.NDArray[np.int64],
    neighbours: int = 3,
) -> dict[int, PrecisionRecall | None]:
    """Compute precision and recall between the reference and the samples of each class.

    Every class has its own manifolds, with fewer points and so larger balls. Values are therefore not comparable with
    those of all images, or between classes of different sizes.

    Args:
        reference: (N, D), as for `precision_recall`.
        reference_labels: (N,), their classes.
        samples: (M, D).
        sample_labels: (M,), their classes.
        neighbours: k, >= 1.

    Returns:
        Precision and recall of every class in either set, in ascending order of classes. None for a class without more
        than `neighbours` points in both sets.

    Source: Appendix J, applied to one class at a time.
    """
    real, fake = require_features(reference, "reference features"), require_features(samples, "sample features")

    def of_class(label: int) -> PrecisionRecall | None:
        points = real[reference_labels == label], fake[sample_labels == label]
        return precision_recall(*points, neighbours) if min(map(len, points)) > neighbours else None

    return {int(label): of_class(label) for label in np.union1d(reference_labels, sample_labels)}
