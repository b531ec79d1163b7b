"""Near-duplicates: copies of an image that were resized, compressed again or mirrored."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from adm.errors import some

FARTHEST, FARTHEST_SHARE = 5.0, 0.3
"""How far two near-duplicates' thumbnails lie apart at most, as a root mean square: in grey levels, and as a share of
the lower standard deviation of the two. Without the latter all images of a clear sky would be alike."""


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink an image, (H, W, 3) uint8, to (8, 8, 3) uint8, where sizes and compression leave little trace."""
    return np.asarray(Image.fromarray(image).resize((8, 8), Image.Resampling.BICUBIC))


def first_alike(thumbnails: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Find the groups of images, thumbnails of which are (N, 8, 8, 3) uint8, that near-duplicates link, in any order.

    Returns:
        (N,): the index of the first image of each image's group; its own, if nothing is like it.
    """
    values = thumbnails.astype(np.float32) - 128
    # Means of near-duplicates are nearer than their pixels: sorted by them, only a stretch is compared with an image.
    means = values.mean(axis=(1, 2, 3))
    order = np.argsort(means, kind="stable")
    values, means, groups = values[order], means[order], np.arange(len(order))
    # Mirroring changes the sign of the odd part alone. All are integers below 2^24, so that float32 is exact.
    left, right = values[:, :, :4], values[:, :, :3:-1]
    even, odd = (part.reshape(len(order), -1) for part in (left + right, left - right))
    norms = (even**2).sum(axis=1) + (odd**2).sum(axis=1)
    spread = np.sqrt(values.var(axis=(1, 2)).mean(axis=1))
    farthest = 2 * values[:1].size * np.minimum(FARTHEST, FARTHEST_SHARE * spread) ** 2
    for start in range(0, len(order), 512):
        rows = slice(start, start + 512)
        near = slice(start, int(np.searchsorted(means, means[rows][-1] + FARTHEST + 0.01)))
        products = even[rows] @ even[near].T + np.abs(odd[rows] @ odd[near].T)
        distances = norms[rows, None] + norms[near] - 2 * products
        one, other = groups[start + np.array(np.nonzero(distances <= np.minimum(farthest[rows, None], farthest[near])))]
        links = coo_array((np.ones(len(one)), (one, other)), (len(order), len(order)))
        groups = connected_components(links, directed=False)[1][groups]
    _, first, group = np.unique(groups[np.argsort(order)], return_index=True, return_inverse=True)
    return first[group]


def alike_told(first: NDArray[np.int64], name: Callable[[int], str]) -> str:
    """Say how many images are near-duplicates, from what `first_alike` returns, and name some; "" if none are."""
    counts = np.unique(first, return_counts=True)[1]
    groups = np.split(np.argsort(first, kind="stable"), np.cumsum(counts)[:-1])
    named = [" = ".join(map(name, group[:3].tolist())) for group in groups if len(group) > 1]
    of_groups = f"{len(named)} groups" if len(named) > 1 else "a group"
    return f"{counts[counts > 1].sum()} near-duplicates in {of_groups}: {some(named)}" if named else ""
