"""The training loop: resuming to the bit, the optimiser's arithmetic, and what happens to numbers that overflow."""

from dataclasses import dataclass

import pytest
import torch

from adm.config.models import check_shared
from adm.diffusion.process import Diffusion
from adm.errors import NotFiniteError, UserError
from adm.nets.forward import Forward
from adm.parallel import Group
from adm.training import loop
from adm.training.inputs import Noise
from adm.training.loop import Share

PRECISIONS = ["float32", "bfloat16", "float16"]


def snapshot(tensors):
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@dataclass(frozen=True)
class Penalty:
    """A task whose loss is a multiple of the sum of all parameters, so that every gradient is that number."""

    factor: float
    diffusion = Diffusion.from_schedule("cosine", 3)

    def losses(self, network, x_0, y, t, eps):
        total = sum(parameter.sum() for parameter in network.network.parameters())
        return {"loss": self.factor * total.expand(len(x_0))}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        *(
            ("diffusion", {"precision": precision, "label_dropout": 0.4, "ema_warmup": True})
            for precision in PRECISIONS
        ),
        ("diffusion", {"optimizer": "muon"}),
        ("classifier", {"crop": "random"}),
        ("upsampler", {}),
    ],
)
def test_a_resumed_run_ends_in_the_very_same_bytes(new_run, tiny_model, tmp_path, kind, changes):
    # Few images, since a processor takes its time over float16.
    model = tiny_model(kind, dropout=0.3, batch_size=4, **changes)
    straight, first = new_run(model), new_run(model)
    straight.to(5)
    first.to(3)
    first.files(tmp_path / "cut")
    torch.manual_seed(12345)  # a fresh process stands elsewhere
    resumed = new_run(model)
    resumed.state.load(tmp_path / "cut")
    assert [report.step for report in resumed.to(5)] == [4, 5]
    assert resumed.files(tmp_path / "resumed") == straight.files(tmp_path / "straight")


def test_seed_and_dropout_make_a_difference_but_the_global_generator_does_not(new_run, tiny_model, tmp_path):
    ends = []
    for number, (seed, dropout, world) in enumerate([(1, 0.3, 0), (1, 0.3, 99), (2, 0.3, 0), (1, 0.0, 0)]):
        run = new_run(tiny_model(seed=seed, dropout=dropout))
        torch.manual_seed(world)
        before = torch.random.get_rng_state()
        run.to(3)
        assert torch.equal(torch.random.get_rng_state(), before)
        ends.append(run.files(tmp_path / str(number))["network.safetensors"])
    assert ends[0] == ends[1]
    assert len(set(ends)) == 3


def test_dropout_masks_differ_from_step_to_step_and_between_parts_of_a_batch(new_run, tiny_model):
    # With the same images and noise throughout, only dropout can tell two losses apart.
    run = new_run(tiny_model(accumulation=2, batch_size=4))
    seen = []

    class Watcher(Penalty):
        def losses(self, network, x_0, y, t, eps):
            seen.append(torch.nn.functional.dropout(torch.ones(256), 0.5))
            return super().losses(network, x_0, y, t, eps)

    run.state.task = Watcher(1.0)
    run.to(2)
    assert len({tuple(mask.tolist()) for mask in seen}) == 4


@pytest.mark.parametrize("kind", ["diffusion", "classifier", "upsampler"])
def test_accumulated_micro_batches_make_the_same_gradient(new_run, tiny_model, randomised, kind):
    moments = []
    for accumulation in (1, 4):
        model = tiny_model(kind, accumulation=accumulation)
        run = new_run(model, randomised(model))
        (report,) = run.to(1)
        moments.append(({name: s.clone() for name, s in run.state._moments()}, report.values))
    (whole, values), (parts, other_values) = moments
    assert whole.keys() == parts.keys()
    scale = max(float(tensor.abs().max()) for name, tensor in whole.items() if name.startswith("exp_avg."))
    for name in whole:
        if name.startswith("exp_avg."):
            torch.testing.assert_close(parts[name], whole[name], rtol=1e-3, atol=1e-5 * scale)
    assert other_values == pytest.approx(values, rel=1e-4)


def test_first_moment_is_a_tenth_of_the_gradient_of_the_mean_loss(new_run, tiny_model, randomised):
    # The oracle is a plain backward pass over the batch that the report speaks of.
    model = tiny_model()
    run = new_run(model, randomised(model))
    x_0, y = run.batches.at(0)
    task, reference = run.state.task, randomised(model)
    drawn = []

    class Recording:
        diffusion = task.diffusion

        def losses(self, network, x_0, y, t, eps):
            drawn[:] = t, eps
            return task.losses(network, x_0, y, t, eps)

    run.state.task = Recording()
    (report,) = run.to(1)
    losses = task.losses(Forward(reference), x_0, y, *drawn)["loss"]
    losses.mean().backward()
    assert report.values["loss"] == pytest.approx(float(losses.detach().mean()), rel=1e-5)
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    norm = float(torch.stack([g.norm() for g in gradients.values()]).norm())
    assert report.values["gradient_norm"] == pytest.approx(norm, rel=1e-4)
    for name, moment in run.state._moments():
        if name.startswith("exp_avg."):
            torch.testing.assert_close(
                moment, 0.1 * gradients[name.removeprefix("exp_avg.")], rtol=1e-3, atol=1e-6 * norm
            )


