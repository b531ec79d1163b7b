"""Whether samples lie nearer to the images that a model was trained on than to others of the same distribution."""

import numpy as np
from numpy.typing import NDArray

from adm.metrics.neighbours import nearest
from adm.metrics.scores import MetricInputs

SEED = 0
"""Seed of the halves of held-out images."""


def nearer_to_training(inputs: MetricInputs) -> tuple[float, float]:
    """The `nearer` share of the samples, of the reference's images against held-out ones, and its standard error."""
    assert inputs.real is not None
    assert inputs.held_out is not None
    return nearer(inputs.samples.pool, inputs.real.pool, inputs.held_out)


def nearer_of_real(inputs: MetricInputs) -> tuple[float, float] | None:
    """The same share of real images: one half of the held-out images takes the place of the samples.

    Off 0.5 it tells of the extractor, which has seen the training images, too. None for fewer than four images.
    """
    assert inputs.real is not None
    assert inputs.held_out is not None
    if len(inputs.held_out) < 4:
        return None
    order = np.random.default_rng(SEED).permutation(len(inputs.held_out))
    first, second = np.array_split(inputs.held_out[order], 2)
    return nearer(first, inputs.real.pool, second)


def distance_ratio(inputs: MetricInputs) -> float | None:
    """The median distance of samples to the nearest training image, over that of held-out images.

    Below 1 samples are nearer to the training images than real images are: they are copies, or lie where images are
    dense. Bad samples are far from any image, and raise it. None if half of the held-out images have a twin.

    Source: Meehan, Chaudhuri & Dasgupta (2020), whose test compares the same two sets of distances by their ranks.
    """
    assert inputs.real is not None
    assert inputs.held_out is not None
    samples, unseen = (
        float(np.median(nearest(rows, inputs.real.pool, 1)[1])) for rows in (inputs.samples.pool, inputs.held_out)
    )
    return samples / unseen if unseen > 0 else None


def nearer(
    samples: NDArray[np.floating], training: NDArray[np.floating], held_out: NDArray[np.floating]
) -> tuple[float, float]:
    """The share of samples whose nearest image was trained on, as it would be with equally many held-out images.

    Let s be the share, of N training and M held-out images, and pi = N / (N + M). What is returned is

        q = s (1 - pi) / (s (1 - pi) + (1 - s) pi).

    If samples do not depend on which of the N + M images were trained on, any N of them are as likely to have been.
    Then s has the mean pi, so q is 0.5, and the variance of s is exactly

        pi (1 - pi) K / (K - 1) sum_i (w_i - 1 / K)^2,    K = N + M,

    where w_i is the share of samples whose nearest image is i. The standard error of q is 1 / (4 pi (1 - pi)) times
    that of s, to first order. It covers the draw of the samples and of both sets of images.

    Args:
        samples: (n, D) features, n >= 2.
        training: (N, D), N >= 2.
        held_out: (M, D), M >= 2.

    Returns:
        q in [0, 1], and its standard error without memorising.

    Raises:
        ValueError: Features are unusable, or their dimensions disagree.

    Source: Platzer & Reutterer (2021), for the share of samples nearer to training than to held-out records.
    """
    (at, to_training), (at_other, to_held_out) = (nearest(samples, images, 1) for images in (training, held_out))
    # An image in both sets is half of each.
    won = 0.5 * (1 + np.sign(to_held_out - to_training))[:, 0]
    of_training = np.bincount(at[:, 0], won, len(training))
    of_held_out = np.bincount(at_other[:, 0], 1 - won, len(held_out))
    weights = np.concatenate([of_training, of_held_out]) / len(samples)
    count, part = len(weights), len(training) / len(weights)
    share = of_training.sum() / len(samples)
    even = share * (1 - part) / (share * (1 - part) + (1 - share) * part)
    variance = part * (1 - part) * count / (count - 1) * ((weights - 1 / count) ** 2).sum()
    return float(even), float(np.sqrt(variance) / (4 * part * (1 - part)))
