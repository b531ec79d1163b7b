"""Bits per dimension: each image's own, whatever is measured beside it, and the entropy of data that is known."""

import math

import numpy as np
import pytest
import torch
from making import make, refusal_of, write_dataset
from torch import nn

from adm.data.batches import to_unit_range
from adm.data.shards import ImageShards
from adm.diffusion.losses import prior_bits
from adm.diffusion.process import Diffusion
from adm.params.runs import LikelihoodParams
from adm.sampling.likelihood import measure, noise_of
from adm.sampling.studies import Likelihood, read_study
from adm.stages import init, likelihood

STUDY = {"checkpoint": "model-0", "dataset": "any", "num_images": 7, "micro_batch": 3, "seed": 5, "threads": 1}
T = 50
ALL = np.arange(40)


def section(**changes):
    return LikelihoodParams.model_validate(STUDY | changes)


@pytest.fixture
def measured(tiny_model, randomised, dataset):
    """Measure images of the tiny dataset under a random network: `measured([0, 3], micro_batch=1)`."""

    def run(indices, **changes):
        model = tiny_model()
        network = randomised(model).eval().requires_grad_(False)
        return measure(section(**changes), model, network, dataset, np.array(indices))

    return run


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_blocks_change_a_likelihood_by_rounding_alone(measured):
    whole = measured(range(7), micro_batch=7, steps="10")
    for size in (1, 3):
        found = measured(range(7), micro_batch=size, steps="10")
        for name in ("bits", "prior", "vlb"):
            close(getattr(found, name), getattr(whole, name))


def test_bits_are_the_terms_and_the_prior(measured, dataset):
    found = measured([2, 3, 9])
    assert found.timesteps.tolist() == list(range(T))
    assert found.bits.mean() == pytest.approx(found.vlb.sum() + found.prior.mean(), rel=1e-12)
    diffusion = Diffusion.from_schedule("cosine", T)
    x_0 = to_unit_range(dataset[np.array([2, 3, 9])]).double()
    np.testing.assert_allclose(found.prior, prior_bits(diffusion, x_0))
    assert found.standard_error == pytest.approx(np.std(found.bits, ddof=1) / math.sqrt(3))


def test_a_network_is_given_each_images_own_label(tiny_model, randomised, dataset):
    given = []
    indices = np.array([3, 4, 8, 11])
    for model in (tiny_model(), tiny_model(num_classes=None)):
        network = randomised(model).eval().requires_grad_(False)
        network.register_forward_pre_hook(lambda _, __, named: given.append(named.get("y")), with_kwargs=True)
        found = measure(section(steps="3", micro_batch=3), model, network, dataset, indices)
        assert found.labels.tolist() == dataset.labels[indices].tolist() == [1, 0, 0, 1]
    assert [None if y is None else y.tolist() for y in given] == [*[[1, 0, 0]] * 3, *[[1]] * 3, *[None] * 6]


def test_the_noise_of_an_image_is_a_function_of_the_seed_and_its_index():
    together, alone = noise_of(3, np.array([7, 2, 9]), torch.Size((3, 4, 4))), noise_of(3, np.array([2]), (3, 4, 4))
    for _ in range(3):
        assert torch.equal(next(together)[1:2], next(alone))
    assert not torch.equal(next(noise_of(4, np.array([2]), (3, 4, 4))), next(noise_of(3, np.array([2]), (3, 4, 4))))


S, M = 0.12, 0.1


class ExactNetwork(nn.Module):
    """The denoiser of independent N(M, S^2) pixels, with the variance of x_{t-1} | x_t, or `width` times that."""

    def __init__(self, diffusion, width):
        super().__init__()
        self.alpha_bar, self.betas, self.width = diffusion.alpha_bar, diffusion.betas, width

    def forward(self, x_t, t, torso):
        step = int(t[0])
        now, before, beta = self.alpha_bar[step], self.alpha_bar[step - 1] if step else 1.0, self.betas[step]
        eps = math.sqrt(1 - now) * (x_t - math.sqrt(now) * M) / (now * S**2 + 1 - now)
        variance = self.width / (1 / (before * S**2 + 1 - before) + (1 - beta) / beta)
        first = max(step, 1)
        tilde = self.betas[first] * (1 - self.alpha_bar[first - 1]) / (1 - self.alpha_bar[first])
        v = (math.log(variance) - math.log(tilde)) / (math.log(beta) - math.log(tilde))
        return torch.cat([eps, torch.full_like(eps, 2 * v - 1)], dim=1)


