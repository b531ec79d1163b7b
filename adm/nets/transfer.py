"""Weights of a network for another one that has other classes or other channels of images."""

from collections.abc import Mapping

import torch
from torch import Tensor

CLASSES, TIME = "class_embedding.weight", "time_embedding.second.bias"
"""The table of classes, and what is added to each of its rows before anything else sees it."""

FIRST, LAST = "encoder.blocks.0.convolution.weight", ("output.2.weight", "output.2.bias")
"""The convolutions that see and make the channels of images."""


def transferred(source: Mapping[str, Tensor], like: Mapping[str, Tensor], keep_classes: bool) -> dict[str, Tensor]:
    """Make a UNet's weights from those of one that differs in its classes or in channels of its images.

    Without `keep_classes` each class begins as the mean of the source's: it lies amid what the network has seen, where
    zero, no class, may be new to it. A network without classes has that mean in its bias. A source's without any is 0.

    A grey image is a colour image of three equal channels, which the first convolution sums; the last one makes their
    mean. Of colours from grey the first sees the mean, and each is made as the grey one.

    Args:
        source: Its weights, by the names of a UNet.
        like: Names and shapes of the other's, on any device.
        keep_classes: Whether it has the classes of the source, as many.

    Returns:
        Float32 tensors with the names and shapes of `like`, in its order; those that do not change are the source's.
    """
    weights = dict(source)
    if not keep_classes:
        table = weights.pop(CLASSES, torch.zeros(1, len(source[TIME])))
        mean = table.double().mean(dim=0).float()
        if CLASSES in like:
            weights[CLASSES] = mean.repeat(len(like[CLASSES]), 1)
        else:
            weights[TIME] = source[TIME] + mean
    seen, channels = source[FIRST].shape[1], like[FIRST].shape[1]
    if seen != channels:
        weights[FIRST] = source[FIRST].sum(dim=1, keepdim=True).repeat(1, channels, 1, 1) / channels
        for name in LAST:
            # Channels of the prediction come first, then those of a learned variance.
            halves = source[name].reshape(-1, seen, *source[name].shape[1:]).mean(dim=1, keepdim=True)
            weights[name] = halves.repeat_interleave(channels, dim=1).flatten(0, 1)
    return {name: weights[name] for name in like}
