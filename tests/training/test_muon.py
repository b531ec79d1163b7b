"""Muon against torch's own, and what it leaves to AdamW."""

import pytest
import torch
from torch import nn

from adm.training.muon import Muon, is_matrix, orthogonalised

SHAPES = [(16, 16, 3, 3), (32, 16, 3, 3), (16, 48, 1, 1), (96, 32, 1), (8, 8, 3, 3)]


def drawn(*shape, seed=0):
    """Normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_matrices_are_convolutions_between_feature_maps():
    given = {(16, 1, 3, 3): False, (3, 16, 3, 3): False, (16, 6, 3, 3): False, (64, 32): False, (16,): False}
    given |= dict.fromkeys(SHAPES, True)
    assert {shape: is_matrix(torch.zeros(shape)) for shape in given} == given


def test_updates_are_those_of_a_plain_computation_in_double_precision():
    weights = [nn.Parameter(drawn(*shape)) for shape in SHAPES]
    expected = [each.detach().double().flatten(1) for each in weights]
    momenta = [torch.zeros_like(each) for each in expected]
    optimizer = Muon(weights, lr=1.0, weight_decay=0.1)
    for step in range(8):
        optimizer.param_groups[0]["lr"] = rate = 0.02 / (step + 1)
        for place, weight in enumerate(weights):
            weight.grad = drawn(*weight.shape, seed=step)
            gradient = weight.grad.double().flatten(1)
            momenta[place] = 0.95 * momenta[place] + 0.05 * gradient
            x = 0.05 * gradient + 0.95 * momenta[place]
            x = x / x.norm()
            for _ in range(5):
                gram = x @ x.T
                x = (3.4445 * torch.eye(len(x)) - 4.7750 * gram + 2.0315 * gram @ gram) @ x
            expected[place] = (1 - 0.1 * rate) * expected[place] - 0.2 * rate * max(x.shape) ** 0.5 * x
        optimizer.step()
    for weight, matrix in zip(weights, expected, strict=True):
        torch.testing.assert_close(weight.detach().double().flatten(1), matrix, rtol=0, atol=1e-5)


def test_weights_without_gradients_stay_as_they_are():
    convolution, bias = nn.Parameter(drawn(16, 16, 3, 3)), nn.Parameter(drawn(16))
    bias.grad = drawn(16)
    before = convolution.detach().clone()
    Muon([convolution, bias], lr=0.01).step()
    assert torch.equal(convolution, before)


def test_updates_are_those_of_torchs_muon_to_the_rounding_of_bfloat16():
    weights, flat = ([nn.Parameter(drawn(*shape)) for shape in SHAPES] for _ in range(2))
    flat = [nn.Parameter(each.detach().flatten(1)) for each in flat]
    ours = Muon(weights, lr=0.01, weight_decay=0.1)
    theirs = torch.optim.Muon(flat, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for step in range(4):
        before = [each.detach().clone() for each in flat]
        for weight, matrix in zip(weights, flat, strict=True):
            weight.grad = drawn(*weight.shape, seed=step)
            matrix.grad = weight.grad.flatten(1)
        ours.step()
        theirs.step()
        for weight, matrix, old in zip(weights, flat, before, strict=True):
            moved = (matrix - old).norm()
            assert (weight.flatten(1) - matrix).norm() < 0.03 * (step + 1) * moved


def test_what_is_no_matrix_is_updated_as_by_adamw_to_the_bit():
    shapes = [(64, 32), (16,), (16, 1, 3, 3), (16, 16, 3, 3)]
    kinds = {kind: [nn.Parameter(drawn(*shape)) for shape in shapes] for kind in (Muon, torch.optim.AdamW)}
    for kind, weights in kinds.items():
        optimizer = kind(weights, lr=0.01, weight_decay=0.1, fused=True)
        for step in range(3):
            for weight in weights:
                weight.grad = drawn(*weight.shape, seed=step)
            optimizer.step()
    ours, theirs = kinds.values()
    assert [torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)] == [True, True, True, False]


@pytest.mark.parametrize("shape", [(24, 24), (24, 300), (300, 24)])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_singular_values_are_near_one_whatever_they_were(shape, size):
    u, _, v = torch.linalg.svd(drawn(*shape), full_matrices=False)
    values = torch.logspace(0, -2, 24)
    (found,) = orthogonalised([size * u @ torch.diag(values) @ v])
    # Five turns bring 0.01 of the Frobenius norm there, and what is smaller less far.
    kept = torch.diag(u.T @ found @ v.T)
    assert kept[:16].min() > 0.6
    assert kept.max() < 1.25
    assert (found - u @ torch.diag(kept) @ v).norm() < 1e-2


def test_a_gradient_of_zero_moves_nothing_and_one_of_rank_one_is_finite():
    zero, one = orthogonalised([torch.zeros(8, 9), torch.outer(drawn(8), drawn(9))])
    assert not zero.any()
    assert 0.6 < torch.linalg.svdvals(one)[0] < 1.25


def test_the_size_of_a_step_is_that_of_adamw():
    steps = {}
    for kind in (Muon, torch.optim.AdamW):
        weight = nn.Parameter(torch.zeros(32, 32, 3, 3))
        optimizer = kind([weight], lr=0.01, weight_decay=0.0)
        for step in range(20):
            weight.grad = drawn(*weight.shape, seed=step)
            before = weight.detach().clone()
            optimizer.step()
        steps[kind] = float((weight.detach() - before).square().mean().sqrt())
    assert 0.5 < steps[Muon] / steps[torch.optim.AdamW] < 2