@pytest.mark.parametrize(("channels", "width"), [(3, 1.0), (1, 1.0), (3, 0.8), (3, 1.25)])
def test_bits_of_the_exact_model_are_the_entropy_of_the_data_and_those_of_a_worse_one_more(
    tiny_model, tmp_path, channels, width
):
    rng = np.random.default_rng(0)
    levels = np.clip(np.rint((rng.normal(M, S, (40, 16, 16, channels)) + 1) * 127.5), 0, 255).astype(np.uint8)
    # Had all three channels of a grey image been counted, its bits would be a third.
    images = levels.repeat(3 // channels, axis=-1)
    data = ImageShards(write_dataset(tmp_path / "data", images))
    model = tiny_model(num_classes=None, timesteps=200, schedule="linear", image_channels=channels)
    network = ExactNetwork(Diffusion.from_schedule("linear", 200), width)
    found = measure(section(micro_batch=40), model, network, data, ALL)
    # Of a density that hardly changes within a bin: its differential entropy, less that of a bin's width 2/255.
    entropy = 0.5 * math.log2(2 * math.pi * math.e * S**2) - math.log2(2 / 255)
    excess, chance = found.bits.mean() - entropy, 4 * found.standard_error + 0.005
    assert found.standard_error < 0.02 * (3 / channels)
    assert (abs(excess) < chance) if width == 1 else (excess > chance)


@pytest.fixture
def checkpoint(tmp_path, tiny_model, randomised, monkeypatch):
    monkeypatch.setattr(init, "initial", randomised)
    make(init, tiny_model(), tmp_path / "model-0")
    return tmp_path / "model-0"


@pytest.mark.parametrize("changes", [{}, {"steps": "7", "precision": "bfloat16"}])
def test_the_stage_writes_what_it_measured_to_the_same_bytes(checkpoint, data, tmp_path, tiny_model, changes):
    inputs = {"checkpoint": checkpoint, "data": data}
    for out in ("a", "b"):
        make(likelihood, section(**changes), tiny_model(), inputs, tmp_path / out)
    for name in ("likelihood.npz", "manifest.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    found = read_study(Likelihood, tmp_path / "a")
    assert len(set(found.indices.tolist())) == len(found.bits) == 7
    assert (np.diff(found.indices) > 0).all()
    assert found.labels.tolist() == ImageShards(data).labels[found.indices].tolist()
    assert len(found.timesteps) == int(changes.get("steps", T))


def test_more_images_hold_the_fewer(checkpoint, data, tmp_path, tiny_model):
    inputs = {"checkpoint": checkpoint, "data": data}
    found = []
    for count in (4, 24):
        study = section(num_images=count, steps="3")
        make(likelihood, study, tiny_model(), inputs, tmp_path / str(count))
        found.append(read_study(Likelihood, tmp_path / str(count)))
    assert found[1].indices.tolist() == list(range(24))
    close(found[0].bits, found[1].bits[found[0].indices])


def refusal(tmp_path, model, inputs, **changes):
    """The message that refuses a study, of which nothing is left."""
    message = refusal_of(make, likelihood, section(**changes), model, inputs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    return message


def test_inputs_that_do_not_fit_are_refused(checkpoint, data, dataset, tmp_path, tiny_model):
    model, inputs = tiny_model(), {"checkpoint": checkpoint, "data": data}
    assert "none: does not exist" in refusal(tmp_path, model, inputs | {"checkpoint": tmp_path / "none"})
    assert "none: does not exist" in refusal(tmp_path, model, inputs | {"data": tmp_path / "none"})
    assert ": has 24 images, but the study needs 25" in refusal(tmp_path, model, inputs, num_images=25)
    small = write_dataset(tmp_path / "small", dataset[:][:, ::2, ::2])
    assert "has shape (10, 4, 4, 3), not (any, 8, 8, 3)" in refusal(tmp_path, model, inputs | {"data": small})


def test_a_network_that_gives_no_number_is_refused(data, tmp_path, tiny_model, randomised, monkeypatch):
    def huge(model):
        network = randomised(model)
        with torch.no_grad():
            network.get_parameter([name for name, _ in network.named_parameters()][-1]).fill_(-1e30)
        return network

    monkeypatch.setattr(init, "initial", huge)
    make(init, tiny_model(), tmp_path / "huge-0")
    message = refusal(tmp_path, tiny_model(), {"checkpoint": tmp_path / "huge-0", "data": data})
    assert "its vlb hold NaN or infinity" in message


def test_held_out_images_are_measured_where_they_are_asked_for(checkpoint, tmp_path, tiny_model, dataset):
    write_dataset(tmp_path / "data", dataset[:10], held_out=dataset[10:])
    inputs = {"checkpoint": checkpoint, "data": tmp_path / "data"}
    whole = {"checkpoint": checkpoint, "data": write_dataset(tmp_path / "rest", dataset[10:])}
    study = section(part="held_out", num_images=14, steps="3")
    make(likelihood, study, tiny_model(), inputs, tmp_path / "unseen")
    expected = section(num_images=14, steps="3")
    make(likelihood, expected, tiny_model(), whole, tmp_path / "expected")
    unseen = read_study(Likelihood, tmp_path / "unseen")
    same = read_study(Likelihood, tmp_path / "expected")
    assert np.array_equal(unseen.bits, same.bits)
    refused = refusal(tmp_path, tiny_model(), inputs, num_images=11)
    assert "has 10 images, but the study needs 11" in refused