def test_without_an_average_the_last_weights_are_kept(new_run, tiny_model):
    run = new_run(tiny_model(ema_rate=None, ema_warmup=True))
    run.to(3)
    weights = run.state.network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in run.state.ema.items())


def test_ema_warms_up_until_its_rate_is_reached(new_run, tiny_model):
    # (1 + i) / (10 + i): 0.1, 2/11, 0.25 and from then on the rate itself.
    run, plain = new_run(tiny_model(ema_rate=0.3, ema_warmup=True)), new_run(tiny_model(ema_rate=0.3))
    for step, rate in enumerate([0.1, 2 / 11, 0.25, 0.3, 0.3], start=1):
        before = snapshot(run.state.ema)
        run.to(step)
        weights = run.state.network.state_dict()
        for name, value in run.state.ema.items():
            torch.testing.assert_close(value, rate * before[name] + (1 - rate) * weights[name], rtol=1e-5, atol=1e-7)
    plain.to(5)
    assert all(torch.equal(weight, weights[name]) for name, weight in plain.state.network.state_dict().items())
    assert any(not torch.equal(plain.state.ema[name], run.state.ema[name]) for name in weights)


def test_learning_rate_falls_linearly_to_zero_and_stays_there(new_run, tiny_model):
    run = new_run(tiny_model(annealing=4, learning_rate=0.01, weight_decay=0.1))
    rates = [report.values["learning_rate"] for report in run.to(4)]
    assert rates == pytest.approx([0.01, 0.0075, 0.005, 0.0025])
    stopped = snapshot(run.state.network.state_dict())
    assert [report.values["learning_rate"] for report in run.to(6)] == [0, 0]
    assert all(torch.equal(stopped[name], weight) for name, weight in run.state.network.state_dict().items())
    constant = new_run(tiny_model(learning_rate=0.01))
    assert {report.values["learning_rate"] for report in constant.to(2)} == {0.01}


def test_weight_decay_is_decoupled_from_the_gradient(new_run, tiny_model):
    run = new_run(tiny_model(learning_rate=0.01, weight_decay=0.5))
    run.state.task = Penalty(0.0)
    before = snapshot(run.state.network.state_dict())
    run.to(2)
    for name, weight in run.state.network.state_dict().items():
        torch.testing.assert_close(weight, before[name] * (1 - 0.01 * 0.5) ** 2)


@pytest.mark.slow
def test_an_overflow_repeats_the_step_at_a_smaller_scale_and_moves_nothing_else(
    new_run, tiny_model, randomised, tmp_path
):
    # Few images, since a processor takes its time over float16.
    model = tiny_model(precision="float16", annealing=100, dropout=0.2, batch_size=2)
    # The last convolution, which is zero at first, is float32; the gradients before it would all be zero.
    too_high = new_run(model, randomised(model))
    too_high.state.scale.log2 = 26.0
    (report,) = too_high.to(1)
    settled = round(report.values["log2_loss_scale"])
    assert settled < 26
    assert report.step == too_high.state.step == 1
    assert report.values["learning_rate"] == model.training.learning_rate
    right = new_run(model, randomised(model))
    right.state.scale.log2 = float(settled)
    right.to(1)
    assert too_high.files(tmp_path / "too_high") == right.files(tmp_path / "right")


def test_the_loss_scale_grows_with_every_step_that_fits_and_is_one_in_other_precisions(new_run, tiny_model):
    run = new_run(tiny_model(precision="float16"))
    run.state.scale.log2 = 5.0
    assert [report.values["log2_loss_scale"] for report in run.to(3)] == pytest.approx([5.001, 5.002, 5.003])
    for precision in ("float32", "bfloat16"):
        assert [r.values["log2_loss_scale"] for r in new_run(tiny_model(precision=precision)).to(2)] == [0, 0]


