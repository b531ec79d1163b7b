"""The GAN's networks: shapes at every side, conditioning, and the bound on the discriminator's weights."""

import pytest
import torch
from torch import nn

from adm.nets.gan import Discriminator, Generator
from adm.params.models import GanParams

NUM_CLASSES = 3


@pytest.fixture
def gan():
    section = {"dataset": "d", "latent": 6, "channels": 8, "iterations": 1, "batch_size": 4}
    rates = {"generator_rate": 1e-3, "discriminator_rate": 1e-3, "ema_rate": 0.9}
    return GanParams.model_validate(section | rates | {"seed": 0, "threads": 1})


@pytest.fixture
def drawn():
    draws = torch.Generator().manual_seed(0)
    return torch.randn(5, 6, generator=draws), torch.tensor([0, 1, 2, 0, 1])


def seeded(network, *args):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network(*args)


@pytest.mark.parametrize("size", [4, 7, 8, 12, 16, 28, 32])
def test_the_discriminator_judges_what_the_generator_makes(gan, drawn, size):
    z, y = drawn
    images = seeded(Generator, gan, size, NUM_CLASSES)(z, y)
    assert images.shape == (5, 3, size, size)
    assert images.abs().max() <= 1
    assert seeded(Discriminator, gan, size, NUM_CLASSES)(images, y).shape == (5,)


@pytest.mark.parametrize("kind", [Generator, Discriminator])
def test_classes_make_a_difference_to_both_networks(gan, drawn, kind):
    network = seeded(kind, gan, 8, NUM_CLASSES)
    seen = drawn[0] if kind is Generator else torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    outputs = [network(seen, torch.full((5,), label)) for label in range(NUM_CLASSES)]
    for i in range(NUM_CLASSES):
        for j in range(i):
            assert (outputs[i] - outputs[j]).abs().reshape(5, -1).amax(dim=1).min() > 1e-4


def test_a_weight_of_the_discriminator_is_the_same_direction_at_unit_spectral_norm(gan, drawn):
    network = seeded(Discriminator, gan, 8, NUM_CLASSES)
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for _ in range(200):  # each pass is one step of the power iterations
            network(images, drawn[1])
    network.eval()
    weighty = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert len(weighty) == 3 * 3 + 2
    for module in weighty:
        largest = torch.linalg.matrix_norm(module.weight.flatten(1), ord=2)
        torch.testing.assert_close(largest, torch.tensor(1.0), atol=0.02, rtol=0.0)
