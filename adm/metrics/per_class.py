"""Precision and recall of each class: values over all images hide the classes that a model drops."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from adm.metrics.features import FloatArray, require_features
from adm.metrics.manifold import PrecisionRecall, precision_recall

Measure = Callable[[npt.ArrayLike, npt.ArrayLike, int], PrecisionRecall]
"""Computes precision and recall of reference, samples and neighbours."""


def per_class_precision_recall(
    reference: npt.ArrayLike,
    reference_labels: npt.ArrayLike,
    samples: npt.ArrayLike,
    sample_labels: npt.ArrayLike,
    neighbours: int = 3,
    measure: Measure = precision_recall,
) -> dict[int, PrecisionRecall | None]:
    """Compute precision and recall between the reference and the samples of each class.

    Every class has its own manifolds, with fewer points and so larger balls. Values are therefore not comparable with
    those of all images, or between classes of different sizes.

    Args:
        reference: (N, D), real, finite: features of real images.
        reference_labels: (N,), integers.
        samples: (M, D), real, finite: features of generated images.
        sample_labels: (M,), integers.
        neighbours: k, >= 1.
        measure: the function for one class, `precision_recall` or `half_precision_recall`.

    Returns:
        Precision and recall of every class in either set, in ascending order of classes; rows are those of the class,
        in their order. None for a class without more than `neighbours` points in both sets.

    Raises:
        ValueError: features or labels are unusable, or they disagree.

    Source: Appendix J, applied to one class at a time.
    """
    real = require_features(reference, "reference features")
    fake = require_features(samples, "sample features")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"features of {real.shape[1]} and {fake.shape[1]} dimensions, expected the same")
    if neighbours < 1:
        raise ValueError(f"neighbours is {neighbours}, expected at least 1")
    real_labels = _require_labels(reference_labels, len(real), "reference labels")
    fake_labels = _require_labels(sample_labels, len(fake), "sample labels")
    return {
        int(label): _of_class(real[real_labels == label], fake[fake_labels == label], neighbours, measure)
        for label in np.union1d(real_labels, fake_labels)
    }


def _of_class(real: FloatArray, fake: FloatArray, neighbours: int, measure: Measure) -> PrecisionRecall | None:
    if min(len(real), len(fake)) <= neighbours:
        return None
    return measure(real, fake, neighbours)


def _require_labels(labels: npt.ArrayLike, length: int, name: str) -> npt.NDArray[np.integer]:
    """Check that there is one integer label for each feature, and return labels as an array."""
    array = np.asarray(labels)
    if array.shape != (length,):
        raise ValueError(f"{name} have shape {array.shape}, expected ({length},) as of the features")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} have dtype {array.dtype}, expected integers")
    return array
