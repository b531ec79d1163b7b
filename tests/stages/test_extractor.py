"""The extractor's stage keeps the graph of a good classifier, and refuses one that tells too few held-out images."""

import numpy as np
import pytest
from making import make, write_dataset

from adm.artifacts.manifest import read_manifest
from adm.errors import UserError
from adm.metrics.batches import GRAPH
from adm.params.data import DatasetParams, ExtractorParams
from adm.stages import extractor
from adm.training.extractor import better_learned

DATASET = DatasetParams(source="digits", image_size=8, num_classes=2, shard_size=10)


EXTRACTOR = {"dataset": "tiny", "side": 8, "channels": 4, "iterations": 40, "batch_size": 12, "learning_rate": 1e-2}
EXTRACTOR |= {"weight_decay": 0.0, "held_out": 0.25, "least_accuracy": 0.9, "feature_batch": 8, "threads": 1}


def section(**changes):
    return ExtractorParams.model_validate(EXTRACTOR | changes)


def test_dark_and_bright_images_are_told_apart(data, tmp_path):
    out = tmp_path / "extractor"
    make(extractor, section(), DATASET, data, out, tmp_path / "work", every=10)
    facts = read_manifest(out, "extractor").facts
    assert (out / GRAPH).is_file()
    assert facts["held_out_images"] == 6
    assert facts["judge"]["accuracy"] >= 0.9


def test_images_without_classes_teach_by_which_rotation_each_was_turned(tmp_path):
    out, data = tmp_path / "extractor", tmp_path / "data"
    images = np.random.default_rng(0).integers(0, 64, (24, 8, 8, 3)).astype(np.uint8)
    images[:, :4] += 128  # bright above, dark below
    dataset = DATASET.model_copy(update={"num_classes": 1})
    write_dataset(data, images, np.zeros(24, np.int64))
    make(extractor, section(learns="rotations", iterations=100), dataset, data, out, tmp_path / "work", every=10)
    judge = read_manifest(out, "extractor").facts["judge"]
    assert judge == {"accuracy": pytest.approx(1, abs=0.1), "chance": 0.25, "tells": "rotations"}


def test_classifier_below_least_accuracy_is_refused(data, tmp_path):
    out = tmp_path / "extractor"
    # At this rate nothing is learned, and no class is told by chance every time.
    hopeless = section(least_accuracy=1.0, learning_rate=1e-9, iterations=1)
    with pytest.raises(UserError, match=r"^extractor: its held-out accuracy 0\.\d{4} is below least_accuracy 1\.0; "):
        make(extractor, hopeless, DATASET, data, out, tmp_path / "work", every=10)
    assert not out.exists()


@pytest.mark.parametrize(("better", "worse"), [("classes", "rotations"), ("rotations", "classes")])
def test_what_is_learned_better_is_found_out(better, worse):
    """Either task is planted without anything to learn: classes at random, or images without a direction."""
    draws = np.random.default_rng(0)
    labels = draws.integers(0, 2, 120)
    images = draws.integers(0, 64, (120, 8, 8, 3))
    if better == "classes":
        images += 128 * labels[:, None, None, None]
    else:
        images[:, :4] += 128
    tried = section(learns=worse, held_out=0.3)
    found, seconds = better_learned(tried, images.astype(np.uint8), labels, 0.5)
    assert found.learns == better
    assert seconds > 0
