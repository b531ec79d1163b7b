"""Sampling runs in miniature."""

from dataclasses import dataclass

import numpy as np
import pytest

from adm.params.runs import RunParams
from adm.sampling.blocks import WHOLE, Shard, blocks_of, samples_of
from adm.sampling.guided import sample_blocks

RUN = {
    "sweep": "any",
    "checkpoint": "model-0",
    "classifier": "classifier-0",
    "gradient_scale": 0.0,
    "sampler": "ddpm",
    "steps": "3",
    "num_samples": 11,
    "micro_batch": 2,
    "seed": 5,
    "threads": 1,
    "extractor": "any",
    "reference": "any",
}


@dataclass(frozen=True, eq=False)
class Sampled:
    """Images (N, 8, 8, 3) uint8 and labels (N,)."""

    images: np.ndarray
    labels: np.ndarray

    def same(self, other):
        return np.array_equal(self.images, other.images) and np.array_equal(self.labels, other.labels)

    def __getitem__(self, rows):
        return Sampled(self.images[rows], self.labels[rows])

    def distance(self, other):
        return np.abs(self.images.astype(int) - other.images).mean()


@pytest.fixture
def sampled(tiny_model, randomised):
    """Sample a run, or a shard of it: `sampled("1-of-2", sampler="ddim", eta=0.5)`."""
    model, classifier_model = tiny_model(), tiny_model("classifier")
    network = randomised(model, seed=1).eval().requires_grad_(False)
    classifier = randomised(classifier_model, seed=2).eval().requires_grad_(False)

    def run(shard=None, guided=True, **changes):
        params = RunParams.model_validate(RUN | changes)
        part = WHOLE if shard is None else Shard.parse(shard)
        blocks = blocks_of(part, params.num_samples, params.micro_batch)
        made = list(sample_blocks(params, model, network, classifier if guided else None, 2, blocks))
        count = len(samples_of(part, params.num_samples, params.micro_batch))
        images = np.concatenate([np.empty((0, 8, 8, 3), np.uint8), *(block.images for block in made)])
        return Sampled(
            images[:count], np.concatenate([np.empty(0, np.int64), *(block.labels for block in made)])[:count]
        )

    return run
