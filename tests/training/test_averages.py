"""Averages after the fact: their profiles, what training keeps of them, and the combination of any other length."""

import numpy as np
import pytest
import torch

from adm.config.averages import combination, exponent_of, rate_of, snapshot_steps
from adm.config.models import AveragesParams
from adm.errors import UserError
from adm.nets.checkpoints import averaged_weights, named_averages, snapshot_file
from adm.nets.weights import read_tensors, write_tensors
from adm.training.averages import PowerAverages
from adm.training.rolling import LOG, save_rolling, state_at

KEPT = [0.05, 0.1]


def profile(length, step, tau):
    """The profile of an average after `step` updates, at times tau."""
    gamma = exponent_of(length)
    return np.where(tau <= step, (gamma + 1) / step * (tau / step) ** gamma, 0.0)


def shares(length, step):
    """The share of each of the first `step` weights in their average: the profile's integral over its update."""
    return np.diff((np.arange(step + 1) / step) ** (exponent_of(length) + 1))


@pytest.mark.parametrize("length", [0.01, 0.05, 0.1, 0.15, 0.28])
def test_a_length_is_the_standard_deviation_of_its_profile(length):
    tau = (np.arange(200_000) + 0.5) / 200_000
    weights = profile(length, 1.0, tau) / len(tau)
    mean = weights @ tau
    assert weights.sum() == pytest.approx(1, rel=1e-4)
    assert np.sqrt(weights @ (tau - mean) ** 2) == pytest.approx(length, rel=1e-4)
    gamma = exponent_of(length)
    assert (gamma + 1) ** 0.5 / (gamma + 2) / (gamma + 3) ** 0.5 == pytest.approx(length, rel=1e-12)


@pytest.mark.parametrize("weights", [np.full(40, 3.0), np.arange(40.0), np.random.default_rng(0).standard_normal(40)])
def test_updates_give_the_weighted_sum_of_all_weights_so_far(weights):
    averages = PowerAverages(AveragesParams(every=9), {"w": torch.full((2,), 1e9)})
    for step, weight in enumerate(weights, start=1):
        averages.update([torch.full((2,), weight, dtype=torch.float32)], step)
        for length in KEPT:
            wanted = shares(length, step) @ weights[:step]
            assert averages.tensors[f"{length}/w"].tolist() == pytest.approx([wanted] * 2, rel=1e-5, abs=1e-6)


def test_the_initial_weights_do_not_count():
    assert rate_of(exponent_of(0.05), 1) == 0
    assert [rate_of(0.0, step) for step in (2, 4)] == [0.5, 0.75]  # the plain mean


@pytest.mark.parametrize("every", [7, 100])
@pytest.mark.parametrize("length", KEPT)
def test_a_length_that_is_kept_is_its_own_combination(length, every):
    coefficients, error = combination(snapshot_steps(every, 1000), KEPT, length)
    wanted = np.zeros_like(coefficients)
    wanted[-1, KEPT.index(length)] = 1
    assert error < 1e-6
    np.testing.assert_allclose(coefficients, wanted, atol=1e-5)


@pytest.mark.parametrize("length", [0.02, 0.07, 0.15, 0.25])
@pytest.mark.parametrize(("every", "step"), [(100, 1000), (64, 500)])
def test_another_length_is_as_near_as_least_squares_on_a_grid(length, every, step):
    steps = snapshot_steps(every, step)
    tau = (np.arange(20_000) + 0.5) * step / 20_000
    columns = np.stack([profile(kept, at, tau) for at in steps for kept in KEPT], axis=1)
    wanted = profile(length, step, tau)
    # Coefficients that sum to 1: the last one is what the others leave.
    others = np.linalg.lstsq(columns[:, :-1] - columns[:, -1:], wanted - columns[:, -1])[0]
    nearest = columns @ np.append(others, 1 - others.sum())
    coefficients, error = combination(steps, KEPT, length)
    assert coefficients.sum() == pytest.approx(1, abs=1e-9)
    size = np.linalg.norm(wanted)
    assert error == pytest.approx(np.linalg.norm(nearest - wanted) / size, rel=0.02)
    np.testing.assert_allclose(columns @ coefficients.ravel(), nearest, atol=2e-3 * wanted.max())


@pytest.fixture
def trained(new_run, tiny_model, tmp_path):
    """Train with averages, as the stage does, and save where they are due: the state, and its folder."""

    def train(stop, lengths=KEPT):
        run = new_run(tiny_model(averages={"every": 2, "lengths": lengths}, learning_rate=0.01))
        folder = tmp_path / "rolling"
        folder.mkdir()
        (folder / LOG).write_text("step\n")
        for step in snapshot_steps(2, stop):
            run.to(step)
            save_rolling(run.state, folder)
        return run.state, state_at(folder, stop)

    return train


def average_of(state, length):
    return {name: state.averages.tensors[f"{length}/{name}"] for name in state.ema}


def distance(a, b):
    return float(torch.sqrt(sum(((a[name].double() - b[name].double()) ** 2).sum() for name in b)))


def test_a_combined_average_is_the_one_computed_along_the_way(trained, tmp_path):
    along, folder = trained(20, lengths=[0.05, 0.07, 0.1, 0.15])
    kept, like = tmp_path / "kept", along.network.state_dict()
    kept.mkdir()
    for step in snapshot_steps(2, 20):
        found = read_tensors(folder / snapshot_file(step), along.averages.tensors)
        write_tensors(kept / snapshot_file(step), {name: found[name] for name in named_averages(KEPT, like)})
    for length in (0.07, 0.15):
        combined = averaged_weights(kept, AveragesParams(every=2), 20, length, like)
        wanted = average_of(along, length)
        nearest_kept = min(distance(average_of(along, other), wanted) for other in KEPT)
        assert distance(combined, wanted) < 0.05 * nearest_kept
        assert {name: tensor.dtype for name, tensor in combined.items()} == dict.fromkeys(like, torch.float32)


def test_an_overflow_repeats_a_step_but_no_update_of_the_averages(new_run, tiny_model, randomised):
    model = tiny_model(precision="float16", averages={"every": 9})
    run = new_run(model, randomised(model))
    seen = []
    for step in (1, 2):
        (report,) = run.to(step)
        seen.append({name: tensor.clone() for name, tensor in run.state.network.state_dict().items()})
        if step == 1:
            run.state.scale.log2 = too_high = report.values["log2_loss_scale"] + 4
    assert report.values["log2_loss_scale"] < too_high
    for length in KEPT:
        for name, tensor in average_of(run.state, length).items():
            wanted = sum(share * weights[name].double() for share, weights in zip(shares(length, 2), seen, strict=True))
            torch.testing.assert_close(tensor.double(), wanted, rtol=1e-5, atol=1e-7)


def test_a_missing_snapshot_and_one_of_other_lengths_are_refused_in_one_line(trained):
    state, folder = trained(6)
    like = state.network.state_dict()
    with pytest.raises(UserError, match=r"averages-000000002.*tensors differ: 0\.04/") as refused:
        averaged_weights(folder, AveragesParams(every=2, lengths=[0.04, 0.1]), 6, 0.1, like)
    assert "\n" not in str(refused.value)
    (folder / snapshot_file(4)).unlink()
    with pytest.raises(UserError, match=r"averages-000000004\.safetensors: does not exist"):
        averaged_weights(folder, AveragesParams(every=2), 6, 0.1, like)
