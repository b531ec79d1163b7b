import numpy as np
import pytest
from torch_fidelity import metric_fid

from adm.metrics import statistics
from adm.metrics.statistics import FeatureStatistics, feature_statistics


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 5), (37, 5), (5, 37)])
def test_equals_numpy(shape, dtype):
    features = (np.random.default_rng(0).standard_normal(shape) * 3 + 50).astype(dtype)
    got = feature_statistics(features)
    np.testing.assert_allclose(got.mu, features.astype(np.float64).mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(got.sigma, np.cov(features.astype(np.float64), rowvar=False), rtol=1e-10, atol=1e-12)
    assert got.mu.dtype == got.sigma.dtype == np.float64


def test_chunks_do_not_matter_beyond_rounding_and_repeats_are_identical(monkeypatch):
    features = np.random.default_rng(1).standard_normal((1001, 8))
    whole, again = feature_statistics(features), feature_statistics(features)
    np.testing.assert_array_equal(whole.sigma, again.sigma)
    np.testing.assert_array_equal(whole.sigma, whole.sigma.T)
    monkeypatch.setattr(statistics, "CHUNK", 100)
    np.testing.assert_allclose(feature_statistics(features).sigma, whole.sigma, rtol=1e-12, atol=1e-14)


def test_one_dimension_and_integers():
    got = feature_statistics(np.array([[1], [2], [6]]))
    np.testing.assert_allclose(got.mu, [3.0])
    np.testing.assert_allclose(got.sigma, [[7.0]])


def test_equals_torch_fidelity():
    torch = pytest.importorskip("torch")
    features = np.random.default_rng(2).standard_normal((50, 6))
    theirs = metric_fid.fid_features_to_statistics(torch.from_numpy(features))
    got = feature_statistics(features)
    np.testing.assert_allclose(got.mu, theirs["mu"], rtol=1e-12)
    np.testing.assert_allclose(got.sigma, theirs["sigma"], rtol=1e-11)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros(4), r"shape \(4,\), expected \(samples, dimensions\)"),
        (np.zeros((4, 0)), "expected"),
        (np.zeros((1, 4)), "1 samples, expected at least 2"),
        (np.array([[0.0, 1.0], [np.nan, 1.0]]), "NaN or infinity"),
        (np.array([[0.0, 1.0], [np.inf, 1.0]]), "NaN or infinity"),
        (np.array([["a", "b"], ["c", "d"]]), "dtype"),
    ],
)
def test_bad_features_are_refused_in_one_line(features, message):
    with pytest.raises(ValueError, match=message) as caught:
        feature_statistics(features)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("mu", "sigma"),
    [
        (np.zeros(2), np.eye(3)),
        (np.zeros((2, 1)), np.eye(2)),
        (np.zeros(0), np.zeros((0, 0))),
        (np.zeros(2), np.full((2, 2), np.nan)),
    ],
)
def test_statistics_that_disagree_are_refused(mu, sigma):
    with pytest.raises(ValueError, match="expected"):
        FeatureStatistics(mu=mu, sigma=sigma)
