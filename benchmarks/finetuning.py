"""What fine-tuning is worth: FID against held-out images after equal training, from a trained network and from scratch.

Run as `python -m benchmarks.finetuning fashion|FOLDER`. A network of 32 channels learns garments at
28x28. With "fashion" it has seen nine classes of them and is taught the tenth,
ankle boots, of which it gets few images; with a folder, which holds a folder of images a class, it has seen all, and is
taught the folder's images in colour. Either way the other network begins at random and learns at `--slower` times the
rate. Both learn by AdamW, as `adm new --from` does; without, it takes a narrower network and Muon. An iteration takes
both the same time.
"""

import argparse
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from adm.config.models import DiffusionModel
from adm.config.sampling import GuidedSampling
from adm.data.batches import to_unit_range
from adm.determinism import generator, make_deterministic
from adm.metrics.features import Features
from adm.metrics.intervals import Interval, block_of, draws_of, interval
from adm.metrics.scores import MetricInputs, with_intervals
from adm.metrics.small_extractor import ExtractorNetwork
from adm.metrics.statistics import FeatureStatistics, feature_statistics
from adm.nets.weights import build, initial, transferred
from adm.planning.recipe import SLOWER
from adm.sampling.guided import block_sampler, block_trajectories
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from benchmarks.short_training import OBJECTIVES, Images, Labels, features_of, judge_of, read, section

BLOCK = 50
"""Images that are sampled together."""

TAUGHT = 9
"""The class of Fashion-MNIST that is taught: ankle boots, beside sneakers and sandals."""


class Lesson(NamedTuple):
    """What is taught: images (N, 28, 28, 3) uint8 with their classes, and held-out ones likewise."""

    images: Images
    labels: Labels
    unseen: Images
    unseen_labels: Labels


def trained(
    model: DiffusionModel, images: Images, labels: Labels, budgets: list[int], network: nn.Module | None = None
) -> Iterator[tuple[int, float, nn.Module]]:
    """Train, and yield each number of iterations, the seconds of a processor so far, and the averaged network."""
    state = TrainingState(network or initial(model), build_task(model), model.training)
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


def lessons(source: str, few: int) -> tuple[Lesson, Lesson, int]:
    """Read what a network learns first and what it is taught then, and the channels of the latter."""
    first = Lesson(*read("fashion", 28)[:4])
    if source != "fashion":
        *then, channels = read(source, 28)
        return first, Lesson(*then), channels

    def of(is_taught: bool, count: int | None) -> Lesson:
        pairs = []
        for images, labels in ((first.images, first.labels), (first.unseen, first.unseen_labels)):
            rows = np.flatnonzero((labels == TAUGHT) == is_taught)[:count]
            pairs += [images[rows], np.zeros(len(rows), np.int64) if is_taught else labels[rows]]
        return Lesson(*pairs)

    taught, whole = of(True, few), of(True, None)
    return of(False, None), taught._replace(unseen=whole.unseen, unseen_labels=whole.unseen_labels), 1


def distance(judge: ExtractorNetwork, held_out: FeatureStatistics, images: Images) -> Interval:
    """FID of images against held-out ones, with its 95 % interval over the draw of the former."""
    rows = features_of(judge, images)
    _, spreads = with_intervals(MetricInputs(Features(rows, rows, rows), held_out, None), ["fid"])
    return interval(draws_of([block_of([spreads["fid"]])])[0][:, 0])


def sampled(model: DiffusionModel, network: nn.Module, count: int, seed: int) -> NDArray[np.uint8]:
    """Sample without guidance, (count, 28, 28, 3), in batches of BLOCK."""
    how: dict[str, Any] = {"sampler": "dpm_solver_pp", "eta": 1.0, "steps": "logsnr25", "num_samples": count}
    run = GuidedSampling.model_validate(how | {"micro_batch": BLOCK, "seed": seed << 20, "precision": "bfloat16"})
    blocks = block_sampler(block_trajectories(run, model, network, None, model.network.num_classes or 1))
    return np.concatenate([blocks(block).images for block in range(count // BLOCK)])


def rows_of(options: argparse.Namespace) -> Iterator[str]:
    """Train, and yield a row of the table for each seed, budget and start."""
    first, then, channels = lessons(options.source, options.images)
    of_judge = then if options.source != "fashion" else Lesson(*read("fashion", 28)[:4])
    judge = judge_of(of_judge.images, of_judge.labels, options.judge)
    held_out = feature_statistics(features_of(judge, then.unseen))
    floor = distance(judge, held_out, then.images).estimate
    yield f"FID of the {len(then.images)} images that are taught: {floor:.2f}\n"
    yield "| seed | iterations | seconds | from | FID, held out | 95 % |\n|--:|--:|--:|:--|--:|:--|"
    of = partial(section, 28, batch=options.batch, objective=OBJECTIVES[options.objective])
    source = of(1, int(first.labels.max()) + 1, seed=1)
    *_, (_, _, learned) = trained(source, first.images, first.labels, [options.first])
    for seed in options.seeds:
        for name in options.starts:
            model = of(channels, int(then.labels.max()) + 1, seed=seed)
            network = build(model)
            if name == "garments":
                network.load_state_dict(transferred(learned.state_dict(), network.state_dict(), keep_classes=False))
                rate = model.training.learning_rate / options.slower
                model = model.model_copy(update={"training": model.training.model_copy(update={"learning_rate": rate})})
            for step, seconds, tuned in trained(model, then.images, then.labels, options.iterations, network):
                fid = distance(judge, held_out, sampled(model, tuned, options.samples, seed))
                bounds = f"{fid.low:.2f} to {fid.high:.2f}"
                yield f"| {seed} | {step} | {seconds:.0f} | {name} | {fid.estimate:.2f} | {bounds} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finetuning", description=__doc__)
    parser.add_argument("source", help="fashion, or a folder")
    parser.add_argument("--objective", default="x_0, simple, min-SNR 5", choices=OBJECTIVES)
    parser.add_argument("--first", type=int, default=2000, help="iterations of the network that is fine-tuned")
    parser.add_argument("--images", type=int, default=200, help="of the tenth class")
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103])
    parser.add_argument("--iterations", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--judge", type=int, default=2000, help="most iterations of the judge")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--slower", type=float, default=SLOWER, help="the rate of scratch by that of fine-tuning")
    parser.add_argument("--starts", nargs="+", choices=("scratch", "garments"), default=("scratch", "garments"))
    options = parser.parse_args()
    make_deterministic(1)
    for row in rows_of(options):
        print(row, flush=True)


if __name__ == "__main__":
    main()
