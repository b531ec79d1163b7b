import numpy as np
import pytest

from adm.artifacts.reading import read_npy
from adm.metrics import statistics
from adm.metrics.statistics import FeatureStatistics, feature_statistics


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 5), (37, 5), (5, 37)])
def test_equals_numpy(shape, dtype):
    features = (np.random.default_rng(0).standard_normal(shape) * 3 + 50).astype(dtype)
    got = feature_statistics(features)
    np.testing.assert_allclose(got.mu, features.astype(np.float64).mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(got.sigma, np.cov(features.astype(np.float64), rowvar=False), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(got.sigma, got.sigma.T)
    assert got.mu.dtype == got.sigma.dtype == np.float64


def badly_centred():
    """Float32 features far from zero, in order of size, some of which hardly vary: a mean 1e5 deviations away."""
    rng = np.random.default_rng(3)
    features = 100.0 + rng.standard_normal((3000, 8)) * np.logspace(-3, 1, 8)
    return np.sort(features, axis=0).astype(np.float32)


@pytest.mark.parametrize("length", [1, 7, 999, 3000, 4096])
def test_badly_centred_features_are_fitted_as_if_they_were_exact(monkeypatch, length):
    features = badly_centred()
    # Float32 numbers near 100 less 100 are exact, and so is nearly everything that follows.
    exact = features.astype(np.float64) - 100.0
    sigma = np.cov(exact, rowvar=False)
    monkeypatch.setattr(statistics, "CHUNK", length)
    got = feature_statistics(features)
    scale = np.sqrt(np.outer(sigma.diagonal(), sigma.diagonal()))
    assert (np.abs(got.sigma - sigma) <= 1e-10 * scale).all()
    np.testing.assert_allclose(got.mu, exact.mean(axis=0) + 100.0, rtol=1e-14)


def test_a_mapped_file_gives_the_bits_of_the_array_in_it(tmp_path):
    features = badly_centred()
    np.save(tmp_path / "a.npy", features)
    mapped, held = (feature_statistics(rows) for rows in (read_npy(tmp_path / "a.npy", "float32", (None, 8)), features))
    np.testing.assert_array_equal(mapped.mu, held.mu)
    np.testing.assert_array_equal(mapped.sigma, held.sigma)


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
