import numpy as np
import pytest
from scipy.stats import linregress

from adm.metrics.fid_infinity import extrapolate, fid_infinity
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
    got = [fid_infinity(REFERENCE, drawn(num, seed), seed) for seed in range(10)]
    errors = [abs(one.value - TRUTH) for one in got]
    assert np.mean(errors) < 0.5 * np.mean([abs(one.distances[-1] - TRUTH) for one in got])


def test_truth_is_what_the_distance_says():
    other = FeatureStatistics(mu=np.full(DIMENSION, 0.05), sigma=np.diag((1.1 * SCALES) ** 2))
    assert frechet_distance(REFERENCE, other) == pytest.approx(TRUTH, rel=1e-10)


def test_the_sizes_are_even_and_the_last_one_is_fid():
    samples = drawn(500, 0).astype(np.float32)
    got = fid_infinity(REFERENCE, samples, seed=1)
    np.testing.assert_array_equal(got.sizes, np.linspace(50, 500, 15).astype(int))
    assert len(got.distances) == 15
    assert got.distances[-1] == frechet_distance(REFERENCE, feature_statistics(samples))
    assert got.value < got.distances[-1] < got.distances[0]
    assert got.slope > 0


def test_subsets_are_rows_drawn_without_replacement():
    samples = drawn(40, 2)
    got = fid_infinity(REFERENCE, samples, seed=3, num_sizes=3, smallest=30)
    rng = np.random.default_rng(3)
    for size, distance in zip([30, 35, 40], got.distances, strict=True):
        rows = samples[rng.permutation(40)[:size]]
        assert distance == pytest.approx(frechet_distance(REFERENCE, feature_statistics(rows)), rel=1e-9)


def test_the_seed_decides():
    samples = drawn(100, 4)
    first, again, other = (fid_infinity(REFERENCE, samples, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.distances, again.distances)
    assert first.value == again.value != other.value


def test_the_smallest_size_keeps_the_covariance_regular():
    for num, expected in ((100, 25), (249, 25), (250, 25), (260, 26), (600, 60)):
        assert fid_infinity(REFERENCE, drawn(num, 7), 0, num_sizes=3).sizes[0] == expected


def test_an_exact_line_is_recovered():
    sizes = np.array([10, 20, 40, 80])
    got = extrapolate(sizes, 3.5 + 70.0 / sizes)
    assert got.value == pytest.approx(3.5, rel=1e-13)
    assert got.slope == pytest.approx(70.0, rel=1e-13)


def test_a_line_by_hand():
    """At 1/N of 1/2, 1/3 and 1/6: slope 9, mean 5 at 1/3."""
    got = extrapolate(np.array([2, 3, 6]), np.array([6.75, 4.5, 3.75]))
    assert got.slope == pytest.approx(9.0)
    assert got.value == pytest.approx(2.0)


def test_equals_scipy():
    rng = np.random.default_rng(8)
    sizes = np.linspace(50, 500, 15).astype(int)
    distances = 2 + 30 / sizes + 0.1 * rng.standard_normal(15)
    theirs, got = linregress(1 / sizes, distances), extrapolate(sizes, distances)
    assert got.value == pytest.approx(theirs.intercept, rel=1e-12)
    assert got.slope == pytest.approx(theirs.slope, rel=1e-12)


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (drawn(38, 0), {}, "samples hold 38 points, expected at least 39 for 15 sizes from 25"),
        (drawn(20, 0), {}, "samples hold 20 points, expected at least 39"),
        (drawn(50, 0), {"smallest": 49, "num_sizes": 3}, "50 points, expected at least 51 for 3 sizes from 49"),
        (drawn(50, 0), {"smallest": 1}, "smallest is 1, expected at least 2"),
        (drawn(50, 0), {"num_sizes": 2}, "num_sizes is 2, expected at least 3"),
        (np.zeros((50, 23)), {}, "features of 23 dimensions, expected 24"),
        (np.full((50, DIMENSION), np.nan), {}, "sample features hold NaN"),
    ],
)
def test_bad_input_is_refused(samples, options, message):
    with pytest.raises(ValueError, match=message):
        fid_infinity(REFERENCE, samples, 0, **options)


@pytest.mark.parametrize(
    ("sizes", "distances", "message"),
    [
        ([1, 2, 3], [1.0, 2.0], "expected .P,. with .P,., P at least 3"),
        ([1, 2], [1.0, 2.0], "P at least 3"),
        ([1, 2, 2], [1.0, 2.0, 3.0], r"sizes are \[1, 2, 2\], expected distinct"),
        ([0, 1, 2], [1.0, 2.0, 3.0], "distinct and positive"),
    ],
)
def test_no_line_through_bad_points(sizes, distances, message):
    with pytest.raises(ValueError, match=message):
        extrapolate(np.array(sizes), np.array(distances))


def test_just_enough_samples():
    assert np.array_equal(fid_infinity(REFERENCE, drawn(39, 9), 0).sizes, np.arange(25, 40))
