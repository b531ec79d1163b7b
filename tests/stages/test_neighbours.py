"""Every sample's nearest images of the dataset, against all pairwise distances; planted copies are found."""

import numpy as np
import pytest
from making import make, record, write_dataset
from scipy.spatial.distance import cdist

from adm.artifacts.manifest import write_manifest
from adm.artifacts.writing import new_folder, write_npz
from adm.errors import UserError
from adm.metrics.batches import write_features
from adm.metrics.features import Features
from adm.params.runs import NeighboursParams
from adm.sampling.batch import SAMPLES
from adm.sampling.studies import Neighbours, read_study
from adm.stages import neighbours

NUM_SAMPLES, NUM_IMAGES = 9, 40
PLANTED = {2: 31, 5: 0}
"""Samples that are images of the dataset."""
TOUCHED = {7: 12}
"""A sample that is an image but for one pixel."""


def project(images):
    """Features that tell images apart."""
    weight = np.random.default_rng(1).standard_normal((8 * 8 * 3, 6))
    return (images.reshape(len(images), -1) / 255 @ weight).astype(np.float32)


def write_features_of(out, images, folder):
    empty = np.zeros((len(images), 2), np.float32)
    with new_folder(out) as path:
        write_features(path, len(images), [Features(project(images), empty, empty)])
        write_manifest(path, record("features", {}, {"images": folder}, []))


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    real, fake = (rng.integers(0, 256, (n, 8, 8, 3)).astype(np.uint8) for n in (NUM_IMAGES, NUM_SAMPLES))
    for sample, image in (PLANTED | TOUCHED).items():
        fake[sample] = real[image]
    fake[7, 0, 0, 0] ^= 1
    return real, fake


@pytest.fixture
def inputs(tmp_path, arrays):
    real, fake = arrays
    names = ("features", "samples", "dataset_features", "data")
    paths = {name: tmp_path / name for name in names}
    with new_folder(paths["samples"]) as folder:
        write_npz(folder / SAMPLES, arr_0=fake, arr_1=np.zeros(len(fake), np.int64))
        write_manifest(folder, record("sample", {}, {}, []))
    write_dataset(paths["data"], real)
    write_features_of(paths["features"], fake, paths["samples"])
    write_features_of(paths["dataset_features"], real, paths["data"])
    return paths


def section(k=3):
    return NeighboursParams(run="any", k=k)


@pytest.mark.parametrize("k", [1, 3])
def test_neighbours_are_those_of_all_pairs(inputs, arrays, tmp_path, k):
    make(neighbours, section(k), inputs, tmp_path / "out")
    found = read_study(Neighbours, tmp_path / "out")
    real, fake = (project(images).astype(np.float64) for images in arrays)
    expected = np.sort(cdist(fake, real), axis=1)[:, :k]
    assert found.indices.shape == (NUM_SAMPLES, k)
    np.testing.assert_allclose(found.distances, expected, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(cdist(fake, real), found.indices, axis=1), expected, atol=1e-6)
    others = cdist(real, real) + np.diag(np.full(NUM_IMAGES, np.inf))
    np.testing.assert_allclose(found.dataset_distances, others.min(axis=1), atol=1e-6)


def test_planted_copies_are_found_and_only_they_are_flagged(inputs, tmp_path):
    make(neighbours, section(), inputs, tmp_path / "out")
    found = read_study(Neighbours, tmp_path / "out")
    for sample, image in (PLANTED | TOUCHED).items():
        assert found.indices[sample, 0] == image
        assert found.distances[sample, 0] < 0.1 * found.dataset_distances.min()
    assert np.flatnonzero(found.pixel_copies).tolist() == sorted(PLANTED)


def test_a_dataset_too_small_is_refused(inputs, tmp_path):
    with pytest.raises(UserError, match=r"data: has 40 images; 40 neighbours need more"):
        make(neighbours, section(NUM_IMAGES), inputs, tmp_path / "out")
