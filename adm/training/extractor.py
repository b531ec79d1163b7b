"""Training of a small feature extractor on one part of a labelled dataset; the other part is held out."""

import time
from collections import deque
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from adm.config.data import Extractor
from adm.determinism import generator
from adm.metrics.small_extractor import ExtractorNetwork
from adm.training.updates import descend

SPLIT, INIT, ORDER = 0, 1, 2
"""Random streams of an extractor's training."""

FEW = 20
"""Iterations that tell how long one takes."""


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

    Images are (N, H, W, 3) uint8, labels (N,) int64.

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
        descend(optimizer, loss, network, f"iteration {iteration}: loss")
        yield float(loss.detach())


def better_learned(
    extractor: Extractor, images: NDArray[np.uint8], labels: NDArray[np.int64], seconds: float
) -> tuple[Extractor, float]:
    """Find out what an extractor learns better, classes or rotations, by training it for some seconds on either.

    Better is a longer way from chance to certainty, on held-out images.

    Args:
        extractor: How to train it, but for what it learns and for how long.
        images: (N, S, S, 3) uint8.
        labels: (N,) int64; images of one class teach rotations.
        seconds: That either training takes.

    Returns:
        The section with what is learned better, and the seconds that an iteration takes.
    """
    num_classes = int(labels.max()) + 1
    train, unseen = split(extractor, len(images))

    def trained(learns: str, iterations: int) -> tuple[float, float]:
        """Return the way that was gone from chance to certainty, and the seconds of an iteration."""
        of = extractor.model_copy(update={"learns": learns, "iterations": iterations})
        network, began = initial_network(of, num_classes), time.perf_counter()
        deque(train_extractor(of, network, *examples(of, images[train], labels[train])), maxlen=0)
        took, chance = time.perf_counter() - began, 1 / of.told(num_classes)
        right = accuracy(network, *examples(of, images[unseen], labels[unseen]))
        return (right - chance) / (1 - chance), took / iterations

    _, of_iteration = trained("rotations", FEW)
    iterations = max(FEW, round(seconds / of_iteration))
    best = "rotations"
    if num_classes > 1:
        best = max(("classes", "rotations"), key=lambda learns: trained(learns, iterations)[0])
    return extractor.model_copy(update={"learns": best}), of_iteration


@torch.no_grad()
def accuracy(network: ExtractorNetwork, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Return the share of the images that the network classifies correctly, in [0, 1]."""
    predicted = network(torch.from_numpy(images)).argmax(dim=1).numpy()
    return float((predicted == labels).mean())
