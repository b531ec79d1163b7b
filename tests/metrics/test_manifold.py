"""Precision, recall, density and coverage: the balls and points that every distance in float64 gives."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from adm.metrics import distances, manifold
from adm.metrics.manifold import density_coverage, precision_recall


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 50)


def squares(a, b):
    """Every difference between every pair."""
    return np.stack([np.square(row - b).sum(axis=1) for row in a])


def radii(points, neighbours):
    own = squares(points, points)
    np.fill_diagonal(own, np.inf)
    return np.sort(own, axis=1)[:, neighbours - 1]


def checked(reference, samples, neighbours=3):
    """Precision and recall, and density and coverage, once they are what all pairs give."""
    real, fake = (np.asarray(x, dtype=np.float64) for x in (reference, samples))
    between = squares(fake, real)
    inside = between <= radii(real, neighbours)  # which ball holds which sample, (M, N)
    with patch.object(manifold, "NEIGHBOURS", neighbours):
        found = precision_recall(reference, samples)
    counted = density_coverage(reference, samples, neighbours)
    np.testing.assert_array_equal(found.inside_reference, inside.any(axis=1))
    np.testing.assert_array_equal(found.inside_samples, (between <= radii(fake, neighbours)[:, None]).any(axis=0))
    assert (found.precision, found.recall) == (found.inside_reference.mean(), found.inside_samples.mean())
    np.testing.assert_array_equal(counted.balls, inside.sum(axis=1))
    np.testing.assert_array_equal(counted.covered_by.any(axis=0), inside.any(axis=0))
    assert counted.density == pytest.approx(inside.sum() / (neighbours * len(inside)), rel=1e-14)
    assert counted.coverage == inside.any(axis=0).mean()
    return found, counted


def gaussian(num, dimension, seed, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((num, dimension)).astype(dtype)


@pytest.mark.parametrize("block", [7, 50, 64, 2048])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equals_brute_force_and_the_block_does_not_matter(monkeypatch, block, dtype):
    monkeypatch.setattr(distances, "BLOCK", block)
    checked(gaussian(150, 16, 0, dtype), 0.9 * gaussian(170, 16, 1, dtype))


@pytest.mark.parametrize("neighbours", [1, 5, 89])
def test_equals_brute_force_at_other_neighbour_counts(neighbours):
    checked(gaussian(100, 8, 2), gaussian(90, 8, 3), neighbours)


@pytest.mark.parametrize("offset", [0.0, 1.0e3, 1.0e6])
@pytest.mark.parametrize("spread", [1.0e-20, 1.0, 1.0e20])
def test_equals_brute_force_far_from_the_origin_and_at_any_magnitude(offset, spread):
    checked(*((offset + gaussian(num, 32, seed, np.float64)) * spread for num, seed in ((120, 4), (130, 5))))


def test_equals_brute_force_with_copies():
    pool = gaussian(25, 48, 10)
    rng = np.random.default_rng(11)
    real = pool[rng.integers(0, 25, 200)]
    nearly = np.nextafter(pool[:5], np.float32(np.inf))  # off by a bit: outside every ball of radius zero
    fake = np.concatenate([pool[rng.integers(0, 25, 100)], nearly, gaussian(20, 48, 12)])
    found, counted = checked(real, fake)
    assert 0.75 < found.precision < 1.0
    assert counted.balls[100:105].sum() < counted.balls[:5].sum()


def points_on_a_grid():
    shape = st.tuples(st.integers(4, 14), st.just(2))
    return hnp.arrays(np.float32, shape, elements=st.integers(-2, 2).map(float))


@settings(max_examples=150)
@given(points_on_a_grid(), points_on_a_grid(), st.integers(1, 3), st.integers(1, 15))
def test_equals_brute_force_with_ties_everywhere(real, fake, neighbours, block):
    with patch.object(distances, "BLOCK", block):
        checked(real, fake, neighbours)


def test_equals_brute_force_with_more_ties_than_there_are_spare_candidates():
    checked(*(np.random.default_rng(seed).integers(0, 3, (200, 5)) + shift for seed, shift in ((16, 0), (17, 0.5))))


def test_the_boundary_belongs_to_the_ball():
    real = np.array([[0.0], [1.0], [2.0], [3.0]])  # the third neighbours reach 3, 2, 2, 3
    beyond = np.nextafter(6.0, 7.0)
    assert precision_recall(real, np.full((4, 1), 6.0)).precision == 1.0
    assert precision_recall(real, np.full((4, 1), beyond)).precision == 0.0
    got = density_coverage(real, np.array([[6.0], [beyond]]), neighbours=3)
    np.testing.assert_array_equal(got.balls, [1, 0])
    np.testing.assert_array_equal(got.covered_by.any(axis=0), [False, False, False, True])
    assert (got.density, got.coverage) == (1 / 6, 1 / 4)


def test_a_set_covers_itself():
    """Each ball holds its centre and k neighbours: k + 1 balls a point, and every ball holds a sample."""
    points = gaussian(80, 64, 15)
    for copy in (points, points.copy()):
        found, counted = precision_recall(points, copy), density_coverage(points, copy, neighbours=4)
        assert (found.precision, found.recall) == (1.0, 1.0)
        assert (counted.density, counted.coverage) == (5 / 4, 1.0)


def test_one_distribution_has_density_one_and_the_coverage_of_chance():
    """Of k + M points, the k-th nearest of N - 1 and any of M: 1 - prod (N - i) / (M + N - i), over i = 1 to k."""
    got = [density_coverage(gaussian(300, 2, [16, i]), gaussian(200, 2, [17, i])) for i in range(40)]
    expected = 1 - np.prod([(300 - i) / (500 - i) for i in range(1, 6)])
    for name, value in (("density", 1.0), ("coverage", expected)):
        values = [getattr(one, name) for one in got]
        assert np.mean(values) == pytest.approx(value, abs=4 * np.std(values) / np.sqrt(len(got)))


SIX = np.zeros((6, 2))


@pytest.mark.parametrize(
    ("kind", "real", "fake", "message"),
    [
        (precision_recall, SIX[:3], SIX, "reference hold 3 points, expected more than 3"),
        (precision_recall, SIX, SIX[:3], "samples hold 3 points, expected more than 3"),
        (density_coverage, SIX[:5], SIX, "reference hold 5 points, expected more than 5"),
    ],
)
def test_too_few_points_are_refused(kind, real, fake, message):
    with pytest.raises(ValueError, match=message):
        kind(real, fake)
