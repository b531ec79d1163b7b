from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch_fidelity import metric_prc

from adm.metrics import distances
from adm.metrics.manifold import PrecisionRecall, precision_recall


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 50)


def oracle(reference, samples, neighbours=3):
    """Every difference between every pair, in float64."""
    real, fake = (np.asarray(x, dtype=np.float64) for x in (reference, samples))

    def distances(a, b):
        return np.stack([np.square(row - b).sum(axis=1) for row in a])

    def radii(a):
        own = distances(a, a)
        np.fill_diagonal(own, np.inf)
        return np.sort(own, axis=1)[:, neighbours - 1]

    between = distances(fake, real)
    real_radii, fake_radii = radii(real), radii(fake)[:, None]
    return PrecisionRecall(
        inside_reference=(between <= real_radii).any(axis=1), inside_samples=(between <= fake_radii).any(axis=0)
    )


def assert_same(got, expected):
    np.testing.assert_array_equal(got.inside_reference, expected.inside_reference)
    np.testing.assert_array_equal(got.inside_samples, expected.inside_samples)
    assert got.precision == expected.inside_reference.mean()
    assert got.recall == expected.inside_samples.mean()


def gaussian(num, dimension, seed, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((num, dimension)).astype(dtype)


@pytest.mark.parametrize("block", [7, 50, 64, 2048])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equals_brute_force_on_random_points(monkeypatch, block, dtype):
    monkeypatch.setattr(distances, "BLOCK", block)
    real, fake = gaussian(150, 16, 0, dtype), 0.9 * gaussian(170, 16, 1, dtype)
    assert_same(precision_recall(real, fake), oracle(real, fake))


@pytest.mark.parametrize("neighbours", [1, 3, 9])
def test_equals_brute_force_at_other_neighbour_counts(neighbours):
    real, fake = gaussian(100, 8, 2), gaussian(100, 8, 3)
    assert_same(precision_recall(real, fake, neighbours), oracle(real, fake, neighbours))


@pytest.mark.parametrize("offset", [0.0, 1.0e3, 1.0e6])
@pytest.mark.parametrize("spread", [1.0e-20, 1.0, 1.0e20])
def test_equals_brute_force_far_from_the_origin_and_at_any_magnitude(offset, spread):
    real = (offset + gaussian(120, 32, 4, np.float64)) * spread
    fake = (offset + gaussian(130, 32, 5, np.float64)) * spread
    assert_same(precision_recall(real, fake), oracle(real, fake))


def test_equals_brute_force_at_two_magnitudes_at_once():
    real = np.concatenate([gaussian(60, 8, 6), 1e-4 * gaussian(60, 8, 7)])
    fake = np.concatenate([gaussian(60, 8, 8), 1e-4 * gaussian(60, 8, 9)])
    assert_same(precision_recall(real, fake), oracle(real, fake))


def test_equals_brute_force_with_copies():
    pool = gaussian(25, 48, 10)
    rng = np.random.default_rng(11)
    real = pool[rng.integers(0, 25, 200)]
    nearly = np.nextafter(pool[:5], np.float32(np.inf))  # off by a bit: outside every ball of radius zero
    fake = np.concatenate([pool[rng.integers(0, 25, 100)], nearly, gaussian(20, 48, 12)])
    got = precision_recall(real, fake)
    assert_same(got, oracle(real, fake))
    assert 0.75 < got.precision < 1.0


def test_a_ball_of_radius_zero_holds_exactly_its_centre():
    point = np.float32([0.1, 0.7, 1.0e3])
    real = np.tile(point, (4, 1))
    fake = np.concatenate([np.tile(point, (4, 1)), np.nextafter(real, np.float32(0))])
    assert precision_recall(real, fake).precision == 0.5


def test_the_boundary_belongs_to_the_ball():
    real = np.array([[0.0], [1.0], [2.0], [3.0]])  # the third neighbours reach 3, 2, 2, 3
    assert precision_recall(real, np.array([[6.0], [6.0], [6.0], [6.0]])).precision == 1.0
    assert precision_recall(real, np.full((4, 1), np.nextafter(6.0, 7.0))).precision == 0.0


def test_a_set_covers_itself():
    points = gaussian(80, 64, 13)
    for copy in (points, points.copy()):
        got = precision_recall(points, copy)
        assert (got.precision, got.recall) == (1.0, 1.0)


def test_swapping_the_sets_swaps_the_fractions():
    real, fake = gaussian(90, 6, 14), 0.5 * gaussian(110, 6, 15)
    there, back = precision_recall(real, fake), precision_recall(fake, real)
    assert (there.precision, there.recall) == (back.recall, back.precision)


def points_on_a_grid(min_rows):
    shape = st.tuples(st.integers(min_rows, 14), st.just(2))
    return hnp.arrays(np.float32, shape, elements=st.integers(-2, 2).map(float))


@settings(max_examples=150, deadline=None)
@given(points_on_a_grid(4), points_on_a_grid(4), st.integers(1, 3), st.integers(1, 15))
def test_equals_brute_force_with_ties_everywhere(real, fake, neighbours, block):
    with patch.object(distances, "BLOCK", block):
        assert_same(precision_recall(real, fake, neighbours), oracle(real, fake, neighbours))


def test_ties_beyond_the_spare_candidates_are_measured_again(monkeypatch):
    real = np.random.default_rng(16).integers(0, 3, (200, 5))
    fake = np.random.default_rng(17).integers(0, 3, (200, 5)) + 0.5
    asked = []
    measured = distances._measured
    monkeypatch.setattr(distances, "_measured", lambda *args: asked.append(len(args[1])) or measured(*args))
    assert_same(precision_recall(real, fake), oracle(real, fake))
    assert asked


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
    precision_recall(real, fake)
    assert sum(counts) < 800 * (3 + distances.SPARE_CANDIDATES) + 100


def test_intervals_hold_the_true_distances():
    real, fake = 5 + gaussian(60, 300, 20), 5 + gaussian(50, 300, 21)
    a, b = distances.clouds(real, fake)
    product = 2 * a.points.astype(np.float64) @ b.points.astype(np.float64).T
    truth = np.stack([np.square(x - fake.astype(np.float64)).sum(axis=1) for x in real.astype(np.float64)])
    truth *= a.scale
    low = a.low.astype(np.float64)[:, None] + b.low - product
    high = a.high.astype(np.float64)[:, None] + b.high - product
    assert (low <= truth).all()
    assert (truth <= high).all()
    assert ((high - low) < 1e-3 * truth).all()


def test_equals_torch_fidelity():
    real, fake = gaussian(200, 12, 22, np.float64), 0.8 * gaussian(180, 12, 23, np.float64)
    theirs = metric_prc.prc_features_to_metric(
        torch.from_numpy(fake),
        torch.from_numpy(real),
        prc_neighborhood=3,
        prc_batch_size=100,
        save_cpu_ram=False,
        verbose=False,
    )
    got = precision_recall(real, fake)
    assert got.precision == pytest.approx(theirs["precision"], abs=1e-6)
    assert got.recall == pytest.approx(theirs["recall"], abs=1e-6)


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), "2 and 3 dimensions"),
        (np.zeros((3, 2)), np.zeros((5, 2)), "reference hold 3 points, expected more than 3"),
        (np.zeros((5, 2)), np.zeros((3, 2)), "samples hold 3 points, expected more than 3"),
        (np.zeros((1, 2)), np.zeros((5, 2)), "at least 2"),
        (np.zeros((5, 2)), np.full((5, 2), np.nan), "sample features hold NaN"),
        (np.zeros(5), np.zeros((5, 2)), "reference features have shape"),
    ],
)
def test_bad_input_is_refused(real, fake, message):
    with pytest.raises(ValueError, match=message):
        precision_recall(real, fake)
