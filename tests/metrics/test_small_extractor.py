from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adm.metrics.graph import load_tensorflow
from adm.metrics.small_extractor import ExtractorNetwork, legacy_resize_bilinear
from adm.training.extractor import split


@pytest.mark.parametrize(
    ("size", "side"),
    [
        ((8, 8), 16),
        ((8, 8), 8),
        ((32, 32), 16),
        ((64, 64), 299),
        ((299, 299), 64),
        ((512, 512), 299),
        ((28, 17), 12),
        ((1, 3), 4),
    ],
)
def test_resize_equals_tensorflow(size, side):
    tf = load_tensorflow().compat.v1
    images = np.random.default_rng(0).uniform(0, 255, (2, *size, 3)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        expected = session.run(tf.image.resize_bilinear(images, [side, side]))
    got = legacy_resize_bilinear(torch.from_numpy(images), side).numpy()
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5)


def test_weights_come_from_the_generator_alone():
    state = torch.random.get_rng_state()
    first, again = (ExtractorNetwork(3, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    other = ExtractorNetwork(3, generator=torch.Generator().manual_seed(6))
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(first.logits.weight, other.logits.weight)
    assert torch.equal(state, torch.random.get_rng_state())


def test_an_extractor_is_judged_by_images_that_it_does_not_learn_from():
    trained, held_out = split(SimpleNamespace(seed=3, held_out=0.2), 103)
    assert sorted([*trained, *held_out]) == list(range(103))
    assert len(held_out) == 21
