"""Weights for a network of other classes or colours: it computes what the source does, where both see the same."""

import itertools

import pytest
import torch

from adm.nets.forward import Forward
from adm.nets.weights import build, model_network, transferred


@pytest.fixture
def tuned(tiny_model, randomised):
    """A network of a source's weights, beside the source: `tuned({"num_classes": 3}, {"num_classes": 2})`."""

    def made(source, own, keep_classes=False):
        its, model = (tiny_model(**changes) for changes in (source, own))
        network, weights = build(model), randomised(its).state_dict()
        network.load_state_dict(transferred(weights, model_network(model).state_dict(), keep_classes))
        return Forward.frozen(network.eval()), Forward.frozen(randomised(its).eval())

    return made


@pytest.fixture
def seen():
    draws = torch.Generator().manual_seed(1)
    return torch.randn(4, 1, 8, 8, generator=draws), torch.tensor([0, 10, 30, 49])


def test_each_class_begins_amid_those_of_the_source(tuned, seen):
    x, t = seen[0].repeat(1, 3, 1, 1), seen[1]
    amid = torch.full((4, 5), 0.2)
    labels = [torch.full((4,), label) for label in range(3)]
    for own, given in (({"num_classes": 3}, labels), ({"num_classes": 5}, labels), ({"num_classes": None}, [None])):
        network, source = tuned({"num_classes": 5}, own)
        for y in given:
            torch.testing.assert_close(network.conditioned(y)(x, t), source.conditioned(amid)(x, t))


def test_each_class_begins_as_a_source_that_has_none(tuned, seen):
    x, t = seen[0].repeat(1, 3, 1, 1), seen[1]
    network, source = tuned({"num_classes": None}, {"num_classes": 3})
    assert torch.equal(network(x, t, y=torch.tensor([0, 1, 2, 0])), source(x, t))


@pytest.mark.parametrize("variance", [{}, {"variance": "beta", "objective": "simple"}])
def test_a_grey_image_is_three_equal_channels(tuned, seen, variance):
    x, t = seen
    for own, its in itertools.permutations((1, 3)):
        network, source = tuned({"image_channels": its} | variance, {"image_channels": own} | variance, True)
        y = torch.tensor([0, 1, 1, 0])
        found, wanted = network(x.repeat(1, own, 1, 1), t, y=y), source(x.repeat(1, its, 1, 1), t, y=y)
        # The prediction, and the variance where it is learned, each of as many channels as images have.
        found, wanted = (of.unflatten(1, (-1, channels)) for of, channels in ((found, own), (wanted, its)))
        torch.testing.assert_close(found, wanted.mean(dim=2, keepdim=True).expand_as(found))
