"""The choice of images of a dataset for a study."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from adm.data.shards import ImageShards
from adm.determinism import generator
from adm.errors import UserError


def choose(seed: int, stream: int, data: ImageShards, count: int, place: Path) -> NDArray[np.int64]:
    """Choose distinct images at random; a smaller count gives the first ones of a larger count.

    Args:
        seed: The study's seed.
        stream: The number of the random stream within the study.
        data: The dataset.
        count: How many.
        place: The dataset's folder, for messages.

    Returns:
        (count,) int64, indices into the dataset.

    Raises:
        UserError: The dataset has fewer images.
    """
    if count > len(data):
        raise UserError(f"{place}: has {len(data)} images, but the study needs {count} different ones")
    chosen: NDArray[np.int64] = torch.randperm(len(data), generator=generator(seed, stream))[:count].numpy()
    return chosen


def check_labels(data: ImageShards, num_classes: int | None, place: Path) -> None:
    """Refuse a dataset with labels that are no class of the networks; None accepts all labels.

    Raises:
        UserError: Names the folder, the label and how many classes there are.
    """
    largest = int(data.labels.max())
    if num_classes is not None and largest >= num_classes:
        raise UserError(f"{place}: holds label {largest}, but the networks have {num_classes} classes")
