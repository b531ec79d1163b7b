"""Each kind of model learns, and sees what it must see."""

from statistics import median

import pytest
import torch
import torch.nn.functional as F

from adm.nets.forward import Forward
from adm.training.tasks import build_task


def first_and_last(reports, name, count=15):
    values = [report.values[name] for report in reports]
    # Medians, because L_vlb of a single batch can be many times that of the others.
    return median(values[:count]), median(values[-count:])


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["hybrid", "simple", "vlb"])
def test_a_diffusion_model_learns(new_run, tiny_model, objective):
    variance = "beta" if objective == "simple" else "learned_range"
    run = new_run(tiny_model(objective=objective, variance=variance, learning_rate=3e-3))
    first, last = first_and_last(run.to(60), "vlb" if objective == "vlb" else "mse")
    assert last < (0.9 if objective == "vlb" else 0.6) * first


def test_an_upsampler_learns(new_run, tiny_model):
    first, last = first_and_last(new_run(tiny_model("upsampler", learning_rate=3e-3)).to(60), "mse")
    assert last < 0.6 * first


def test_a_classifier_learns(new_run, tiny_model):
    reports = new_run(tiny_model("classifier", timesteps=50, learning_rate=1e-3)).to(60)
    first, last = first_and_last(reports, "loss")
    assert last < 0.7 * first
    assert first_and_last(reports, "accuracy")[1] > 0.75


class Spy(torch.nn.Module):
    """A network that returns zeros, and remembers what it was called with."""

    def __init__(self, channels, num_classes):
        super().__init__()
        self.channels = torch.nn.Parameter(torch.zeros(channels, 1, 1))
        self.class_embedding = None if num_classes is None else torch.nn.Embedding(num_classes, 4)

    def forward(self, x, t, torso, **conditions):
        self.conditions = conditions
        return self.channels.expand(len(x), -1, *x.shape[2:])


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    x_0 = torch.rand(6, 3, 8, 8, generator=generator) * 2 - 1
    return x_0, torch.arange(6) % 2, torch.arange(6), torch.randn(x_0.shape, generator=generator)


@pytest.mark.parametrize("num_classes", [None, 2])
def test_the_class_is_shown_to_a_conditional_model_alone(tiny_model, batch, num_classes):
    x_0, y, t, eps = batch
    spy = Spy(6, num_classes)
    build_task(tiny_model(num_classes=num_classes)).losses(Forward(spy), x_0, y, t, eps)
    assert spy.conditions == {} if num_classes is None else torch.equal(spy.conditions["y"], y)


def test_an_upsampler_sees_the_mean_of_each_block_of_pixels(tiny_model, batch):
    x_0, y, t, eps = batch
    spy = Spy(6, 2)
    build_task(tiny_model("upsampler")).losses(Forward(spy), x_0, y, t, eps)
    means = x_0.view(6, 3, 4, 2, 4, 2).mean((3, 5))
    torch.testing.assert_close(spy.conditions["low_resolution"], means)


def test_noise_of_a_smaller_image_has_any_deviation_up_to_the_given_one_and_the_loss_is_of_the_same_image(tiny_model):
    x_0, y, t = torch.zeros(400, 3, 8, 8), torch.zeros(400).long(), torch.zeros(400).long()
    upsampler, seen, losses = tiny_model("upsampler"), [], []
    for most in (0.0, 0.3, 0.3, 9.0):
        torch.manual_seed(0)
        spy = Spy(6, 2)
        task = build_task(upsampler.model_copy(update={"noise_augmentation": most}))
        losses.append(task.losses(Forward(spy), x_0, y, t, torch.ones_like(x_0))["loss"])
        seen.append(spy.conditions["low_resolution"])
    none, some, again, much = seen
    assert not none.any()
    assert torch.equal(some, again)
    deviations = some.flatten(1).std(dim=1)
    assert torch.quantile(deviations, torch.tensor([0.1, 0.5, 0.9])) == pytest.approx([0.03, 0.15, 0.27], abs=0.04)
    assert some.mean() == pytest.approx(0, abs=0.01)
    assert much.abs().max() == 1
    assert all(torch.equal(loss, losses[0]) for loss in losses)


def test_a_classifier_sees_the_noised_image_and_its_loss_is_the_cross_entropy(tiny_model, batch):
    x_0, y, t, eps = batch
    logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(1))
    task = build_task(tiny_model("classifier"))
    seen = []

    def network(*arguments):
        seen.append(arguments)
        return logits

    values = task.losses(network, x_0, y, t, eps)
    ((x_t, seen_t),) = seen
    alpha_bar = torch.from_numpy(task.diffusion.alpha_bar)[t].view(-1, 1, 1, 1).float()
    torch.testing.assert_close(x_t, alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * eps)
    assert torch.equal(seen_t, t)
    torch.testing.assert_close(values["loss"], -F.one_hot(y).mul(logits.log_softmax(1)).sum(1))
    assert values["accuracy"].tolist() == [float(row[k] == row.max()) for row, k in zip(logits, y, strict=True)]
