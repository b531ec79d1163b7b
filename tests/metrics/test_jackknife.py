"""The jackknife of every metric is computed as of the samples that remain, and its spread is that between sets."""

import numpy as np
import pytest

from adm.config.metrics import FEWEST_FOR_INTERVALS, METRICS
from adm.metrics.features import Features
from adm.metrics.frechet import frechet_distance
from adm.metrics.intervals import Block, freedom_of
from adm.metrics.jackknife import PARTS, Jackknife, halves_of, jackknife, of_halves, parts_of, sets_left_out
from adm.metrics.manifold import precision_recall, recall_of_halves
from adm.metrics.scores import SPREADS, MetricInputs, scores, with_intervals
from adm.metrics.statistics import feature_statistics

NAMES = [name for name, metric in METRICS.items() if metric.intervals]


def features(count, dimensions, seed, shift=0.0, logits=5):
    """Like an extractor's: correlated, not negative, some always zero."""
    rng = np.random.default_rng(seed)
    mixed = np.random.default_rng(99).standard_normal((dimensions, dimensions)) / np.sqrt(dimensions)
    pool = np.maximum(0.5 + shift + rng.standard_normal((count, dimensions)) @ mixed, 0)
    pool[:, ::7] = 0
    spatial, logits = rng.standard_normal((count, dimensions + 1)), 3 * rng.standard_normal((count, logits))
    return Features(*(array.astype(np.float32) for array in (pool, spatial + shift, logits)))


def inputs_of(count, dimensions, real=70, seed=0, shift=0.2):
    reference = features(real, dimensions, 50)
    statistics = feature_statistics(reference.pool), feature_statistics(reference.spatial)
    return MetricInputs(
        features(count, dimensions, seed, shift), *statistics, reference, features(30, dimensions, 51).pool
    )


def computed_anew(inputs, name, left_out):
    kept = np.flatnonzero(~np.isin(parts_of(len(inputs.samples.pool)), left_out))
    return scores(inputs.kept(kept), [name])[name]


@pytest.mark.parametrize(("count", "dimensions"), [(97, 12), (40, 60), (17, 3), (8, 3)])
@pytest.mark.parametrize(
    # That of KID against held-out images is of their draw, too, and has a test beside the kernel's.
    "name",
    [name for name in NAMES if name not in ("recall", "fid_infinity", "coverage", "kid_held_out")],
)
def test_what_is_told_of_parts_is_computed_of_the_samples_that_remain(name, count, dimensions):
    inputs = inputs_of(count, dimensions)
    value = scores(inputs, [name])[name]
    got = SPREADS[name](inputs, value)
    linear = len(got.pairs) == 0
    remaining = [computed_anew(inputs, name, left_out) for left_out in sets_left_out(count, pairs=not linear)]
    expected = jackknife(value, np.array(remaining), count)
    scale = np.ptp(expected.values)
    np.testing.assert_allclose(got.values, expected.values, atol=1e-4 * scale)
    np.testing.assert_allclose(got.pairs, expected.pairs, atol=1e-3 * scale)
    assert got.values.mean() == pytest.approx(value, rel=1e-6, abs=1e-9)


def test_halves_have_the_recall_of_their_samples():
    inputs = inputs_of(50, 4)
    halves, points = halves_of(50), np.random.default_rng(3).random((30, 70)) < 0.5
    got = recall_of_halves(inputs.real.pool, inputs.samples.pool, halves, points)
    for half, asked, share in zip(halves, points, got, strict=True):
        inside = precision_recall(inputs.real.pool, inputs.samples.pool[half]).inside_samples
        assert share == inside[asked].mean()


def test_a_subset_of_fid_infinity_loses_its_part():
    inputs, seed, sizes = inputs_of(90, 5), 0, 15
    got = SPREADS["fid_infinity"](inputs, scores(inputs, ["fid_infinity"])["fid_infinity"]).values
    rng, parts, points = np.random.default_rng(seed), parts_of(90), []
    for size in np.linspace(9, 90, sizes).astype(int):
        chosen = np.sort(rng.permutation(90)[:size])
        kept = [chosen[parts[chosen] != part] for part in range(PARTS)]
        rows = [inputs.samples.pool[each] for each in kept]
        fids = [frechet_distance(inputs.pool_statistics, feature_statistics(each)) for each in rows]
        points.append(list(zip(map(len, kept), fids, strict=True)))
    lines = [np.array(line).T for line in zip(*points, strict=True)]
    without = [np.polyfit(1 / sizes, fids, 1)[1] for sizes, fids in lines]
    np.testing.assert_allclose(got - got.mean(), (PARTS - 1) * (np.mean(without) - without), rtol=1e-6, atol=1e-8)


def told_over_true(found):
    """The deviation that is told, root mean square, over the true one, of values with their spreads."""
    told = np.sqrt(np.mean([spread.variance for _, spread in found]))
    return told / np.std([value for value, _ in found])


