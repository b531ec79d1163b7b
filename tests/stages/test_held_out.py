"""What becomes of held-out images: features behind the others', statistics apart, and no neighbour among them."""

import numpy as np
import pytest
from making import make, record, write_batch, write_dataset

from adm.artifacts.manifest import read_manifest, write_manifest
from adm.artifacts.reading import read_json
from adm.artifacts.writing import new_folder
from adm.data.shards import ImageShards
from adm.metrics.batches import GRAPH, REFERENCE, read_features
from adm.metrics.executors import TorchGraph
from adm.metrics.features import LAYERS
from adm.metrics.small_extractor import freeze
from adm.params.data import DatasetParams, ExtractorParams, ReferenceParams
from adm.params.runs import NeighboursParams, RunParams
from adm.sampling.studies import Neighbours, read_study
from adm.stages import evaluate, extractor, features, neighbours, reference
from adm.training.extractor import initial_network

TRAINED_ON, HELD_OUT, SAMPLES = 60, 25, 30
DATASET = DatasetParams(source="digits", image_size=8, num_classes=2, shard_size=16)
EXTRACTOR = ExtractorParams.model_validate(
    {"dataset": "d", "side": 8, "channels": 4, "iterations": 1, "batch_size": 8, "learning_rate": 1e-3}
    | {"weight_decay": 0.0, "held_out": 0.2, "least_accuracy": 0.0, "feature_batch": 16, "seed": 0, "threads": 1}
)
REFERENCE_PARAMS = ReferenceParams(dataset="d", extractor="e", num_images=50, threads=1)
RUN = RunParams.model_validate(
    {"checkpoint": "c", "classifier": "k", "gradient_scale": 0.0, "sampler": "ddpm", "steps": "3"}
    | {"num_samples": SAMPLES, "micro_batch": 2, "seed": 5, "threads": 1, "reference": "r"}
)


class Project:
    """A dataset with and one without held-out images, samples, and what the stages make of them."""

    def __init__(self, folder):
        self.folder = folder
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (TRAINED_ON + HELD_OUT + SAMPLES, 8, 8, 3)).astype(np.uint8)
        self.images, self.held_out, samples = np.split(images, [TRAINED_ON, TRAINED_ON + HELD_OUT])
        # Copies of images of either part.
        samples[0], samples[1] = self.images[7], self.held_out[3]
        with new_folder(folder / "graph") as graph:
            (graph / GRAPH).write_bytes(freeze(initial_network(EXTRACTOR, 2)))
            write_manifest(graph, record("extractor", {}, {}, []))
        write_dataset(folder / "data", self.images, held_out=self.held_out)
        write_dataset(folder / "plain", self.images)
        write_batch(folder / "samples", "sample", RUN, {}, samples, np.zeros(SAMPLES, np.int64))
        for name in ("data", "plain", "samples"):
            self._features(name)
        for name in ("data", "plain"):
            make(reference, REFERENCE_PARAMS, folder / f"{name}-features", folder / name, folder / f"{name}-reference")
            self._features(f"{name}-reference")

    def _features(self, name):
        make(
            features, EXTRACTOR, self.folder / name, self.folder / "graph", self.folder / f"{name}-features", "cpu", 60
        )

    def pool(self, name):
        return read_features(self.folder / f"{name}-features").pool.astype(np.float64)

    def scored(self, name):
        reference_of = f"{name}-reference"
        names = {"samples": "samples", "features": "samples-features", "reference": reference_of}
        inputs = {key: self.folder / found for key, found in (names | {"reference_features": ""}).items()}
        inputs["reference_features"] = self.folder / f"{reference_of}-features"
        make(evaluate, RUN, inputs, self.folder / f"{name}.json")
        return read_json(self.folder / f"{name}.json")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("project"))


def distance(a, b):
    """The Fréchet distance of the Gaussians of two sets of features, by the rows themselves.

    With S = X^T X, tr sqrt(S_a S_b) is the sum of the singular values of X_a X_b^T, singular covariances or not.
    """
    rows = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b)]
    root = np.linalg.norm(rows[0] @ rows[1].T, ord="nuc")
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + sum((x**2).sum() for x in rows) - 2 * root


def test_features_are_written_as_if_they_had_been_held_whole(project, tmp_path):
    whole = np.concatenate([project.images, project.held_out])
    found = TorchGraph(project.folder / "graph" / GRAPH).features(whole, EXTRACTOR.feature_batch)
    for layer in LAYERS:
        np.save(tmp_path / "whole.npy", getattr(found, layer))
        written = (project.folder / "data-features" / f"{layer}.npy").read_bytes()
        assert written == (tmp_path / "whole.npy").read_bytes(), layer


def test_a_reference_is_of_the_images_trained_on_and_tells_of_the_others_apart(project):
    with np.load(project.folder / "data-reference" / REFERENCE) as arrays:
        found = dict(arrays)
    with np.load(project.folder / "plain-reference" / REFERENCE) as arrays:
        plain = dict(arrays)
    assert found.keys() - plain.keys() == {"pool_held_out"}
    assert np.array_equal(found["arr_0"], plain["arr_0"])
    for name in ("mu", "sigma", "mu_s", "sigma_s"):
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-4, atol=1e-7)
    unseen = project.pool("data")[TRAINED_ON:]
    assert np.array_equal(found["pool_held_out"], unseen)
    facts = read_manifest(project.folder / "data-reference", "reference").facts
    assert (facts["fitted_images"], facts["held_out_images"]) == (TRAINED_ON, HELD_OUT)


def test_scores_tell_the_distance_from_both_parts_and_the_floor(project):
    found, plain = (project.scored(name)["metrics"] for name in ("data", "plain"))
    # Too few samples for some.
    found, plain = ({key: value for key, value in one.items() if value is not None} for one in (found, plain))
    copying = {"nearer", "nearer_standard_error", "nearer_floor", "nearer_floor_standard_error", "distance_ratio"}
    assert found.keys() - plain.keys() == {"fid_held_out", "fid_floor"} | copying
    samples, real = project.pool("samples"), project.pool("data")
    expected = distance(samples, real[TRAINED_ON:]), distance(real[TRAINED_ON:], real[:TRAINED_ON])
    assert found["fid_held_out"] == pytest.approx(expected[0], rel=1e-4)
    assert found["fid_floor"] == pytest.approx(expected[1], rel=1e-4)
    assert {name: found[name] for name in plain} == pytest.approx(plain, rel=1e-3)


def test_no_held_out_image_is_anyones_neighbour(project):
    inputs = {name: project.folder / name for name in ("samples", "data")}
    inputs |= {"features": project.folder / "samples-features", "dataset_features": project.folder / "data-features"}
    section = NeighboursParams(run="any", k=3)
    make(neighbours, section, inputs, project.folder / "neighbours")
    found = read_study(Neighbours, project.folder / "neighbours")
    assert found.indices.max() < TRAINED_ON == len(found.dataset_distances)
    assert found.indices[0, 0] == 7
    assert np.flatnonzero(found.pixel_copies).tolist() == [0]


def test_an_extractor_trains_on_what_others_train_on(project, tmp_path):
    for name in ("data", "plain"):
        make(extractor, EXTRACTOR, DATASET, project.folder / name, tmp_path / name, tmp_path / "work" / name, 1)
    assert (tmp_path / "data" / GRAPH).read_bytes() == (tmp_path / "plain" / GRAPH).read_bytes()
    assert len(ImageShards(project.folder / "data")) == TRAINED_ON
