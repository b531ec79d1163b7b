import numpy as np
import pytest
from scipy.stats import linregress

from adm.metrics.fid_infinity import distances_by_size, extrapolate, fid_infinity
from adm.metrics.frechet import frechet_distance
from adm.metrics.statistics import FeatureStatistics, feature_statistics

DIMENSION = 24
SCALES = np.arange(1, DIMENSION + 1) ** -0.5
REFERENCE = FeatureStatistics(mu=np.zeros(DIMENSION), sigma=np.diag(SCALES**2))


def drawn(num, seed):
    """Samples of a Gaussian, shifted by 0.05 and stretched by 1.1: the distance is known."""
    return 0.05 + 1.1 * SCALES * np.random.default_rng(seed).standard_normal((num, DIMENSION))


TRUTH = DIMENSION * 0.05**2 + (0.1**2 * SCALES**2).sum()


@pytest.mark.parametrize("num", [60, 150, 1000])
def test_it_is_nearer_to_the_truth_than_fid_is(num):
    points = [distances_by_size(REFERENCE, drawn(num, seed), seed)[1][-1] for seed in range(10)]
    errors = [abs(fid_infinity(REFERENCE, drawn(num, seed), seed) - TRUTH) for seed in range(10)]
    assert np.mean(errors) < 0.5 * np.mean([abs(fid - TRUTH) for fid in points])


def test_subsets_are_rows_drawn_without_replacement_and_the_last_one_gives_fid():
    samples = drawn(500, 0).astype(np.float32)
    sizes, distances = distances_by_size(REFERENCE, samples, seed=1)
    np.testing.assert_array_equal(sizes, np.linspace(50, 500, 15).astype(int))
    rng = np.random.default_rng(1)
    for size, distance in zip(sizes, distances, strict=True):
        rows = samples[rng.permutation(500)[:size]]
        assert distance == pytest.approx(frechet_distance(REFERENCE, feature_statistics(rows)), rel=1e-9)
    assert distances[-1] == frechet_distance(REFERENCE, feature_statistics(samples))
    assert fid_infinity(REFERENCE, samples, seed=1) < distances[-1] < distances[0]


def test_the_seed_decides():
    first, again, other = (fid_infinity(REFERENCE, drawn(100, 4), seed) for seed in (5, 5, 6))
    assert first == again != other


def test_the_smallest_size_keeps_the_covariance_regular_or_there_is_none():
    for num, expected in ((39, 25), (100, 25), (249, 25), (250, 25), (260, 26), (600, 60)):
        assert distances_by_size(REFERENCE, drawn(num, 7), 0)[0][0] == expected
    assert fid_infinity(REFERENCE, drawn(38, 0), 0) is None


def test_equals_scipy():
    sizes = np.linspace(50, 500, 15).astype(int)
    distances = 2 + 30 / sizes + 0.1 * np.random.default_rng(8).standard_normal(15)
    assert extrapolate(sizes, distances) == pytest.approx(linregress(1 / sizes, distances).intercept, rel=1e-12)
