import numpy as np
import pytest

from adm.metrics import distances
from adm.metrics.jackknife import jackknife, num_parts, sets_left_out
from adm.metrics.kernel import kernel_distance


def drawn(num, dimension, seed, shift=0.0, dtype=np.float64):
    return (shift + np.random.default_rng(seed).standard_normal((num, dimension))).astype(dtype)


def double_loop(x, y):
    """Every pair by itself."""

    def kernel(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    def terms(own, other):
        return [
            np.mean([kernel(a, b) for j, b in enumerate(own) if j != i]) - np.mean([kernel(a, b) for b in other])
            for i, a in enumerate(own)
        ]

    return np.mean(terms(x, y)) + np.mean(terms(y, x))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("block", [1, 7, 20, 23, 2048])
def test_equals_a_double_loop(monkeypatch, block, dtype):
    monkeypatch.setattr(distances, "BLOCK", block)
    x, y = drawn(23, 5, 0, dtype=dtype), drawn(20, 5, 1, 0.3, dtype)
    assert kernel_distance(x, y).value == pytest.approx(double_loop(x.astype(float), y.astype(float)), rel=1e-12)


def test_small_distances_survive_large_kernels():
    """Pooled features far from zero: the distance is 1e-9 of the kernels."""
    x, y = drawn(50, 8, 12, 30.0, np.float32), drawn(50, 8, 13, 30.0, np.float32)
    value = double_loop(np.longdouble(x), np.longdouble(y))
    assert kernel_distance(x, y).value == pytest.approx(float(value), rel=1e-8)


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize(("num_x", "num_y"), [(12, 300), (300, 300), (300, 40)])
def test_the_spread_over_both_sets_is_that_of_drawing_both_anew(num_x, num_y, shift):
    draws = [kernel_distance(drawn(num_x, 4, 2 * i), drawn(num_y, 4, 2 * i + 1, shift)) for i in range(150)]
    spreads = [draw.spread_over_both() for draw in draws]
    assert [spread.values.mean() for spread in spreads] == pytest.approx([draw.value for draw in draws])
    found = np.mean([spread.variance for spread in spreads]) ** 0.5
    true = np.std([draw.value for draw in draws])
    assert found == pytest.approx(true, rel=0.3)
    # The draw of the samples alone is less, where their number is not what limits.
    alone = np.mean([jackknife(draw.value, draw.without(), num_y).variance for draw in draws]) ** 0.5
    if num_x <= num_y:
        assert alone < 0.9 * found
    print(num_x, num_y, shift, found / true, alone / true)


@pytest.mark.parametrize(("num_x", "num_y"), [(12, 30), (33, 45)])
def test_the_spread_over_both_sets_is_computed_as_of_what_remains(num_x, num_y):
    x, y = drawn(num_x, 4, 20), drawn(num_y, 4, 21, shift=0.3)
    parts = num_parts(min(num_x, num_y))
    found = []
    for left_out in sets_left_out(min(num_x, num_y)):
        own, other = (each[~np.isin(np.arange(len(each)) % parts, left_out)] for each in (x, y))
        found.append(kernel_distance(own, other).value)
    whole = kernel_distance(x, y)
    expected, got = jackknife(whole.value, np.array(found), min(num_x, num_y)), whole.spread_over_both()
    np.testing.assert_allclose(got.values, expected.values, rtol=1e-9)
    np.testing.assert_allclose(got.pairs, expected.pairs, atol=1e-9 * np.ptp(expected.values))
