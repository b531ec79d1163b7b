import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from adm.metrics import distances
from adm.metrics.distances import nearest


def brute_force(queries, points, k):
    """Every difference between every pair, in float64; a stable sort leaves equal distances in order."""
    exclude_self = queries is points
    queries, points = (np.asarray(x, dtype=np.float64) for x in (queries, points))
    squares = np.stack([np.square(query - points).sum(axis=1) for query in queries])
    if exclude_self:
        np.fill_diagonal(squares, np.inf)
    order = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return order, np.sqrt(np.take_along_axis(squares, order, axis=1))


def assert_same(got, expected):
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])
    assert got[0].dtype == np.int64
    assert got[1].dtype == np.float64


def gaussian(num, dimension, seed, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((num, dimension)).astype(dtype)


@pytest.fixture(params=[7, 64, 2048])
def block(request, monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("k", [1, 5, 150])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equals_brute_force(k, dtype):
    queries, points = gaussian(90, 16, 0, dtype), gaussian(150, 16, 1, dtype)
    assert_same(nearest(queries, points, k), brute_force(queries, points, k))


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("k", [1, 6, 99])
def test_a_point_is_not_its_own_neighbour(k):
    points = gaussian(100, 16, 4)
    assert_same(nearest(points, points, k), brute_force(points, points, k))


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("exclude_self", [False, True])
def test_copies_are_at_distance_zero_and_in_order(exclude_self):
    rng = np.random.default_rng(5)
    pool = 10 + gaussian(12, 48, 6)
    points = pool[rng.integers(0, 12, 200)]
    queries = points if exclude_self else np.concatenate([pool, np.nextafter(pool, np.float32(np.inf))])
    for k in (1, 3, 40):
        got = nearest(queries, points, k)
        assert_same(got, brute_force(queries, points, k))
    assert got[1][0, 0] == 0.0


@pytest.mark.parametrize("offset", [0.0, 1.0e4])
@pytest.mark.parametrize("spread", [1.0e-20, 1.0, 1.0e20])
def test_far_from_the_origin_and_at_any_magnitude(offset, spread):
    queries = (offset + gaussian(60, 32, 7, np.float64)) * spread
    points = (offset + gaussian(130, 32, 8, np.float64)) * spread
    assert_same(nearest(queries, points, 3), brute_force(queries, points, 3))


def grid(min_rows, max_rows):
    shape = st.tuples(st.integers(min_rows, max_rows), st.just(2))
    return hnp.arrays(np.float32, shape, elements=st.integers(-2, 2).map(float))


@settings(max_examples=150, deadline=None)
@given(grid(2, 8), grid(6, 20), st.integers(1, 5), st.booleans())
def test_ties_everywhere(queries, points, k, exclude_self):
    if exclude_self:
        queries = points
    assert_same(nearest(queries, points, k), brute_force(queries, points, k))
