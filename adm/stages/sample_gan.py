"""`sample_gan`: a run's batch of samples from a GAN, with truncation."""

from pathlib import Path

import numpy as np

from adm.artifacts.manifest import read_manifest, require_params
from adm.determinism import make_deterministic
from adm.nets.gan import WEIGHTS, Generator
from adm.nets.weights import load_weights
from adm.params.data import DatasetParams
from adm.params.models import GanParams
from adm.params.runs import GanRunParams
from adm.progress import progress
from adm.sampling.batch import write_batch
from adm.sampling.blocks import WHOLE, blocks_of
from adm.sampling.truncation import sample_blocks


def run(run: GanRunParams, gan: GanParams, dataset: DatasetParams, inputs: dict[str, Path], out: Path) -> None:
    """Sample a run into a folder; `inputs` is "gan", the generator.

    Raises:
        UserError: The artifact holds no generator, or another one than the params file describes.
    """
    make_deterministic(run.threads)
    folder = inputs["gan"]
    require_params(folder, read_manifest(folder, "train_gan").model_dump(), {"gan": gan})
    network = Generator(gan, dataset.side, dataset.num_classes, dataset.channels)
    load_weights(network, folder / WEIGHTS)
    network.eval().requires_grad_(False)
    classes = run.classes or range(dataset.num_classes)
    blocks = blocks_of(WHOLE, run.num_samples, run.micro_batch)
    finished = sample_blocks(run, network, classes, blocks)
    parts = list(progress(finished, len(blocks), "block"))
    # The run's last block is computed as a whole, like every block, and cut to size here.
    images, labels = (np.concatenate(arrays)[: run.num_samples] for arrays in zip(*parts, strict=True))
    write_batch(out, "sample_gan", run, inputs, images, labels)
