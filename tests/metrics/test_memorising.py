"""Metrics of memorising: 0.5 without, more with each copied image, with a standard error that covers as it says."""

import numpy as np
import pytest

from adm.metrics.features import Features
from adm.metrics.memorising import copies, distance_ratio, nearer, nearer_of_real
from adm.metrics.scores import MetricInputs
from adm.metrics.statistics import feature_statistics

TRAINING, SAMPLES = 120, 80


def rows(rng, count):
    return rng.standard_normal((count, 3)).astype(np.float32)


def inputs_of(samples, training, held_out):
    def features(pool):
        return Features(pool, pool, pool)

    return MetricInputs(features(samples), feature_statistics(training), None, features(training), held_out)


@pytest.mark.parametrize(("dimensions", "training", "held_out"), [(2, 60, 20), (16, 60, 60), (6, 80, 20), (6, 30, 90)])
@pytest.mark.parametrize("copied", [0.0, 0.1, 0.5])
def test_planted_copies_give_the_share_that_equally_many_held_out_images_would(dimensions, training, held_out, copied):
    rng, trials = np.random.default_rng(7), 120
    found, equal = np.empty((trials, 2)), np.empty(trials)
    for trial in range(trials):
        images, others, as_many, samples = (
            rng.standard_normal((count, dimensions)).astype(np.float32)
            for count in (training, held_out, training, SAMPLES)
        )
        copies = np.flatnonzero(rng.random(SAMPLES) < copied)
        samples[copies] = images[rng.integers(training, size=len(copies))] + np.float32(1e-4)
        found[trial], equal[trial] = nearer(samples, images, others), nearer(samples, images, as_many)[0]
    share, error = found.T
    for of, truth in ((share, (1 + copied) / 2), (equal, (1 + copied) / 2), (share - equal, 0)):
        assert abs(of.mean() - truth) < 3.5 * of.std() / trials**0.5
    assert np.sqrt((error**2).mean()) == pytest.approx(share.std(), rel=0.25)
    assert np.mean(np.abs(share - (1 + copied) / 2) < 1.96 * error) > 0.85


def test_the_share_is_that_of_the_nearest_image_by_brute_force():
    rng = np.random.default_rng(1)
    samples, training, held_out = (rows(rng, n) for n in (50, 20, 20))
    images = np.concatenate([training, held_out])
    nearest = np.linalg.norm(samples[:, None] - images, axis=2).argmin(axis=1)
    assert nearer(samples, training, held_out)[0] == pytest.approx(np.mean(nearest < 20))


def test_each_copy_raises_the_share_and_lowers_the_ratio():
    rng = np.random.default_rng(3)
    training, held_out, others = rows(rng, TRAINING), rows(rng, TRAINING), rows(rng, SAMPLES)
    shares, ratios = [], []
    for planted in (0, SAMPLES // 2, SAMPLES):
        samples = np.concatenate([training[:planted], others[planted:]])
        shares.append(nearer(samples, training, held_out)[0])
        ratios.append(distance_ratio(inputs_of(samples, training, held_out)))
    assert shares[0] < shares[1] < shares[2] == 1.0
    assert ratios[0] > ratios[1] > ratios[2] == 0.0
    assert nearer(held_out[:40], training, held_out)[0] == 0.0


def test_an_image_in_both_sets_is_half_of_each():
    rng = np.random.default_rng(4)
    images = rows(rng, 40)
    assert nearer(rows(rng, 30), images, images)[0] == pytest.approx(0.5)


def test_real_images_are_as_near_to_either_set_unless_features_know_the_training_images():
    rng = np.random.default_rng(5)
    training, held_out, samples = rows(rng, 400), rows(rng, 200), rows(rng, 10)
    share, error = nearer_of_real(inputs_of(samples, training, held_out))
    assert abs(share - 0.5) < 3 * error
    # Features that push held-out images away from those trained on, which real samples then are, too.
    share, error = nearer_of_real(inputs_of(samples, training, held_out + np.float32(3)))
    assert share < 0.5 - 3 * error
    assert nearer_of_real(inputs_of(samples, training, held_out[:3])) is None


def test_the_ratio_of_real_samples_is_one_and_of_bad_ones_more():
    rng = np.random.default_rng(6)
    training, held_out, samples = (rows(rng, 600) for _ in range(3))
    assert distance_ratio(inputs_of(samples, training, held_out)) == pytest.approx(1, abs=0.1)
    assert distance_ratio(inputs_of(3 * samples, training, held_out)) > 1.5
    assert distance_ratio(inputs_of(samples, training, training.copy())) is None


@pytest.mark.parametrize("dimensions", [2, 16])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_planted_copies_are_counted_beyond_those_that_real_images_seem_to_be(dimensions, share):
    rng, found = np.random.default_rng(8), []
    for _ in range(60):
        training, held_out, samples = (rng.standard_normal((n, dimensions)) for n in (300, 100, 300))
        planted = rng.random(300) < share
        samples[planted] = training[rng.integers(300, size=planted.sum())] + 1e-4
        found.append(copies(inputs_of(*(each.astype(np.float32) for each in (samples, training, held_out)))))
    excess, error = np.array(found).T
    # Of N training and M held-out images around a sample, the nearest of N is a third as far as that of M so often.
    by_chance = 300 / (300 + 3**dimensions * 100)
    assert excess.mean() == pytest.approx(share * (1 - by_chance), abs=0.01)
    if share == 0:
        assert np.mean(excess > 2.33 * error) <= 0.05
    elif share == 0.5:
        assert np.mean(excess > 2.33 * error) == 1


def test_what_an_extractor_knows_of_the_training_images_makes_no_copies():
    rng = np.random.default_rng(9)
    training, held_out, samples = rows(rng, 400), rows(rng, 100), rows(rng, 400)
    training *= np.float32(0.5)  # which gathers them in the middle, as features of well-known images are
    share, error = copies(inputs_of(samples, training, held_out))
    assert share < 2.33 * error
