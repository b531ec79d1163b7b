import numpy as np
import pytest

from adm.metrics import bootstrap
from adm.metrics.bootstrap import bootstrap_metrics
from adm.metrics.features import Features
from adm.metrics.frechet import frechet_distance
from adm.metrics.inception_score import inception_score
from adm.metrics.manifold import PrecisionRecall
from adm.metrics.statistics import FeatureStatistics, feature_statistics


def drawn(num, dimension, seed, shift=0.0):
    """Features like an extractor's: correlated, not negative, some always zero."""
    rng = np.random.default_rng(seed)
    features = (
        2
        + shift
        + rng.standard_normal((num, dimension))
        @ np.random.default_rng(99).standard_normal((dimension, dimension))
        / np.sqrt(dimension)
    )
    features = np.maximum(features, 0.0).astype(np.float32)
    features[:, ::7] = 0.0
    return features


def samples(num, pool=12, spatial=16, seed=0):
    logits = 3 * np.random.default_rng(seed + 2).standard_normal((num, 10)).astype(np.float32)
    return Features(pool=drawn(num, pool, seed, 0.2), spatial=drawn(num, spatial, seed + 1, 0.2), logits=logits)


def manifold(num, num_points=70, seed=0):
    rng = np.random.default_rng(seed)
    return PrecisionRecall(inside_reference=rng.random(num) < 0.7, inside_samples=rng.random(num_points) < 0.4)


def reference(num, dimension, seed=50):
    return feature_statistics(drawn(num, dimension, seed))


def rows_of(num, replicates, seed, stream):
    """What is drawn, sorted: the rows themselves instead of how often each comes."""
    rng = np.random.default_rng([seed, stream])
    return [np.sort(rng.integers(num, size=num)) for _ in range(replicates)]


@pytest.mark.parametrize("chunk", [4096, 13])
@pytest.mark.parametrize(
    ("num", "num_reference", "pool", "spatial"),
    [(80, 200, 12, 16), (80, 10, 12, 16), (20, 200, 40, 30), (20, 25, 40, 64), (300, 500, 30, 1)],
)
def test_equals_metrics_of_resampled_rows(monkeypatch, chunk, num, num_reference, pool, spatial):
    monkeypatch.setattr(bootstrap, "CHUNK", chunk)
    features, inside = samples(num, pool, spatial), manifold(num)
    if spatial == 1:
        features.spatial[:] = np.random.default_rng(7).random((num, 1))
    real, real_spatial = reference(num_reference, pool), reference(num_reference, spatial)
    got = bootstrap_metrics(features, real, real_spatial, inside, replicates=6, seed=3)
    assert set(got) == {"inception_score", "fid", "sfid", "precision", "recall"}
    for i, rows in enumerate(rows_of(num, 6, 3, 0)):
        fid = frechet_distance(real, feature_statistics(features.pool[rows]))
        sfid = frechet_distance(real_spatial, feature_statistics(features.spatial[rows]))
        assert got["fid"][i] == pytest.approx(fid, rel=1e-6, abs=1e-9)
        assert got["sfid"][i] == pytest.approx(sfid, rel=1e-6, abs=1e-9)
        assert got["inception_score"][i] == pytest.approx(inception_score(features.logits[rows]), rel=1e-12)
        assert got["precision"][i] == pytest.approx(inside.inside_reference[rows].mean(), rel=1e-12)
    for i, rows in enumerate(rows_of(70, 6, 3, 1)):
        assert got["recall"][i] == pytest.approx(inside.inside_samples[rows].mean(), rel=1e-12)


def test_chunks_of_the_inception_score_stay_apart(monkeypatch):
    monkeypatch.setattr(bootstrap, "SPLIT_SIZE", 30)
    num = 61  # the last chunk is one row, and often not drawn at all
    features = samples(num)
    got = bootstrap_metrics(features, reference(50, 12), reference(50, 16), manifold(num), 20, seed=4)
    empty = 0
    for i, rows in enumerate(rows_of(num, 20, 4, 0)):
        scores = []
        for start in (0, 30, 60):
            logits = features.logits[rows[(rows >= start) & (rows < start + 30)]]
            if len(logits) == 0:
                empty += 1
            else:
                scores.append(inception_score(np.repeat(logits, 2, axis=0)))  # it wants two rows
        assert got["inception_score"][i] == pytest.approx(np.mean(scores), rel=1e-12)
    assert 0 < empty < 20