def test_the_loss_scale_leaves_the_gradient_as_it_is(new_run, tiny_model, randomised):
    model = tiny_model(precision="float16")
    norms = []
    for log2 in (4.0, 8.0):
        run = new_run(model, randomised(model))
        run.state.scale.log2 = log2
        norms.append(run.to(1)[0].values["gradient_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=0.01)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_nan_ends_training_with_the_iteration_and_a_tensor(new_run, tiny_model, precision):
    run = new_run(tiny_model(precision=precision))
    run.to(1)
    if precision == "float16":
        run.state.scale.log2 = -17.0  # near its floor, to save attempts
    with torch.no_grad():
        next(run.state.network.parameters()).fill_(float("nan"))
    before = snapshot(run.state.ema)
    with pytest.raises(UserError) as error:
        run.to(2)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("iteration 1: loss nan")
    assert any(f"first in {name}," in message for name, _ in run.state.network.named_parameters())
    assert run.state.step == 1
    assert all(torch.equal(before[name], value) for name, value in run.state.ema.items())


def test_a_gradient_whose_norm_alone_overflows_is_a_users_error_too(new_run, tiny_model):
    run = new_run(tiny_model())
    run.state.task = Penalty(1e30)
    with pytest.raises(UserError, match=r"iteration 0: .*norm"):
        run.to(1)


@pytest.mark.parametrize("lost", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_training_though_its_gradient_is(new_run, tiny_model, lost):
    class Lost(Penalty):
        def losses(self, network, x_0, y, t, eps):
            return {"loss": super().losses(network, x_0, y, t, eps)["loss"] + lost}

    run = new_run(tiny_model())
    run.state.task = Lost(1.0)
    before = snapshot(run.state.network.state_dict())
    with pytest.raises(NotFiniteError, match=f"iteration 0: loss {lost} with a finite gradient, after 0"):
        run.to(1)
    assert all(torch.equal(before[name], weight) for name, weight in run.state.network.state_dict().items())


@pytest.mark.parametrize("processes", [1, 2, 3, 6, 12])
def test_processes_share_the_same_micro_batches(tiny_model, processes):
    training = tiny_model(batch_size=24, accumulation=6).training
    seen = {}
    for rank in range(processes):
        share = Share.of(training, Group(rank, processes))
        assert share.rows.stop - share.rows.start == 24 // processes
        for number, rows in share.micro_batches():
            seen[number] = range(share.rows.start + rows.start, share.rows.start + rows.stop)
    parts = max(6, processes)
    assert {**seen} == {number: range(number * 24 // parts, (number + 1) * 24 // parts) for number in range(parts)}


@pytest.mark.parametrize(("batch_size", "accumulation", "processes"), [(24, 6, 4), (24, 1, 5), (8, 2, 16)])
def test_a_batch_that_cannot_be_shared_evenly_is_refused(tiny_model, batch_size, accumulation, processes):
    model = tiny_model(batch_size=batch_size, accumulation=accumulation)
    message = f"batch_size {batch_size} in {accumulation} micro-batches .* by {processes} processes"
    with pytest.raises(ValueError, match=message):
        Share.of(model.training, Group(0, processes))
    with pytest.raises(ValueError, match=message):
        check_shared(model, processes)


@pytest.mark.parametrize(
    ("accumulation", "processes", "fits"), [(1, 1, True), (4, 2, True), (4, 4, True), (2, 4, False)]
)
@pytest.mark.parametrize("name", ["dropout", "noise_augmentation"])
def test_what_is_drawn_for_micro_batches_is_that_of_one_process_or_refused(
    tiny_model, accumulation, processes, fits, name
):
    """Of the same size they have the same numbers, and so the same draws."""
    plain = tiny_model("upsampler", batch_size=8, accumulation=accumulation)
    drawn = {"network": plain.network.model_copy(update={name: 0.1})} if name == "dropout" else {name: 0.1}
    model = plain.model_copy(update=drawn)
    alone, share = (Share.of(model.training, Group(size - 1, size)) for size in (1, processes))
    assert (share.size == alone.size) == fits
    if fits:
        check_shared(model, processes)
        assert {number for number, _ in share.micro_batches()} <= {number for number, _ in alone.micro_batches()}
    else:
        with pytest.raises(ValueError, match=rf"^accumulation 2 .* {name} 0.1; .* accumulation to a multiple of 4$"):
            check_shared(model, processes)
    check_shared(plain, processes)


@pytest.mark.parametrize(
    ("kind", "accumulation", "drawn"),
    [("diffusion", 1, 0.0), ("diffusion", 2, 0.3), ("upsampler", 2, 0.3), ("upsampler", 4, 0.3)],
)
def test_gradients_of_two_shares_add_up_to_those_of_the_whole(
    new_run, tiny_model, randomised, kind, accumulation, drawn
):
    """What two processes exchange is played here one after the other."""
    model = tiny_model(kind, batch_size=8, accumulation=accumulation, dropout=drawn)
    if kind == "upsampler":
        model = model.model_copy(update={"noise_augmentation": drawn})
    run = new_run(model, randomised(model))
    x_0, y = run.batches.at(0)

    def gradients(rank, processes):
        share = Share.of(model.training, Group(rank, processes))
        rows = slice(share.rows.start, share.rows.stop)
        noise = Noise.of(model.training.seed, 0, share.rows, x_0.shape[1:], model.noise.timesteps)
        values = loop._gradients(run.state, model.training, x_0[rows], y[rows], noise, share)
        return [parameter.grad.clone() for parameter in run.state.network.parameters()], values

    whole, (first, second) = gradients(0, 1), (gradients(rank, 2) for rank in (0, 1))
    for of_all, a, b in zip(whole[0], first[0], second[0], strict=True):
        torch.testing.assert_close(a + b, of_all, rtol=1e-5, atol=1e-7)
    for name, value in whole[1].items():
        torch.testing.assert_close(first[1][name] + second[1][name], value, rtol=1e-6, atol=0)
