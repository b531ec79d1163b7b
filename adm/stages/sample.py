"""`sample`: a run's batch of samples, or one shard of it."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from adm.determinism import settle
from adm.nets.checkpoints import load_network
from adm.params.models import ClassifierModelParams, DiffusionModelParams, UniformModelParams
from adm.params.runs import RunParams
from adm.sampling.batch import write_batch, write_shard
from adm.sampling.blocks import WHOLE, Shard, blocks_of, samples_of
from adm.sampling.guided import sample_blocks


def run(
    run: RunParams,
    model: DiffusionModelParams,
    classifier: ClassifierModelParams | UniformModelParams,
    inputs: dict[str, Path],
    out: Path,
    shard: Shard | None,
) -> None:
    """Sample a run into a folder, or one shard of it into a file; `inputs` are "checkpoint" and "classifier"."""
    settle(run.threads)
    network = load_network(inputs["checkpoint"], model)
    guide = load_network(inputs["classifier"], classifier)
    assert network is not None
    part = shard or WHOLE
    blocks = blocks_of(part, run.num_samples, run.micro_batch)
    size = model.network.image_size
    images, labels = [np.empty((0, size, size, 3), np.uint8)], [np.empty(0, np.int64)]
    num_classes = model.network.num_classes or (
        classifier.network.num_classes if isinstance(classifier, ClassifierModelParams) else 1
    )
    finished = sample_blocks(run, model, network, guide, num_classes, blocks)
    for block in tqdm(finished, total=len(blocks), unit="block", disable=None):
        images.append(block.images)
        labels.append(block.labels)
    # The run's last block is computed whole, as every block is, and cut here.
    count = len(samples_of(part, run.num_samples, run.micro_batch))
    batch = np.concatenate(images)[:count], np.concatenate(labels)[:count]
    if shard is None:
        write_batch(out, run, inputs, *batch)
    else:
        write_shard(out, *batch)
