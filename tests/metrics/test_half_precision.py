import numpy as np
import pytest

from adm.metrics import half_precision
from adm.metrics.half_precision import half_precision_recall
from adm.metrics.manifold import PrecisionRecall, precision_recall


def block_distances(u, v):
    """The reference's steps on a block, in numpy's own float16."""

    def formula(u, v):
        norms_u, norms_v = (np.square(x).sum(axis=1, dtype=np.float32).astype(x.dtype) for x in (u, v))
        product = (u.astype(np.float32) @ v.astype(np.float32).T).astype(u.dtype)
        return np.maximum(norms_u[:, None] - u.dtype.type(2) * product + norms_v, u.dtype.type(0))

    with np.errstate(over="ignore", invalid="ignore"):
        half = formula(u.astype(np.float16), v.astype(np.float16))
    assert half.dtype == np.float16
    return half.astype(np.float32) if np.isfinite(half).all() else formula(u, v)


def oracle(reference, samples, neighbours, block):
    """Every distance at once, of whole blocks."""

    def distances(u, v):
        starts = [range(0, len(x), block) for x in (u, v)]
        return np.block([[block_distances(u[i : i + block], v[j : j + block]) for j in starts[1]] for i in starts[0]])

    real, fake = (np.asarray(x, dtype=np.float32) for x in (reference, samples))
    real_radii, fake_radii = (np.sort(distances(x, x), axis=1)[:, neighbours] for x in (real, fake))
    between = distances(real, fake)
    return PrecisionRecall(
        inside_reference=(between <= real_radii[:, None]).any(axis=0),
        inside_samples=(between <= fake_radii).any(axis=1),
    )


def pooled(num, dimension, seed, spread=1.0):
    """Features like an extractor's: not negative, correlated, of squared norms in the hundreds."""
    rng = np.random.default_rng(seed)
    mixed = spread * rng.standard_normal((num, 12)) @ np.random.default_rng(99).standard_normal((12, dimension))
    return np.maximum(0.6 + 0.2 * mixed + 0.2 * rng.standard_normal((num, dimension)), 0.0).astype(np.float32)


def assert_same(got, expected):
    np.testing.assert_array_equal(got.inside_reference, expected.inside_reference)
    np.testing.assert_array_equal(got.inside_samples, expected.inside_samples)


