"""What benchmarks of short trainings share: the images, a narrow network, and a judge of samples.

The judge is a small extractor, trained on the classes of the same images.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tensorboard.compat.proto.graph_pb2 import GraphDef  # type: ignore[import-untyped]

from adm.config.data import Extractor, ImageSource
from adm.config.models import DiffusionModel
from adm.data.sources import SOURCES, cropped, looked_at, parts_of
from adm.metrics.graph import Nodes
from adm.metrics.graph_network import GraphNetwork
from adm.metrics.small_extractor import ExtractorNetwork, freeze
from adm.tools.new import JUDGE_PASSES
from adm.training.extractor import initial_network, train_extractor

FIXED = {"variance": "beta"}
SIMPLE = {"objective": "simple", "noise": FIXED}

OBJECTIVES: dict[str, dict[str, Any]] = {
    "eps": {},
    "eps, min-SNR 5": {"min_snr": 5},
    "v": {"noise": {"predicts": "v"}},
    "v, min-SNR 5": {"noise": {"predicts": "v"}, "min_snr": 5},
    "x_0": {"noise": {"predicts": "x_0"}},
    "x_0, min-SNR 5": {"noise": {"predicts": "x_0"}, "min_snr": 5},
    "eps, simple": SIMPLE,
    "v, simple": {**SIMPLE, "noise": {**FIXED, "predicts": "v"}},
    "x_0, simple, min-SNR 5": {**SIMPLE, "noise": {**FIXED, "predicts": "x_0"}, "min_snr": 5},
}
"""What is changed in the model, by name; "eps" is the paper's, L_hybrid, and "simple" has no learned variance."""

FASHION = {"source": "idx", "root": "/usr/share/datasets/fashion-mnist", "image_size": 28, "num_classes": 10}

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def read(source: str, size: int, keeps_alike: bool = False) -> tuple[Images, Labels, Images, Labels, int]:
    """Read the training images with their labels, the held-out images with theirs, and the number of channels.

    With `keeps_alike` near-duplicates lie on one side, as those of `adm new` do.
    """
    content: dict[str, Any] = (
        {"source": "digits", "image_size": 8, "num_classes": 10} if source == "digits" else FASHION
    )
    if source not in ("fashion", "digits"):
        classes = sum(folder.is_dir() for folder in Path(source).iterdir())
        content = {"source": "folder", "root": source, "image_size": size, "num_classes": classes}
        content |= {"background": "white"}
    dataset = ImageSource.model_validate({**content, "held_out": 0.2})
    images = SOURCES[dataset.source](dataset)
    parts = parts_of(images, dataset, looked_at(images, dataset)[1] if keeps_alike else None)
    train, unseen = (cropped(images, rows, dataset) for rows in (parts["training"], parts["held_out"]))
    labels = (images.labels[parts[name]] for name in ("training", "held_out"))
    return train, next(labels), unseen, next(labels), 1 if source in ("fashion", "digits") else 3


def section(
    size: int, channels: int, classes: int | None, batch: int, objective: dict[str, Any], seed: int
) -> DiffusionModel:
    """A model of 32 channels at the full size and 64 below, by AdamW, with an objective."""
    levels = [1, 2, 2]
    network = {"image_size": size, "channels": 32, "groups": 8, "depth": 1, "head_channels": 32, "num_classes": classes}
    network |= {"channel_multiplier": levels, "attention_resolutions": [size >> level for level in (1, 2)]}
    training = {"batch_size": batch, "learning_rate": 1.0e-3, "ema_rate": 0.99, "ema_warmup": True, "seed": seed}
    return DiffusionModel.model_validate(
        {
            "kind": "diffusion",
            "network": network | {"image_channels": channels},
            **objective,
            "noise": {"schedule": "cosine", **objective.get("noise", {})},
            "training": {**training, "precision": "bfloat16"},
        }
    )


def judge_of(images: Images, labels: Labels, iterations: int, seed: int = 0) -> ExtractorNetwork:
    """Train an extractor on the classes of images, as `adm new` does."""
    learnt = {"side": -(-images.shape[1] // 4) * 4, "channels": 24, "least_accuracy": 0, "iterations": 1, "seed": seed}
    extractor = Extractor.model_validate(learnt)
    most = JUDGE_PASSES * len(images) // extractor.batch_size
    extractor = extractor.model_copy(update={"iterations": min(iterations, most)})
    judge = initial_network(extractor, int(labels.max()) + 1)
    for _ in train_extractor(extractor, judge, images, labels):
        pass
    return judge


def features_of(judge: ExtractorNetwork, images: Images) -> NDArray[np.float32]:
    """Return the pooled features of images."""
    network = GraphNetwork(Nodes(GraphDef.FromString(freeze(judge))))
    with torch.no_grad():
        parts = [network(torch.from_numpy(part))[0] for part in np.array_split(images, -(-len(images) // 500))]
    features: NDArray[np.float32] = torch.cat(parts).numpy()
    return features
