from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist

from adm.metrics import distances
from adm.metrics.manifold import density_coverage, precision_recall


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 50)


def oracle(reference, samples, neighbours=5):
    """Which ball holds which sample, (M, N), by every distance in float64."""
    real, fake = (np.asarray(x, dtype=np.float64) for x in (reference, samples))
    own = cdist(real, real, "sqeuclidean")
    np.fill_diagonal(own, np.inf)
    return cdist(fake, real, "sqeuclidean") <= np.sort(own, axis=1)[:, neighbours - 1]


def assert_same(got, inside, neighbours=5):
    np.testing.assert_array_equal(got.balls, inside.sum(axis=1))
    np.testing.assert_array_equal(got.covered, inside.any(axis=0))
    assert got.density == pytest.approx(inside.sum() / (neighbours * len(inside)), rel=1e-14)
    assert got.coverage == inside.any(axis=0).mean()


def gaussian(num, dimension, seed, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((num, dimension)).astype(dtype)


@pytest.mark.parametrize("block", [7, 50, 64, 2048])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equals_brute_force_and_the_block_does_not_matter(monkeypatch, block, dtype):
    monkeypatch.setattr(distances, "BLOCK", block)
    real, fake = gaussian(150, 16, 0, dtype), 0.9 * gaussian(170, 16, 1, dtype)
    assert_same(density_coverage(real, fake), oracle(real, fake))


@pytest.mark.parametrize("neighbours", [1, 3, 99])
def test_equals_brute_force_at_other_neighbour_counts(neighbours):
    real, fake = gaussian(100, 8, 2), gaussian(90, 8, 3)
    assert_same(density_coverage(real, fake, neighbours), oracle(real, fake, neighbours), neighbours)


@pytest.mark.parametrize("offset", [0.0, 1.0e3, 1.0e6])
@pytest.mark.parametrize("spread", [1.0e-20, 1.0, 1.0e20])
def test_equals_brute_force_far_from_the_origin_and_at_any_magnitude(offset, spread):
    real = (offset + gaussian(120, 32, 4, np.float64)) * spread
    fake = (offset + gaussian(130, 32, 5, np.float64)) * spread
    assert_same(density_coverage(real, fake), oracle(real, fake))


def test_equals_brute_force_at_two_magnitudes_at_once():
    real = np.concatenate([gaussian(60, 8, 6), 1e-4 * gaussian(60, 8, 7)])
    fake = np.concatenate([gaussian(60, 8, 8), 1e-4 * gaussian(60, 8, 9)])
    assert_same(density_coverage(real, fake), oracle(real, fake))


def test_equals_brute_force_with_copies():
    pool = gaussian(25, 48, 10)
    rng = np.random.default_rng(11)
    real = pool[rng.integers(0, 25, 200)]
    nearly = np.nextafter(pool[:5], np.float32(np.inf))  # off by a bit: outside every ball of radius zero
    fake = np.concatenate([pool[rng.integers(0, 25, 100)], nearly, gaussian(20, 48, 12)])
    got = density_coverage(real, fake)
    assert_same(got, oracle(real, fake))
    assert got.balls[100:105].sum() < got.balls[:5].sum()


def points_on_a_grid(min_rows):
    shape = st.tuples(st.integers(min_rows, 14), st.just(2))
    return hnp.arrays(np.float32, shape, elements=st.integers(-2, 2).map(float))


@settings(max_examples=150)
@given(points_on_a_grid(4), points_on_a_grid(2), st.integers(1, 3), st.integers(1, 15))
def test_equals_brute_force_with_ties_everywhere(real, fake, neighbours, block):
    with patch.object(distances, "BLOCK", block):
        assert_same(density_coverage(real, fake, neighbours), oracle(real, fake, neighbours), neighbours)


def test_the_boundary_belongs_to_the_ball():
    real = np.array([[0.0], [1.0], [2.0], [3.0]])  # the third neighbours reach 3, 2, 2, 3
    got = density_coverage(real, np.array([[6.0], [np.nextafter(6.0, 7.0)]]), neighbours=3)
    np.testing.assert_array_equal(got.balls, [1, 0])
    np.testing.assert_array_equal(got.covered, [False, False, False, True])
    assert (got.density, got.coverage) == (1 / 6, 1 / 4)


def test_an_outlier_vouches_once():
    """The case that density was made for: precision calls every sample good, density one ball in three."""
    real = np.concatenate([gaussian(50, 2, 13), [[1.0e3, 1.0e3]]])
    fake = np.array([[500.0, 500.0]]) + gaussian(40, 2, 14)
    assert precision_recall(real, fake, 3).precision == 1.0
    got = density_coverage(real, fake, 3)
    assert (got.density, got.coverage) == (pytest.approx(1 / 3), 1 / 51)


def test_the_reference_itself():
    """Each ball holds its centre and k neighbours: k + 1 balls a point, and every ball holds a sample."""
    real = gaussian(80, 64, 15)
    for copy in (real, real.copy()):
        got = density_coverage(real, copy, neighbours=4)
        assert (got.density, got.coverage) == (5 / 4, 1.0)


def test_one_distribution_has_density_one_and_the_coverage_of_chance():
    """Of k + M points, the k-th nearest of N - 1 and any of M: 1 - prod (N - i) / (M + N - i), over i = 1 to k."""
    got = [density_coverage(gaussian(300, 2, [16, i]), gaussian(200, 2, [17, i])) for i in range(40)]
    expected = 1 - np.prod([(300 - i) / (500 - i) for i in range(1, 6)])
    for name, value in (("density", 1.0), ("coverage", expected)):
        values = [getattr(one, name) for one in got]
        assert np.mean(values) == pytest.approx(value, abs=4 * np.std(values) / np.sqrt(len(got)))


@pytest.mark.parametrize("copies", [False, True])
def test_few_pairs_are_measured_again(monkeypatch, copies):
    counts = []
    squared_distances = distances.squared_distances

    def counted(a, i, b, j):
        counts.append(len(i))
        return squared_distances(a, i, b, j)

    monkeypatch.setattr(distances, "squared_distances", counted)
    real, fake = np.abs(gaussian(400, 64, 18)), np.abs(gaussian(400, 64, 19))
    if copies:  # of one image, from a generator that collapsed
        fake[:] = fake[0]
    monkeypatch.setattr(distances, "BLOCK", 128)
    density_coverage(real, fake)
    assert sum(counts) < 400 * (5 + distances.SPARE_CANDIDATES) + 400


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (np.zeros((6, 2)), np.zeros((6, 3)), "2 and 3 dimensions"),
        (np.zeros((5, 2)), np.zeros((6, 2)), "reference hold 5 points, expected more than 5"),
        (np.zeros((6, 2)), np.zeros((1, 2)), "at least 2"),
        (np.zeros((6, 2)), np.full((6, 2), np.nan), "sample features hold NaN"),
    ],
)
def test_bad_input_is_refused(real, fake, message):
    with pytest.raises(ValueError, match=message):
        density_coverage(real, fake)
