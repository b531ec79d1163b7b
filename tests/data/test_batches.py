"""Batches are a function of seed and step, and a share of one is those rows of it."""

import numpy as np
import pytest
import torch

from adm.data.batches import Batches, to_uint8, to_unit_range
from adm.data.crops import cut, draw_crop


class Watched:
    """A dataset that remembers which images it was asked for."""

    def __init__(self, dataset):
        self.dataset, self.labels, self.shapes = dataset, dataset.labels, dataset.shapes
        self.asked = []

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, indices):
        self.asked += indices.tolist()
        return self.dataset[indices]

    def cut(self, indices, size, crops):
        self.asked += indices.tolist()
        return self.dataset.cut(indices, size, crops)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("crop", ["centre", "random"])
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_shares_put_together_are_the_batch_and_each_image_is_read_once(dataset, crop, flip, parts):
    size = 6 if crop == "random" else 8
    for step in (0, 2, 3):  # the last two go beyond the end of an epoch
        watched = Watched(dataset)
        batches = Batches(watched, size, 10, crop, flip, seed=4)
        x_0, y = Batches(dataset, size, 10, crop, flip, seed=4).at(step)
        share = 10 // parts
        shares = [batches.at(step, slice(start, start + share)) for start in range(0, 10, share)]
        assert torch.equal(torch.cat([images for images, _ in shares]), x_0)
        assert torch.equal(torch.cat([labels for _, labels in shares]), y)
        assert len(watched.asked) == 10


def test_augmentation_makes_a_difference(dataset):
    """Else the test above would say nothing of its random numbers."""
    plain, flipped, cropped = (
        Batches(dataset, size, 10, crop, flip, seed=4).at(0)[0]
        for size, crop, flip in ((8, "centre", False), (8, "centre", True), (6, "random", False))
    )
    mirrored = [bool(torch.equal(a.flip(2), b)) for a, b in zip(plain, flipped, strict=True)]
    assert {True, False} == set(mirrored)
    assert cropped.shape == (10, 3, 6, 6)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (40, 23), (17, 64)])
def test_a_crop_drawn_without_its_image_lies_within_it(height, width):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for highest in (False, True):
        crop = draw_crop(height, width, 6, lambda low, high, highest=highest: high if highest else low)
        assert crop.side == (8 if highest else 6)  # 6 / 0.8, rounded up
        assert cut(image, 6, crop).shape == (6, 6, 3)


@pytest.mark.parametrize("crop", ["centre", "random"])
def test_a_grey_batch_is_the_first_channel_of_the_same_batch(dataset, crop):
    size = 6 if crop == "random" else 8
    x_0, y = Batches(dataset, size, 10, crop, True, seed=4).at(1)
    grey, labels = Batches(dataset, size, 10, crop, True, seed=4, channels=1).at(1)
    assert torch.equal(grey, x_0[:, :1])
    assert torch.equal(labels, y)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_survive_a_network_of_any_channels(channels):
    levels = np.repeat(np.arange(256, dtype=np.uint8).reshape(2, 8, 16, 1), 3, axis=-1)
    x = to_unit_range(levels, channels)
    assert x.shape == (2, channels, 8, 16)
    back = to_uint8(x)
    assert back.shape == (2, 8, 16, 3)
    assert back.flags.c_contiguous
    # Truncation may take a level away, of all channels alike.
    assert np.abs(back.astype(int) - levels).max() <= 1
    assert np.array_equal(back, back[..., [0, 0, 0]])
