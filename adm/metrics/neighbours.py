"""Nearest neighbours in feature space, for finding samples that copy training images."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from adm.metrics.distances import Distances, IndexArray, clouds, k_nearest
from adm.metrics.features import require_features

BLOCK = 2048
"""Number of queries and of points whose distances are held at once."""


def nearest(
    queries: npt.ArrayLike, points: npt.ArrayLike, k: int, exclude_self: bool = False
) -> tuple[IndexArray, Distances]:
    """Find the k nearest points of every query by Euclidean distance.

    The order is that of float64 distances; equal distances are ordered by index. Memory grows with M k and N, never
    with M N.

    Args:
        queries: (M, D), real, finite, M >= 2.
        points: (N, D), real, finite, N >= 2.
        k: in [1, N], or in [1, N - 1] with `exclude_self`.
        exclude_self: the queries are the points, and query i must not find point i; it still finds copies of it.

    Returns:
        Indices (M, k) int64 into the points and distances (M, k) float64, nearest first.

    Raises:
        ValueError: features are unusable, their dimensions disagree, k is out of its range, or `exclude_self` is set
            and the queries are not the points.
    """
    asked = require_features(queries, "query features")
    given = asked if points is queries else require_features(points, "point features")
    if exclude_self and given is not asked:
        if not np.array_equal(asked, given):
            raise ValueError("queries differ from the points, expected the same with exclude_self")
        given = asked
    most = len(given) - exclude_self
    if not 1 <= k <= most:
        raise ValueError(f"k is {k}, expected 1 to {most}")
    query_cloud, point_cloud = clouds(asked, given)
    if not exclude_self and query_cloud is point_cloud:
        query_cloud = replace(point_cloud)  # another object: within one cloud, no point would find itself
    indices, squares = k_nearest(query_cloud, point_cloud, k, BLOCK)
    return indices, np.sqrt(squares)
