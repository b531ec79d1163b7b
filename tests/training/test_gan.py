"""Training of the GAN: it learns a toy, ends in the same bytes each time, and reports what breaks it."""

import numpy as np
import pytest
import torch
from making import make

from adm.artifacts.manifest import read_manifest, sha256
from adm.data.batches import Batches
from adm.params.data import DatasetParams
from adm.params.models import GanParams
from adm.params.runs import GanRunParams
from adm.sampling.batch import SAMPLES, read_batch
from adm.stages import sample_gan, train_gan
from adm.training.gan import initial_networks
from adm.training.gan import train_gan as steps_of

GAN = {"dataset": "tiny", "latent": 4, "channels": 8, "iterations": 4, "batch_size": 12, "seed": 3, "threads": 1}
GAN |= {"generator_rate": 2e-3, "discriminator_rate": 2e-3, "ema_rate": 0.9}
RUN = {"gan": "tiny", "truncation": 0.5, "num_samples": 10, "micro_batch": 4, "seed": 1, "threads": 1}
RUN |= {"reference": "any"}
DATASET = DatasetParams(source="digits", image_size=8, num_classes=2, shard_size=10)


@pytest.fixture
def trained(dataset):
    """Train on the tiny dataset: `trained(seed=5)` gives the networks."""

    def train(**changes):
        gan = GanParams.model_validate(GAN | changes)
        networks = initial_networks(gan, 8, 2)
        list(steps_of(gan, networks, 2, Batches(dataset, 8, gan.batch_size, "centre", False, gan.seed)))
        return networks

    return train


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_it_learns_which_class_is_dark_and_which_is_bright(dataset, trained):
    networks = trained(iterations=60, generator_rate=5e-3, discriminator_rate=5e-3)
    z = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    for label in (0, 1):
        real = dataset[np.flatnonzero(dataset.labels == label)].mean()
        made = (networks.averaged(z, torch.full((32,), label)).mean() + 1) * 127.5
        assert abs(real - made) < 15, (label, real, made)


def test_training_is_a_function_of_its_seed_whatever_the_global_generator(trained):
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    one = trained()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(99)
    other = trained()
    assert same(one.averaged, other.averaged)
    assert same(one.discriminator, other.discriminator)
    assert not same(one.averaged, trained(seed=4).averaged)


def test_the_average_follows_the_generator(trained):
    direct = trained(ema_rate=0.0)
    assert same(direct.averaged, direct.generator)
    slow = trained(ema_rate=0.9)
    # The average takes no part in training.
    assert same(slow.generator, direct.generator)
    start = initial_networks(GanParams.model_validate(GAN), 8, 2).generator
    for average, first, last in zip(
        slow.averaged.parameters(), start.parameters(), slow.generator.parameters(), strict=True
    ):
        assert (average - first).norm() <= (last - first).norm() * 1.01


def test_more_discriminator_steps_see_more_of_the_data(dataset):
    class Counted(Batches):
        def at(self, step):
            seen.append(step)
            return super().at(step)

    seen = []
    gan = GanParams.model_validate(GAN | {"discriminator_steps": 3})
    batches = Counted(dataset, 8, gan.batch_size, "centre", False, gan.seed)
    assert len(list(steps_of(gan, initial_networks(gan, 8, 2), 2, batches))) == 4
    assert seen == list(range(12))


def test_stages_train_and_sample_the_same_bytes_each_time(data, tmp_path):
    gan, run = GanParams.model_validate(GAN), GanRunParams.model_validate(RUN)
    for name in ("one", "two"):
        make(train_gan, gan, DATASET, data, tmp_path / name / "gan", tmp_path / name / "work", every=2)
        make(sample_gan, run, gan, DATASET, {"gan": tmp_path / name / "gan"}, tmp_path / name / "samples")
    for part in ("gan/generator.safetensors", "gan/manifest.json", f"samples/{SAMPLES}", "samples/manifest.json"):
        assert sha256(tmp_path / "one" / part) == sha256(tmp_path / "two" / part)
    assert read_manifest(tmp_path / "one" / "gan", "train_gan").facts == {"iterations": 4}
    images, labels = read_batch(tmp_path / "one" / "samples")
    assert images.shape == (10, 8, 8, 3)
    assert labels.shape == (10,)


def test_a_gan_of_a_grey_dataset_makes_grey_images(data, tmp_path):
    gan, grey = GanParams.model_validate(GAN), DATASET.model_copy(update={"channels": 1})
    make(train_gan, gan, grey, data, tmp_path / "gan", tmp_path / "work", every=2)
    make(sample_gan, GanRunParams.model_validate(RUN), gan, grey, {"gan": tmp_path / "gan"}, tmp_path / "samples")
    images, _ = read_batch(tmp_path / "samples")
    assert images.shape == (10, 8, 8, 3)
    assert np.array_equal(images, images[..., [0, 0, 0]])
