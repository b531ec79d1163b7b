"""Clusters are of one size, and the same whatever library or order told them apart."""

import numpy as np
import pytest

from adm.data.clusters import clusters_of


def thumbnails(count, seed=0):
    """Smooth images of any colour, as thumbnails are."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 255, (count, 2, 2, 3))
    return np.repeat(np.repeat(corners, 4, axis=1), 4, axis=2).astype(np.uint8)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16])
def test_clusters_have_one_size(count):
    sizes = np.bincount(clusters_of(thumbnails(203), count))
    assert len(sizes) == count
    assert np.ptp(sizes) <= 1


def test_clusters_are_of_images_that_look_alike():
    pixels = thumbnails(400)
    values = pixels.reshape(len(pixels), -1).astype(float)

    def within(clusters):
        return sum(values[clusters == one].var(axis=0).sum() * (clusters == one).mean() for one in np.unique(clusters))

    found = within(clusters_of(pixels, 16))
    assert found < 0.8 * within(np.random.default_rng(0).integers(0, 16, len(pixels)))
    assert found < 0.9 * within(clusters_of(pixels, 4))


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_sign_of_an_axis_is_no_librarys(mirrored, monkeypatch):
    """Of images and their mirror images two components of an axis are of one size, but for rounding."""
    pixels, whole = thumbnails(100), np.linalg.eigh
    pixels = np.concatenate([pixels, pixels[:, :, ::-1]]) if mirrored else pixels
    expected = clusters_of(pixels, 8)
    for seed in range(4):
        noise = np.random.default_rng(seed).normal(0, 1e-13, (192, 192))
        monkeypatch.setattr(np.linalg, "eigh", lambda matrix, noise=noise: (whole(matrix)[0], noise - whole(matrix)[1]))
        assert np.array_equal(clusters_of(pixels, 8), expected)


def test_images_that_are_all_the_same_are_split_in_their_order():
    assert clusters_of(np.full((8, 8, 8, 3), 9, np.uint8), 4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
