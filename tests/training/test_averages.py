"""Averages under power functions: their profiles, and what training makes of them."""

import numpy as np
import pytest
import torch

from adm.training.averages import PowerAverages, exponent_of, rate_of

KEPT = [0.05, 0.1]


def shares(length, step):
    """The share of each of the first `step` weights in their average: the profile's integral over its update."""
    return np.diff((np.arange(step + 1) / step) ** (exponent_of(length) + 1))


@pytest.mark.parametrize("length", [0.01, 0.05, 0.1, 0.15, 0.28])
def test_a_length_is_the_standard_deviation_of_its_profile(length):
    tau = (np.arange(200_000) + 0.5) / 200_000
    gamma = exponent_of(length)
    weights = (gamma + 1) * tau**gamma / len(tau)
    mean = weights @ tau
    assert weights.sum() == pytest.approx(1, rel=1e-4)
    assert np.sqrt(weights @ (tau - mean) ** 2) == pytest.approx(length, rel=1e-4)
    assert (gamma + 1) ** 0.5 / (gamma + 2) / (gamma + 3) ** 0.5 == pytest.approx(length, rel=1e-12)


@pytest.mark.parametrize("weights", [np.full(40, 3.0), np.arange(40.0), np.random.default_rng(0).standard_normal(40)])
def test_updates_give_the_weighted_sum_of_all_weights_so_far(weights):
    averages = PowerAverages(KEPT, {"w": torch.full((2,), 1e9)})
    for step, weight in enumerate(weights, start=1):
        averages.update([torch.full((2,), weight, dtype=torch.float32)], step)
        for length in KEPT:
            wanted = shares(length, step) @ weights[:step]
            assert averages.tensors[f"{length}/w"].tolist() == pytest.approx([wanted] * 2, rel=1e-5, abs=1e-6)


def test_the_initial_weights_do_not_count():
    assert rate_of(exponent_of(0.05), 1) == 0
    assert [rate_of(0.0, step) for step in (2, 4)] == [0.5, 0.75]  # the plain mean


def test_an_overflow_repeats_a_step_but_no_update_of_the_averages(new_run, tiny_model, randomised):
    model = tiny_model(precision="float16", averages=KEPT)
    run = new_run(model, randomised(model))
    seen = []
    for step in (1, 2):
        (report,) = run.to(step)
        seen.append({name: tensor.clone() for name, tensor in run.state.network.state_dict().items()})
        if step == 1:
            run.state.scale.log2 = too_high = report.values["log2_loss_scale"] + 4
    assert report.values["log2_loss_scale"] < too_high
    for length in KEPT:
        for name in run.state.ema:
            wanted = sum(share * weights[name].double() for share, weights in zip(shares(length, 2), seen, strict=True))
            average = run.state.averages.tensors[f"{length}/{name}"]
            torch.testing.assert_close(average.double(), wanted, rtol=1e-5, atol=1e-7)
