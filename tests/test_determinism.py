"""Named generators: the same path gives the same numbers, any other path others."""

import itertools

import torch

from adm.determinism import generator

PATHS = [(0,), (1,), (0, 0), (1, 0), (0, 1), (1, 0, 0), (1, 1), (2**32 + 1,), (2**32,), (1, 2**32), (7, 3, 2)]


def test_paths_give_independent_streams_whatever_their_length():
    seeds = [generator(*path).initial_seed() for path in PATHS]
    assert len(set(seeds)) == len(seeds)
    draws = [torch.randn(1000, generator=generator(*path)) for path in PATHS]
    assert max(abs(float(a @ b) / 1000) for a, b in itertools.combinations(draws, 2)) < 0.2


def test_a_generator_is_a_function_of_its_path_and_leaves_the_global_one_alone():
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    first = torch.randn(4, generator=generator(1, 2))
    assert torch.equal(first, torch.randn(4, generator=generator(1, 2)))
    assert torch.equal(torch.randn(3), expected)
