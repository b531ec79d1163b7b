import numpy as np
import pytest

from adm.metrics.manifold import precision_recall
from adm.metrics.per_class import per_class_precision_recall


def drawn(num, seed, spread=1.0):
    rng = np.random.default_rng(seed)
    return (spread * rng.standard_normal((num, 6))).astype(np.float32), rng.integers(0, 4, num) * 10 - 10


def test_equals_precision_and_recall_of_the_class():
    real, real_labels = drawn(120, 0)
    fake, fake_labels = drawn(100, 1, spread=0.8)
    got = per_class_precision_recall(real, real_labels, fake, fake_labels, neighbours=4)
    assert list(got) == [-10, 0, 10, 20]
    for label, of_class in got.items():
        expected = precision_recall(real[real_labels == label], fake[fake_labels == label], neighbours=4)
        np.testing.assert_array_equal(of_class.inside_reference, expected.inside_reference)
        np.testing.assert_array_equal(of_class.inside_samples, expected.inside_samples)
    assert len({of_class.precision for of_class in got.values()}) > 1


def test_classes_do_not_see_each_other():
    """Samples with each other's labels: perfect together, and worthless class by class."""
    points = np.concatenate([drawn(30, 2)[0], 100 + drawn(30, 3)[0]])
    labels = np.repeat([0, 1], 30)
    assert precision_recall(points, points).precision == 1.0
    got = per_class_precision_recall(points, labels, points, 1 - labels)
    assert [of_class.precision for of_class in got.values()] == [0.0, 0.0]
    assert per_class_precision_recall(points, labels, points, labels)[1].recall == 1.0


def test_classes_of_too_few_points_have_none():
    real, fake = drawn(20, 4)[0], drawn(20, 5)[0]
    real_labels = np.repeat([0, 1, 2, 3], [9, 3, 4, 4])
    fake_labels = np.repeat([0, 1, 2, 5], [3, 9, 4, 4])
    got = per_class_precision_recall(real, real_labels, fake, fake_labels)
    assert {label: of_class is None for label, of_class in got.items()} == {
        0: True,
        1: True,
        2: False,
        3: True,
        5: True,
    }
    assert all(type(label) is int for label in got)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference_labels": np.zeros(7, int)}, r"reference labels have shape \(7,\), expected \(8,\)"),
        ({"sample_labels": np.zeros((9, 1), int)}, r"sample labels have shape \(9, 1\), expected \(9,\)"),
        ({"sample_labels": np.zeros(9)}, "sample labels have dtype float64, expected integers"),
        ({"samples": np.zeros((9, 3))}, "features of 2 and 3 dimensions"),
        ({"reference": np.full((8, 2), np.nan)}, "reference features hold NaN"),
        ({"neighbours": 0}, "neighbours is 0"),
    ],
)
def test_bad_input_is_refused(changes, message):
    arguments = {
        "reference": np.zeros((8, 2)),
        "reference_labels": np.zeros(8, int),
        "samples": np.zeros((9, 2)),
        "sample_labels": np.zeros(9, int),
    }
    with pytest.raises(ValueError, match=message):
        per_class_precision_recall(**(arguments | changes))