def test_sure_classes_give_the_limits():
    features = samples(40)
    features.logits[:] = 1.0e4 * np.eye(10)[np.arange(40) % 10]  # probabilities underflow to zero
    got = bootstrap_metrics(features, reference(50, 12), reference(50, 16), manifold(40), 50, seed=0)
    assert (got["inception_score"] <= 10 + 1e-9).all()
    assert (got["inception_score"] > 6).all()
    features.logits[:] = 1.0e4 * np.eye(10)[0]
    got = bootstrap_metrics(features, reference(50, 12), reference(50, 16), manifold(40), 50, seed=0)
    np.testing.assert_allclose(got["inception_score"], 1.0)


def test_spread_of_fractions_is_binomial():
    num, num_points, replicates = 150, 90, 4000
    inside = manifold(num, num_points)
    got = bootstrap_metrics(samples(num, 2, 2), reference(9, 2), reference(9, 2), inside, replicates, seed=5)
    for name, n in (("precision", num), ("recall", num_points)):
        p = getattr(inside, name)
        deviation = np.sqrt(p * (1 - p) / n)
        assert got[name].std() == pytest.approx(deviation, rel=0.06)  # five standard errors
        assert got[name].mean() == pytest.approx(p, abs=5 * deviation / np.sqrt(replicates))


def test_spread_of_a_distance_dominated_by_the_mean():
    """Of |m - mu|^2 with a distant mu, the delta method gives the deviation: 2 |m - mu| times the mean's."""
    num = 400
    features = samples(num, 2, 2)
    features.pool[:] = np.random.default_rng(8).standard_normal((num, 2))
    far = FeatureStatistics(mu=np.array([1000.0, 0.0]), sigma=np.eye(2))
    got = bootstrap_metrics(features, far, reference(9, 2), manifold(num), 4000, seed=6)["fid"]
    assert got.std() == pytest.approx(2 * 1000 * features.pool[:, 0].std() / np.sqrt(num), rel=0.06)


def test_samples_of_one_size_are_resampled_alike():
    real, real_spatial, inside = reference(60, 12), reference(60, 16), manifold(50)
    first = bootstrap_metrics(samples(50), real, real_spatial, inside, 30, seed=1)
    again = bootstrap_metrics(samples(50, seed=9), real, real_spatial, inside, 10, seed=1)
    other = bootstrap_metrics(samples(50), real, real_spatial, inside, 30, seed=2)
    np.testing.assert_array_equal(first["precision"][:10], again["precision"])
    np.testing.assert_array_equal(first["recall"][:10], again["recall"])
    assert not np.array_equal(first["precision"], other["precision"])
    shifted = samples(50)
    shifted = Features(pool=shifted.pool + np.float32(0.5), spatial=shifted.spatial, logits=shifted.logits)
    moved = bootstrap_metrics(shifted, real, real_spatial, inside, 30, seed=1)
    # Paired, a shift moves every replicate by nearly the same: far less than they differ among themselves.
    assert np.std(moved["fid"] - first["fid"]) < np.std(moved["fid"])
    for name in ("sfid", "inception_score"):
        np.testing.assert_array_equal(moved[name], first[name])


def test_many_spatial_dimensions_leave_sfid_out(monkeypatch):
    monkeypatch.setattr(bootstrap, "MOST_SPATIAL_DIMENSIONS", 15)
    got = bootstrap_metrics(samples(30), reference(60, 12), reference(60, 16), manifold(30), 2, seed=0)
    assert set(got) == {"inception_score", "fid", "precision", "recall"}


def test_arguments_are_left_alone():
    features, real = samples(30), reference(60, 12)
    before = features.pool.copy(), real.sigma.copy()
    bootstrap_metrics(features, real, reference(60, 16), manifold(30), 2, seed=0)
    np.testing.assert_array_equal(features.pool, before[0])
    np.testing.assert_array_equal(real.sigma, before[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool": reference(60, 11)}, "features of 12 dimensions, expected 11"),
        ({"spatial": reference(60, 15)}, "features of 16 dimensions, expected 15"),
        ({"manifold": manifold(29)}, "manifold of 29 samples, expected 30"),
        ({"replicates": 0}, "replicates is 0"),
        (
            {"samples": Features(pool=drawn(30, 12, 0), spatial=drawn(29, 16, 0), logits=drawn(30, 10, 0))},
            "spatial features of 29 samples, expected 30",
        ),
        (
            {"samples": Features(pool=np.full((30, 12), np.nan), spatial=drawn(30, 16, 0), logits=drawn(30, 10, 0))},
            "pooled features hold NaN",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    arguments = {
        "samples": samples(30),
        "pool": reference(60, 12),
        "spatial": reference(60, 16),
        "manifold": manifold(30),
        "replicates": 2,
        "seed": 0,
    }
    with pytest.raises(ValueError, match=message):
        bootstrap_metrics(**(arguments | changes))
