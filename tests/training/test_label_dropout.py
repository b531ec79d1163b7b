"""Label dropout: how often, for whom, and that nothing else moves."""

import pytest
import torch

from adm.data.batches import Batches
from adm.nets.unet import NO_CLASS
from adm.parallel import CPU
from adm.training.inputs import dropped_labels, inputs


def test_labels_are_dropped_at_the_rate_that_was_asked_for():
    y = torch.arange(20_000) % 10
    dropped = dropped_labels(y, 0.3, seed=7, step=4, rows=range(20_000))
    share = float((dropped == NO_CLASS).double().mean())
    assert share == pytest.approx(0.3, abs=5 * (0.3 * 0.7 / 20_000) ** 0.5)
    assert torch.equal(dropped[dropped != NO_CLASS], y[dropped != NO_CLASS])
    assert torch.equal(dropped_labels(y, 0.0, 7, 4, range(20_000)), y)


@pytest.mark.parametrize("parts", [2, 5])
def test_processes_drop_the_labels_that_one_would(parts):
    y, share = torch.arange(40) % 10, 40 // parts
    whole = dropped_labels(y, 0.5, 7, 4, range(40))
    pieces = [dropped_labels(y[s : s + share], 0.5, 7, 4, range(s, s + share)) for s in range(0, 40, share)]
    assert torch.equal(torch.cat(pieces), whole)
    assert 0 < int((whole == NO_CLASS).sum()) < 40


def test_who_is_dropped_differs_by_seed_and_step_and_the_global_generator_is_left_alone():
    state = torch.random.get_rng_state()
    y = torch.zeros(64, dtype=torch.int64)
    found = {tuple(dropped_labels(y, 0.5, seed, step, range(64)).tolist()) for seed, step in ((7, 4), (7, 5), (8, 4))}
    assert len(found) == 3
    assert torch.equal(torch.random.get_rng_state(), state)


def test_images_and_noise_are_the_same_with_and_without(dataset):
    batches = Batches(dataset, 8, 10, "centre", True, seed=4)
    plain, dropping = (list(inputs(batches, range(3), range(2, 9), CPU, 4, 1000, rate)) for rate in (0.0, 0.5))
    changed = False
    for (images, labels, noise), (same, some, same_noise) in zip(plain, dropping, strict=True):
        assert torch.equal(images, same)
        assert all(map(torch.equal, noise, same_noise))
        assert ((some == labels) | (some == NO_CLASS)).all()
        assert (labels != NO_CLASS).all()
        changed |= not torch.equal(labels, some)
    assert changed


def test_images_without_a_class_teach_no_class(new_run, tiny_model, randomised):
    model = tiny_model()
    run = new_run(model, randomised(model))
    x_0, y = run.batches.at(0)
    t = torch.arange(len(y))

    def gradient(labels):
        run.state.network.zero_grad()
        run.state.network(x_0, t, labels).square().sum().backward()
        return run.state.network.class_embedding.weight.grad.clone()

    assert not gradient(torch.full_like(y, NO_CLASS)).any()
    dropped = torch.where(y == 1, NO_CLASS, y)
    assert not gradient(dropped)[1].any()
    assert gradient(dropped)[0].any()
