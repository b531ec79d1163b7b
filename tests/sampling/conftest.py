"""Sampling runs in miniature."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from adm.params.runs import RunParams, UpsampledRunParams
from adm.sampling.guided import Samples, block_sampler, block_trajectories

SAMPLING = {
    "checkpoint": "model-0",
    "sampler": "ddpm",
    "steps": "3",
    "num_samples": 11,
    "micro_batch": 2,
    "seed": 5,
    "threads": 1,
    "reference": "any",
}
RUN = SAMPLING | {"num_samples": 5, "classifier": "classifier-0", "gradient_scale": 0.0}


@dataclass(frozen=True, eq=False)
class Sampled:
    """Images (N, H, W, 3) uint8 and labels (N,)."""

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
    """Sample a run: `sampled(sampler="ddim", eta=0.5)`; `channels=1` has grey networks.

    `weaker` is the seed of the network that guides. `calls` gets the batch sizes that each network was called with.
    """

    @cache
    def networks(channels):
        models = tiny_model(image_channels=channels), tiny_model("classifier", image_channels=channels)
        network, classifier = (
            randomised(model, seed=seed).eval().requires_grad_(False) for seed, model in enumerate(models, start=1)
        )
        return models[0], network, classifier

    def run(guided=True, channels=3, weaker=None, calls=None, **changes):
        model, network, classifier = networks(channels)
        other = None if weaker is None else randomised(model, seed=weaker).eval().requires_grad_(False)
        called = {} if calls is None else {"network": network, "classifier": classifier, "weaker": other}
        hooks = [counting(calls.setdefault(key, []), one) for key, one in called.items() if one is not None]
        params = RunParams.model_validate(RUN | changes)
        sampler = block_sampler(
            block_trajectories(params, model, network, classifier if guided else None, 2, guide=other)
        )
        found = joined(map(sampler, params.blocks), params.num_samples)
        for hook in hooks:
            hook.remove()
        return found

    return run


def counting(sizes, network):
    return network.register_forward_pre_hook(lambda _, arguments: sizes.append(len(arguments[0])))


@pytest.fixture
def upsampled(tiny_model, randomised):
    """Upsample a batch: `upsampled(base, sampler="ddim")`.

    `whole` keeps what the run's last block holds beyond its end; `num_classes=None` makes the upsampler unconditional.
    """

    def run(base, whole=False, num_classes=2, **changes):
        model = tiny_model("upsampler", num_classes=num_classes)
        network = randomised(model, seed=3).eval().requires_grad_(False)
        params = UpsampledRunParams.model_validate(SAMPLING | {"base": "base"} | changes)
        sampler = block_sampler(block_trajectories(params, model, network, None, 2, Samples(base.images, base.labels)))
        return joined(map(sampler, params.blocks), None if whole else params.num_samples)

    return run


@pytest.fixture
def base():
    """A batch of 11 images of 4x4 pixels in two classes."""
    rng = np.random.default_rng(0)
    return Sampled(rng.integers(0, 256, (11, 4, 4, 3)).astype(np.uint8), rng.integers(0, 2, 11))


def joined(blocks, count):
    images, labels = zip(*blocks, strict=True)
    return Sampled(np.concatenate(images)[:count], np.concatenate(labels)[:count])
