"""The features that metrics are computed from, and checks of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adm.artifacts.streaming import stretches

FloatArray = npt.NDArray[np.floating[Any]]

STRETCH = 4096
"""Number of rows checked at once."""

LAYERS = ("pool", "spatial", "logits")
"""The arrays of `Features`, in order."""


@dataclass(frozen=True, eq=False)
class Features:
    """Outputs of a frozen graph for N images; row i belongs to image i.

    Attributes:
        pool: (N, D) float32, globally pooled features, for FID, precision and recall.
        spatial: (N, S) float32, the first seven channels of a feature map, flattened (H, W, C), for sFID.
        logits: (N, C) float32, class logits without a bias, for the Inception Score.
    """

    pool: npt.NDArray[np.float32]
    spatial: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]


def require_features(features: npt.ArrayLike, name: str) -> FloatArray:
    """Check features, and return them as an array of floats.

    Args:
        features: (N, D), any real dtype, N >= 2, D >= 1. Integers become float64, floats keep their dtype.
        name: their name in errors.

    Returns:
        (N, D) float array; the same array if it already was one.

    Raises:
        ValueError: wrong number of axes, no column, fewer than two rows, not numbers, NaN or infinity.
    """
    array = np.asarray(features)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"{name} have shape {array.shape}, expected (samples, dimensions)")
    if array.shape[0] < 2:
        raise ValueError(f"{name} hold {array.shape[0]} samples, expected at least 2")
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} have dtype {array.dtype}, expected real numbers")
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    # In stretches: checking all rows at once would take a quarter of the features' own memory.
    if not all(np.isfinite(part).all() for part in stretches(array, STRETCH)):
        raise ValueError(f"{name} hold NaN or infinity, expected finite numbers")
    return array