# Exact for sixteen parts: around zero the variance is told 2.35 times as large without pairs, 1.41 times with them.
@pytest.mark.parametrize(("offset", "told", "plain"), [(0.0, np.sqrt(1.41), np.sqrt(2.35)), (1.0, 1.0, 1.0)])
def test_a_quadratic_metric_has_the_true_spread_far_from_zero_and_nearly_so_around_it(offset, told, plain):
    """The squared length of the mean."""
    kept = np.stack([~np.isin(parts_of(96), left_out) for left_out in sets_left_out(96)])
    found = []
    for trial in range(400):
        rows = offset + np.random.default_rng([7, trial]).standard_normal((96, 20))
        value = np.square(rows.mean(axis=0)).sum()
        remaining = kept @ rows / kept.sum(axis=1, keepdims=True)
        found.append((value, jackknife(value, np.square(remaining).sum(axis=1), 96)))
    assert told_over_true(found) == pytest.approx(told, abs=0.1)
    # The error that pairs mend is there.
    without_pairs = [(value, Jackknife(spread.values, np.zeros(0))) for value, spread in found]
    assert told_over_true(without_pairs) == pytest.approx(plain, abs=0.1)


@pytest.mark.parametrize(
    ("name", "shift"), [(name, shift) for name in NAMES for shift in (0.0, 0.5) if (name, shift) != ("coverage", 0.0)]
)
def test_the_spread_of_every_metric_is_that_between_sets_of_samples(name, shift):
    reference = features(200, 4, 50)
    statistics = feature_statistics(reference.pool), feature_statistics(reference.spatial)

    found = []
    for trial in range(150):
        samples, held_out = np.random.default_rng([7, trial]).integers(1 << 30, size=2)
        drawn = features(160, 4, int(samples), shift), features(100, 4, int(held_out)).pool
        values, spreads = with_intervals(MetricInputs(drawn[0], *statistics, reference, drawn[1]), [name])
        found.append((values[name], spreads[name]))
    # Of two sets of one distribution the second order is all there is; that of most references has a first one.
    expected = np.sqrt(1.41) if (name, shift) == ("kid_held_out", 0.0) else 1
    assert told_over_true(found) == pytest.approx(expected, abs=0.25)


def test_the_standard_errors_of_metrics_are_those_of_their_jackknife():
    found, spreads = with_intervals(inputs_of(60, 4), NAMES)
    errors = {name: METRICS[name].error for name in NAMES if METRICS[name].error}
    assert set(errors) == {"fid_infinity", "kid", "kid_held_out", "density", "coverage"}
    for name, error in errors.items():
        assert found[error] == pytest.approx(np.sqrt(spreads[name].variance))
        assert found[error] > 0


def test_too_few_samples_have_no_intervals_and_no_errors():
    found, spreads = with_intervals(inputs_of(FEWEST_FOR_INTERVALS - 1, 3), NAMES)
    assert not spreads
    assert found["fid"] is not None
    assert found["kid_standard_error"] is None
    assert set(with_intervals(inputs_of(FEWEST_FOR_INTERVALS, 3), ["fid", "recall"])[1]) == {"fid", "recall"}


def test_many_spatial_dimensions_leave_sfid_out(monkeypatch):
    monkeypatch.setattr("adm.metrics.scores.MOST_SPATIAL_DIMENSIONS", 4)
    assert set(with_intervals(inputs_of(40, 4), ["fid", "sfid"])[1]) == {"fid"}


def test_halves_are_balanced():
    halves = halves_of(160)
    assert halves.shape == (30, 160)
    assert (halves.sum(axis=1) == 80).all()
    assert (halves[:15] ^ halves[15:]).all()
    shared = (halves[:15].astype(int) @ halves[:15].T)[np.triu_indices(15, 1)]
    assert (shared == 40).all()


def test_a_mean_has_the_same_spread_by_halves_as_by_parts():
    values = np.random.default_rng(1).standard_normal(160)
    by_halves = of_halves(values.mean(), np.array([values[half].mean() for half in halves_of(160)]), 160)
    parts = parts_of(160)
    without = np.array([values[~np.isin(parts, left_out)].mean() for left_out in sets_left_out(160, pairs=False)])
    assert by_halves.variance == pytest.approx(jackknife(values.mean(), without, 160).variance)


@pytest.mark.parametrize("weights", [[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]])
def test_degrees_of_freedom_are_satterthwaites_also_of_a_difference(weights):
    rng = np.random.default_rng(0)
    values, pairs = rng.standard_normal((PARTS, 2)), 0.006 * rng.standard_normal((PARTS * (PARTS - 1) // 2, 2))
    # The variance of the mean is known as that of s^2 / n, and what is left of it is as uncertain: 2 E^2 / Var.
    whole = (values @ weights).var(ddof=1) / PARTS
    left = whole - np.square(pairs @ weights).sum()
    assert 0.5 * whole < left < 0.95 * whole
    expected = pytest.approx(2 * left**2 / (2 * whole**2 / (PARTS - 1)), rel=1e-6)
    assert Block(values, pairs).freedom(np.array(weights)) == expected
    if weights[1] < 0:
        assert freedom_of([Block(values, pairs)]) == expected
