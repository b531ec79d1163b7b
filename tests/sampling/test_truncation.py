"""The truncation trick: the latents' distribution, labels from some classes, image i a function of seed i."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from adm.nets.gan import Generator
from adm.params.models import GanParams
from adm.params.runs import GanRunParams
from adm.sampling.truncation import sample_blocks, truncated_normal

GAN = {"dataset": "d", "latent": 6, "channels": 8, "iterations": 1, "batch_size": 4}
RUN = {"gan": "g", "truncation": 1.0, "num_samples": 12, "micro_batch": 4, "seed": 5, "threads": 1, "reference": "any"}
NUM_CLASSES = 10


class Recorded(torch.nn.Module):
    """A generator that returns black images and remembers its latents."""

    latent = 50

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, z, y):
        self.seen.append(z)
        return torch.full((len(z), 3, 4, 4), -1.0)


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Generator(GanParams.model_validate(GAN), 8, NUM_CLASSES)


def sampled(network, classes=range(NUM_CLASSES), **changes):
    """Images and labels of a run, with whatever its last block has beyond the run's end."""
    run = GanRunParams.model_validate(RUN | changes)
    parts = list(sample_blocks(run, network, classes))
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


@pytest.mark.parametrize("truncation", [0.1, 0.5, 1.0])
def test_latents_follow_the_truncated_normal(truncation):
    network = Recorded()
    sampled(network, truncation=truncation, num_samples=200, micro_batch=50)
    z = torch.cat(network.seen)
    assert z.shape == (200, 50)
    assert z.dtype == torch.float32
    assert z.abs().max() <= np.float32(2 * truncation)
    assert stats.kstest(z.flatten().numpy() / truncation, stats.truncnorm(-2, 2).cdf).pvalue > 0.01
    # Neighbouring seeds and neighbouring dimensions are independent.
    for axis in (0, 1):
        near, far = (z.narrow(axis, start, z.shape[axis] - 1).flatten().numpy() for start in (0, 1))
        assert stats.pearsonr(near, far).pvalue > 0.01


def test_every_uniform_number_becomes_a_finite_latent_in_its_place():
    uniform = torch.cat([torch.linspace(0, 1, 1001, dtype=torch.float64), torch.tensor([1 - 2**-53])])
    z = truncated_normal(uniform, 1.0)
    expected = stats.truncnorm(-2, 2).ppf(uniform.numpy())
    np.testing.assert_allclose(z.numpy(), expected, atol=1e-6)
    assert (z[0], z[1000]) == (-2.0, 2.0)


@pytest.mark.parametrize("classes", [[3], [1, 4, 9]])
def test_labels_are_drawn_from_the_classes_evenly(classes):
    _, labels = sampled(Recorded(), classes, num_samples=600, micro_batch=100)
    found, counts = np.unique(labels, return_counts=True)
    assert found.tolist() == classes
    # Four standard deviations of a binomial count.
    share = 1 / len(classes)
    assert np.abs(counts - 600 * share).max() <= 4 * np.sqrt(600 * share * (1 - share))


def test_a_smaller_truncation_shrinks_the_very_same_latents():
    wide, narrow = Recorded(), Recorded()
    _, labels = sampled(wide)
    _, labels_of_narrow = sampled(narrow, truncation=0.25)
    torch.testing.assert_close(torch.cat(narrow.seen), torch.cat(wide.seen) / 4)
    assert np.array_equal(labels, labels_of_narrow)


def test_the_same_seeds_give_the_same_bytes_wherever_a_run_begins(network):
    images, labels = sampled(network)
    torch.manual_seed(123)
    again, labels_again = sampled(network)
    assert images.tobytes() == again.tobytes()
    assert labels.tobytes() == labels_again.tobytes()
    assert len(np.unique(images.reshape(12, -1), axis=0)) == 12
    late, late_labels = sampled(network, seed=RUN["seed"] + 4, num_samples=8)
    assert np.array_equal(late, images[4:])
    assert np.array_equal(late_labels, labels[4:])


def test_an_image_does_not_depend_on_its_block(network):
    images, labels = sampled(network)
    for micro_batch in (1, 5, 12):
        others, other_labels = sampled(network, micro_batch=micro_batch)
        assert np.array_equal(other_labels[:12], labels)
        # Kernels round differently at another batch size, and a pixel is cut to an integer.
        assert np.abs(others[:12].astype(int) - images).max() <= 1


@pytest.mark.parametrize(
    "wrong", [{"truncation": 0.0}, {"truncation": 1.5}, {"classes": []}, {"classes": [1, 1]}, {"classes": [-1]}]
)
def test_impossible_runs_are_refused(wrong):
    with pytest.raises(ValidationError):
        GanRunParams.model_validate(RUN | wrong)
