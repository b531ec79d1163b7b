"""Whether samples lie nearer to the images that a model was trained on than to others of the same distribution."""

import numpy as np
from numpy.typing import NDArray

from adm.metrics.distances import nearest
from adm.metrics.scores import MetricInputs


def nearer_to_training(inputs: MetricInputs) -> tuple[float, float]:
    """Return the share of samples that are nearer to the reference's images than to held-out ones, and its error."""
    return nearer(inputs.samples.pool, inputs.real_pool, inputs.unseen)


def nearer_of_real(inputs: MetricInputs) -> tuple[float, float] | None:
    """Return the same share of real images: one half of the held-out images takes the place of the samples.

    Off 0.5 it tells of the extractor, which has seen the training images, too. None for fewer than four images.
    """
    if len(inputs.unseen) < 4:
        return None
    order = np.random.default_rng(0).permutation(len(inputs.unseen))
    first, second = np.array_split(inputs.unseen[order], 2)
    return nearer(first, inputs.real_pool, second)


def copies(inputs: MetricInputs) -> tuple[float, float]:
    """Return by how much the share of copies among samples exceeds that among held-out images, and its standard error.

    A copy is less than a third as far from a training image as from any held-out one, or any other. The extractor has
    seen neither samples nor held-out images, so a model that copies nothing has 0. The error is of shares with one copy
    and one other image more, so it is above 0 where nothing is a copy.

    Source: Yoon et al. (2023), who compare with the second training image; Agresti & Caffo (2000), for the error.
    """
    shares, variances = [], []
    for rows in (inputs.samples.pool, inputs.unseen):
        to_training, to_held_out = (nearest(rows, images, 1)[1] for images in (inputs.real_pool, inputs.unseen))
        copied, count = int((3 * to_training < to_held_out).sum()), len(rows) + 2
        shares.append(copied / len(rows))
        variances.append((copied + 1) * (count - copied - 1) / count**3)
    return shares[0] - shares[1], float(np.sqrt(sum(variances)))


def distance_ratio(inputs: MetricInputs) -> float | None:
    """Return the median distance of samples to the nearest training image, over that of held-out images.

    Below 1 samples are nearer to the training images than real images are: they are copies, or lie where images are
    dense. Bad samples are far from any image, and raise it. None if half of the held-out images have a twin.

    Source: Meehan, Chaudhuri & Dasgupta (2020), whose test compares the same two sets of distances by their ranks.
    """
    samples, unseen = (
        float(np.median(nearest(rows, inputs.real_pool, 1)[1])) for rows in (inputs.samples.pool, inputs.unseen)
    )
    return samples / unseen if unseen > 0 else None


def nearer(
    samples: NDArray[np.floating], training: NDArray[np.floating], held_out: NDArray[np.floating]
) -> tuple[float, float]:
    """Return the share of samples whose nearest image was trained on, as it would be with equally many held-out images.

    Let s be the share, of N training and M held-out images, and pi = N / (N + M). What is returned is

        q = 1/2 + (s - pi) / (2 (1 - pi)),    at least 0.

    If samples do not depend on which of the N + M images were trained on, any N of them are as likely to have been: s
    has the mean pi, and q 1/2. If a share c of the samples copies training images, and lies nearer to them than any
    held-out image does, however many there are, s has the mean c + (1 - c) pi, and q the mean c + (1 - c) / 2, which is
    s for N held-out images. Samples that are drawn to training images, but do not copy them, would have a smaller
    share with N held-out images than q says.

    The standard error is that of a ratio: the sums of n_i, the samples nearest to image i, over the training images and
    over the held-out ones. With the variances v of n_i among either, of n samples,

        var s = ((1 - s)^2 N v_training + s^2 M v_held_out) / n^2.

    It covers the draw of the samples and of both sets of images, with copies and without.

    Args:
        samples: (n, D) features, n >= 2.
        training: (N, D), N >= 2.
        held_out: (M, D), M >= 2.

    Returns:
        q in [0, 1], and its standard error.

    Source: Platzer & Reutterer (2021), for the share of samples nearer to training than to held-out records; Cochran
    (1977), section 6.3, for the variance of a ratio.
    """
    (at, to_training), (at_other, to_held_out) = (nearest(samples, images, 1) for images in (training, held_out))
    # An image in both sets is half of each.
    won = 0.5 * (1 + np.sign(to_held_out - to_training))[:, 0]
    of_training = np.bincount(at[:, 0], won, len(training))
    of_held_out = np.bincount(at_other[:, 0], 1 - won, len(held_out))
    share, part = of_training.sum() / len(samples), len(training) / (len(training) + len(held_out))
    even = 0.5 + (share - part) / (2 * (1 - part))
    spread = (1 - share) ** 2 * len(training) * of_training.var(ddof=1)
    spread += share**2 * len(held_out) * of_held_out.var(ddof=1)
    return max(float(even), 0.0), float(np.sqrt(spread) / len(samples) / (2 * (1 - part)))
