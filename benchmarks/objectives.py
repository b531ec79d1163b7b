"""What a network should predict: FID after equal training, by target and by weights of the loss.

Run as `python -m benchmarks.objectives fashion|FOLDER [NAME ...]`. A folder holds a folder of images a class. All else
is what `adm new` writes: its narrowest network, class-conditional, sampled without guidance by its sampler. The judge
is a small extractor, trained on the same images; the floor beside it is the FID of held-out images to the others. An
iteration takes the same time whatever is predicted; the seconds of a processor that it took stand beside.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tensorboard.compat.proto.graph_pb2 import GraphDef  # type: ignore[import-untyped]
from torch import nn

from adm.config.data import Extractor, ImageSource
from adm.config.models import DiffusionModel
from adm.config.sampling import GuidedSampling
from adm.data.batches import to_unit_range
from adm.data.sources import SOURCES, alike_in, cropped, parts_of
from adm.determinism import generator, make_deterministic
from adm.metrics.frechet import frechet_distance
from adm.metrics.graph import Nodes
from adm.metrics.graph_network import GraphNetwork
from adm.metrics.small_extractor import ExtractorNetwork, freeze
from adm.metrics.statistics import FeatureStatistics, feature_statistics
from adm.nets.weights import build
from adm.sampling.guided import block_sampler
from adm.tools.new import JUDGE_PASSES
from adm.training.extractor import accuracy, initial_network, train_extractor
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task

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

BLOCK = 50
"""Images that are sampled together."""

FASHION = {"source": "idx", "root": "/usr/share/datasets/fashion-mnist", "image_size": 28, "num_classes": 10}

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Trained = tuple[int, float, nn.Module]


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
    parts = parts_of(images, dataset, alike_in(images, dataset) if keeps_alike else None)
    train, unseen = (cropped(images, rows, dataset) for rows in (parts["training"], parts["held_out"]))
    labels = (images.labels[parts[name]] for name in ("training", "held_out"))
    return train, next(labels), unseen, next(labels), 1 if source in ("fashion", "digits") else 3


def section(
    size: int, channels: int, classes: int | None, batch: int, objective: dict[str, Any], seed: int
) -> DiffusionModel:
    """The narrowest model of `adm new`, with an objective."""
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


def statistics(judge: ExtractorNetwork, images: Images) -> FeatureStatistics:
    """Fit a Gaussian to the pooled features of images."""
    return feature_statistics(features_of(judge, images))


def trained(
    model: DiffusionModel, images: Images, labels: Labels, budgets: list[int], network: nn.Module | None = None
) -> Iterator[Trained]:
    """Train, and yield each number of iterations, the seconds of a processor so far, and the averaged network."""
    state = TrainingState(network or build(model), build_task(model), model.training)
    draws, batch = generator(model.training.seeds.data), model.training.batch_size
    spent = 0.0
    for step in range(1, budgets[-1] + 1):
        rows = torch.randint(len(images), (batch,), generator=draws).numpy()
        x_0, y = to_unit_range(images[rows], model.network.image_channels), torch.from_numpy(labels[rows])
        began = time.process_time()
        train_step(state, model.training, x_0, y)
        spent += time.process_time() - began
        if step in budgets:
            averaged = build(model)
            averaged.load_state_dict(state.ema)
            yield step, spent, averaged


def main() -> None:
    """Print a row an objective, a seed and a budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="fashion, or a folder")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {'; '.join(OBJECTIVES)} (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103])
    parser.add_argument("--iterations", type=int, nargs="+", default=[400, 800])
    parser.add_argument("--size", type=int, default=32, help="of a folder's images")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument(
        "--judge", type=int, default=2000, help="iterations of the judge; of few images fewer, as adm new"
    )
    options = parser.parse_args()
    make_deterministic(1)
    images, labels, unseen, unseen_labels, channels = read(options.source, options.size)
    size, classes = images.shape[1], int(labels.max()) + 1
    judge = judge_of(images, labels, options.judge)
    real, held_out = statistics(judge, images), statistics(judge, unseen)
    floor = frechet_distance(held_out, real)
    print(f"judge: {accuracy(judge, unseen, unseen_labels):.3f} of held-out images; floor {floor:.3f}\n")
    print("| objective | seed | iterations | seconds | FID | FID, held out |\n|:--|--:|--:|--:|--:|--:|", flush=True)
    for seed in options.seeds:
        for name in options.names or OBJECTIVES:
            model = section(size, channels, classes, options.batch, OBJECTIVES[name], seed)
            for step, seconds, network in trained(model, images, labels, options.iterations):
                how = {"sampler": "dpm_solver_pp", "eta": 1.0, "steps": "logsnr25", "num_samples": options.samples}
                run = GuidedSampling.model_validate(
                    how | {"micro_batch": BLOCK, "seed": seed << 20, "precision": "bfloat16"}
                )
                sampled = block_sampler(run, model, network, None, classes)
                fakes = np.concatenate([sampled(block).images for block in range(options.samples // BLOCK)])
                fake = statistics(judge, fakes)
                scores = " | ".join(f"{frechet_distance(fake, one):.3f}" for one in (real, held_out))
                print(f"| {name} | {seed} | {step} | {seconds:.0f} | {scores} |", flush=True)


if __name__ == "__main__":
    main()
