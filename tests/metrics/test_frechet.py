import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from adm.metrics.frechet import frechet_distance
from adm.metrics.statistics import FeatureStatistics, feature_statistics


def drawn(num_samples, dimension, seed, power=0.5):
    rng = np.random.default_rng(seed)
    spectrum = 1.0 / np.arange(1, dimension + 1) ** power
    return rng.standard_normal((num_samples, dimension)) * spectrum + 0.1 * rng.standard_normal(dimension)


def distance_from_samples(x, y):
    """The distance from the samples themselves: the trace is the nuclear norm of their product."""
    centred_x = (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)
    centred_y = (y - y.mean(axis=0)) / np.sqrt(len(y) - 1)
    root = linalg.svdvals(centred_x @ centred_y.T).sum()
    spread = np.square(centred_x).sum() + np.square(centred_y).sum()
    return np.square(x.mean(axis=0) - y.mean(axis=0)).sum() + spread - 2 * root


@pytest.mark.parametrize(
    ("num_a", "num_b", "power"),
    [(400, 300, 0.5), (400, 300, 2.0), (400, 300, 4.0), (30, 20, 0.5), (65, 400, 1.0), (400, 12, 1.0), (2, 2, 0)],
)
def test_is_accurate_whatever_the_rank(num_a, num_b, power):
    x, y = drawn(num_a, 64, 2, power), drawn(num_b, 64, 3, power)
    expected = distance_from_samples(x, y)
    a, b = feature_statistics(x), feature_statistics(y)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_dead_and_repeated_features():
    x, y = drawn(400, 32, 4), drawn(400, 32, 5)
    x[:, 3], y[:, 3] = 0.0, 0.0
    x[:, 9] = x[:, 8]
    y[:, 5] = 1.0
    got = frechet_distance(feature_statistics(x), feature_statistics(y))
    assert got == pytest.approx(distance_from_samples(x, y), rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.floats(-10, 10)] * 2, *[st.floats(0, 10)] * 2).filter(
            lambda row: all(v == 0 or abs(v) > 1e-3 for v in row)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_closed_form_of_diagonal_gaussians(rows):
    mu_a, mu_b, sd_a, sd_b = np.array(rows).T
    expected = np.square(mu_a - mu_b).sum() + np.square(sd_a - sd_b).sum()
    a = FeatureStatistics(mu=mu_a, sigma=np.diag(sd_a**2))
    b = FeatureStatistics(mu=mu_b, sigma=np.diag(sd_b**2))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9, abs=1e-10)
    assert frechet_distance(a, b) >= 0


@pytest.mark.parametrize("num_samples", [10, 400])
def test_distance_to_itself_is_zero(num_samples):
    a = feature_statistics(drawn(num_samples, 64, 6))
    assert 0 <= frechet_distance(a, a) < 1e-11


def test_arguments_are_left_alone():
    a, b = feature_statistics(drawn(20, 30, 7)), feature_statistics(drawn(40, 30, 8))
    before = a.sigma.copy(), b.sigma.copy()
    frechet_distance(a, b)
    np.testing.assert_array_equal(a.sigma, before[0])
    np.testing.assert_array_equal(b.sigma, before[1])


def test_dimensions_that_disagree_are_refused():
    a, b = feature_statistics(drawn(5, 3, 0)), feature_statistics(drawn(5, 4, 1))
    with pytest.raises(ValueError, match="3 and 4 dimensions, expected the same"):
        frechet_distance(a, b)
