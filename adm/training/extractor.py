"""Training of a small feature extractor on one part of a labelled dataset; the other part is held out."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from adm.config.data import Extractor
from adm.determinism import generator
from adm.metrics.small_extractor import ExtractorNetwork
from adm.training.updates import require_finite_step

SPLIT, INIT, ORDER = 0, 1, 2
"""Random streams of an extractor's training."""


def split(extractor: Extractor, num_images: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split a dataset at random: the indices of its training images, and of the held-out images."""
    order = torch.randperm(num_images, generator=generator(extractor.seed, SPLIT)).numpy()
    size = round(num_images * extractor.held_out)
    return order[size:], order[:size]


def initial_network(extractor: Extractor, num_classes: int) -> ExtractorNetwork:
    """Return an untrained extractor of a dataset of so many classes."""
    draws = generator(extractor.seed, INIT)
    return ExtractorNetwork(extractor.told(num_classes), extractor.side, extractor.channels, generator=draws)


def examples(
    extractor: Extractor, images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Tell what an extractor learns from: images with their classes, or each of them in all four rotations, with these.

    Args:
        extractor: Its section.
        images: (N, S, S, 3) uint8.
        labels: (N,) int64.

    Source: Gidaris et al. 2018, "Unsupervised Representation Learning by Predicting Image Rotations".
    """
    if extractor.learns == "classes":
        return images, labels
    turned = [np.rot90(images, quarters, axes=(1, 2)) for quarters in range(4)]
    return np.concatenate(turned), np.repeat(np.arange(4), len(images))


def train_extractor(
    extractor: Extractor, network: ExtractorNetwork, images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> Iterator[float]:
    """Train in place with cross-entropy, AdamW and a learning rate that falls linearly to zero.

    Args:
        extractor: How to train.
        network: Changed in place.
        images: (N, H, W, 3) uint8.
        labels: (N,) int64.

    Yields:
        The loss of each iteration.

    Raises:
        NotFiniteError: A loss or a gradient is NaN or infinite.
    """
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(
        network.parameters(), extractor.learning_rate, weight_decay=extractor.weight_decay, fused=True
    )
    draws = generator(extractor.seed, ORDER)
    for iteration in range(extractor.iterations):
        for group in optimizer.param_groups:
            group["lr"] = extractor.learning_rate * (1 - iteration / extractor.iterations)
        rows = torch.randint(len(x), (extractor.batch_size,), generator=draws)
        loss = F.cross_entropy(network(x[rows]), y[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        require_finite_step(f"iteration {iteration}: loss", loss, network)
        optimizer.step()
        yield float(loss.detach())


@torch.no_grad()
def accuracy(network: ExtractorNetwork, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Return the share of the images that the network classifies correctly, in [0, 1]."""
    predicted = network(torch.from_numpy(images)).argmax(dim=1).numpy()
    return float((predicted == labels).mean())