def integers(num, seed, divisor=8.0):
    """Fractions of many magnitudes: every step rounds in float16, and no float32 sum depends on its order."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, rng.integers(2, 160, (num, 1)), (num, 100)) / divisor).astype(np.float32)


@pytest.mark.parametrize("divisor", [8.0, 4.0, 2.0])  # finite, an overflow of the product alone, of the norms as well
def test_distances_equal_the_reference_steps(divisor):
    u, v = integers(60, 0, divisor), integers(50, 1, divisor)
    expected = block_distances(u, v)
    got = half_precision._distances(u, v)
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == np.float32
    assert (got == 0).any() == (divisor == 4.0)
    exact = np.square(u[:, None] - v, dtype=np.float64).sum(axis=-1)
    assert (got == exact).all() == (divisor == 2.0)
    assert (got == block_distances(v, u).T).all() == (divisor == 2.0)


@pytest.mark.parametrize("block", [9, 64, 10000])
@pytest.mark.parametrize("neighbours", [1, 3, 10])
def test_equals_the_reference_steps(block, neighbours):
    # Multiples of 1/8: no sum depends on its order, in whatever order this machine multiplies matrices.
    real, fake = (np.round(8 * pooled(num, 200, num, spread)) / 8 for num, spread in ((150, 1.0), (130, 0.9)))
    got = half_precision_recall(real, fake, neighbours, block)
    assert_same(got, oracle(real, fake, neighbours, block))
    assert 0 < got.recall < 1


@pytest.mark.parametrize("block", [9, 32, 10000])
@pytest.mark.parametrize("scale", [20, 34, 40])
def test_equals_the_reference_steps_where_blocks_overflow(block, scale):
    rng = np.random.default_rng(0)
    real, fake = (np.round(scale * rng.standard_normal((num, 40))) for num in (60, 50))
    overflowing = (np.square(np.concatenate([real, fake])).sum(axis=1) > 65504).mean()
    assert_same(half_precision_recall(real, fake, 3, block), oracle(real, fake, 3, block))
    assert {20: overflowing == 0, 34: 0 < overflowing < 0.1, 40: overflowing > 0.3}[scale]


def test_rounding_in_strips_changes_nothing(monkeypatch):
    real, fake = pooled(80, 100, 1), pooled(70, 100, 2)
    whole = half_precision_recall(real, fake)
    monkeypatch.setattr(half_precision, "STRIP", 7)
    assert_same(half_precision_recall(real, fake), whole)


def test_neighbours_of_integers_round_away():
    """64^2 - 2 * 64 * 65 + 65^2 is 1, but 65^2 = 4225 rounds to 4224 where float16 steps by 4."""
    real, fake = np.full((4, 1), 64.0), np.full((4, 1), 65.0)
    assert half_precision_recall(real, fake).precision == 1.0
    assert precision_recall(real, fake).precision == 0.0


def test_the_reference_comes_first():
    """45^2 - 2 * 45 * 46 is -2115, which rounds to -46^2: a distance of 0. 46^2 - 4140 + 45^2 is 1 without rounding."""
    real, fake = np.full((4, 1), 45.0), np.full((4, 1), 46.0)
    for there, back in ((real, fake), (fake, real)):
        got = half_precision_recall(there, back)
        assert got.precision == got.recall == float(there is real)


def test_a_block_that_overflows_is_float32_as_a_whole():
    """300^2 does not fit float16: beside 300, 65 is told from 64; in a block of its own it is not."""
    real = np.array([64.0, 64.0, 64.0, 64.0])[:, None]
    fake = np.array([65.0, 65.0, 65.0, 65.0, 300.0, 300.0, 300.0, 300.0])[:, None]
    apart, together = half_precision_recall(real, fake, block=4), half_precision_recall(real, fake, block=8)
    np.testing.assert_array_equal(apart.inside_reference, [True] * 4 + [False] * 4)
    np.testing.assert_array_equal(together.inside_reference, [False] * 8)
    assert (apart.recall, together.recall) == (1.0, 0.0)


def test_an_overflow_of_the_product_alone_is_a_distance_of_zero():
    """200^2 and 220^2 fit float16, twice 200 * 220 does not: |u|^2 - infinity, held at zero, is finite."""
    real, fake = np.full((4, 1), 200.0), np.full((4, 1), 220.0)
    assert half_precision_recall(real, fake).precision == 1.0
    assert half_precision_recall(real, np.full((4, 1), 300.0)).precision == 0.0


def test_a_point_counts_itself_among_its_neighbours():
    real = np.array([[0.0], [1.0], [2.0], [3.0]])  # small integers are exact: the radii are 3, 2, 2, 3
    assert half_precision_recall(real, np.full((4, 1), 6.0)).precision == 1.0
    assert half_precision_recall(real, np.full((4, 1), 6.5)).precision == 0.0


def test_it_is_near_the_exact_fractions_and_not_equal():
    real, fake = pooled(1500, 512, 3), pooled(1500, 512, 4, spread=0.95)
    exact, half = precision_recall(real, fake), half_precision_recall(real, fake)
    assert half.precision == pytest.approx(exact.precision, abs=0.004)
    assert half.recall == pytest.approx(exact.recall, abs=0.004)
    assert 0.1 < exact.recall < 0.9
    changed = [
        (exact.inside_reference != half.inside_reference).sum(),
        (exact.inside_samples != half.inside_samples).sum(),
    ]
    assert max(changed) > 0


def test_arguments_are_left_alone():
    real, fake = pooled(20, 8, 5), pooled(20, 8, 6)
    before = real.copy(), fake.copy()
    half_precision_recall(real, fake, block=7)
    np.testing.assert_array_equal(real, before[0])
    np.testing.assert_array_equal(fake, before[1])


@pytest.mark.parametrize(
    ("real", "fake", "options", "message"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), {}, "2 and 3 dimensions"),
        (np.zeros((3, 2)), np.zeros((5, 2)), {}, "reference features hold 3 points, expected more than 3"),
        (np.zeros((5, 2)), np.zeros((3, 2)), {}, "sample features hold 3 points, expected more than 3"),
        (np.zeros((5, 2)), np.full((5, 2), np.nan), {}, "sample features hold NaN"),
        (np.full((5, 2), -1e18), np.zeros((5, 2)), {}, r"reference features hold values beyond 1e\+17"),
        (np.zeros((5, 2)), np.zeros((5, 2)), {"neighbours": 0}, "neighbours is 0"),
        (np.zeros((5, 2)), np.zeros((5, 2)), {"block": 0}, "block is 0"),
    ],
)
def test_bad_input_is_refused(real, fake, options, message):
    with pytest.raises(ValueError, match=message):
        half_precision_recall(real, fake, **options)
