"""A judge scores what was sampled, by its own features alone, and changes nothing of the first extractor's."""

import numpy as np
import pytest
import torch
from making import make, record, write_batch, write_dataset
from scipy import linalg
from scipy.spatial.distance import cdist

from adm.artifacts.manifest import read_manifest, write_manifest
from adm.artifacts.reading import read_json
from adm.artifacts.writing import new_folder
from adm.config.metrics import METRICS, POOLED
from adm.metrics import dinov2
from adm.metrics.batches import GRAPH, read_features, write_reference
from adm.metrics.dinov2 import VisionTransformer
from adm.metrics.small_extractor import freeze
from adm.metrics.statistics import FeatureStatistics
from adm.params.data import (
    ExtractorParams,
    PublishedGraphParams,
    PublishedReferenceParams,
    ReferenceParams,
)
from adm.params.runs import RunParams
from adm.stages import adopt, evaluate, features, fetch, reference
from adm.training.extractor import initial_network

TRAINED_ON, HELD_OUT, SAMPLES = 60, 15, 40
FIRST = ExtractorParams(dataset="d", side=8, channels=4, iterations=1, least_accuracy=0.0, feature_batch=16)
SECOND = FIRST.model_copy(update={"side": 12, "seed": 1})
AGAINST = ReferenceParams(dataset="d", extractor="first", num_images=50)
RUN = RunParams(num_samples=SAMPLES, reference="r", checkpoint="c", steps="3")


class Project:
    """Samples and a reference, with what the first extractor and two judges make of them; "twin" is the first again."""

    def __init__(self, folder):
        self.folder = folder
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (TRAINED_ON + HELD_OUT + SAMPLES, 8, 8, 3)).astype(np.uint8)
        images, held_out, samples = np.split(pixels, [TRAINED_ON, TRAINED_ON + HELD_OUT])
        write_dataset(folder / "data", images, held_out=held_out)
        write_batch(folder / "samples", "sample", RUN, {}, samples, np.zeros(SAMPLES, np.int64))
        self.extractors = {"first": FIRST, "twin": FIRST, "second": SECOND}
        for name, section in self.extractors.items():
            with new_folder(folder / name) as graph:
                (graph / GRAPH).write_bytes(freeze(initial_network(section, 2)))
                write_manifest(graph, record("extractor", {"extractor": section}, {}, []))
            self.seen(name, "data")
            if name == "first":
                make(reference, AGAINST, folder / "first-data", folder / "data", folder / "reference")
            self.seen(name, "samples", "reference")

    def seen(self, name, *artifacts):
        """Compute the features of artifacts by an extractor."""
        for artifact in artifacts:
            section, out = self.extractors[name], self.folder / f"{name}-{artifact}"
            make(features, section, self.folder / artifact, self.folder / name, out, "cpu", 60)

    def pool(self, name, artifact):
        return np.array(read_features(self.folder / f"{name}-{artifact}").pool, float)

    def inputs(self, name, **changed):
        found = {
            "samples": self.folder / "samples",
            "features": self.folder / f"{name}-samples",
            "reference": self.folder / "reference",
            "reference_features": self.folder / f"{name}-reference",
            "dataset_features": self.folder / f"{name}-data",
            "data": self.folder / "data",
        } | changed
        return {key: path for key, path in found.items() if path is not None}

    def judged(self, name, **changed):
        out = self.folder / f"{name}.json"
        make(evaluate, RUN, self.inputs(name, **changed), out, extractor=self.extractors[name])
        return read_json(out)

    def evaluated(self):
        make(evaluate, RUN, self.inputs("first", dataset_features=None, data=None), self.folder / "own.json")
        return read_json(self.folder / "own.json")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("project"))


def scipys_distance(samples, real):
    """The Fréchet distance of two sets of features by scipy's square root of a matrix."""
    # A little of the identity: scipy's root of a singular matrix is not precise.
    a, b = (np.cov(rows.T) + 1e-9 * np.eye(rows.shape[1]) for rows in (samples, real))
    root = linalg.sqrtm(a @ b).real
    return ((samples.mean(0) - real.mean(0)) ** 2).sum() + np.trace(a + b - 2 * root)


def test_its_distance_is_scipys_of_its_features_and_the_images_trained_on(project):
    found = project.judged("second")["metrics"]
    whole = project.pool("second", "data")
    assert len(whole) == TRAINED_ON + HELD_OUT
    assert found["fid"] == pytest.approx(
        scipys_distance(project.pool("second", "samples"), whole[:TRAINED_ON]), rel=1e-3
    )
    assert found["fid"] != pytest.approx(project.evaluated()["metrics"]["fid"], rel=0.01)


def test_its_balls_are_around_the_references_images(project):
    found, real, fake = (
        project.judged("second")["metrics"],
        *(project.pool("second", n) for n in ("reference", "samples")),
    )
    own = np.sort(cdist(real, real), axis=1)
    inside = {k: cdist(fake, real) <= own[:, k] + 1e-9 for k in (3, 5)}
    assert found["precision"] == inside[3].any(axis=1).mean()
    assert found["density"] == pytest.approx(inside[5].sum() / 5 / SAMPLES)
    assert found["coverage"] == inside[5].any(axis=0).mean()


def test_a_judge_that_is_the_first_extractor_gives_its_numbers_to_the_bit(project):
    own, twin = project.evaluated(), project.judged("twin")
    assert list(twin["metrics"]) == [name for name in own["metrics"] if name in twin["metrics"]]
    assert set(twin["metrics"]) >= set(POOLED)
    assert twin["metrics"] == {name: own["metrics"][name] for name in twin["metrics"]}
    assert twin["jackknife"] == {name: own["jackknife"][name] for name in twin["jackknife"]}
    assert (twin["num_samples"], twin["num_reference_images"]) == (SAMPLES, AGAINST.num_images)


def test_it_gives_no_metric_that_needs_more_than_pooled_features(project):
    found = project.judged("second")
    errors = {METRICS[name].error for name in POOLED}
    assert set(found["metrics"]) == {*POOLED, *errors} - {None}
    assert {"sfid", "inception_score", "fid_held_out"}.isdisjoint(found["metrics"])
    assert set(found["jackknife"]) == {"fid", "precision", "recall", "kid", "density", "coverage"}


def test_of_a_published_reference_the_gaussian_is_that_of_its_images(project, tmp_path):
    published = PublishedReferenceParams(url="https://example.org/r.npz", image_size=8, extractor="first")
    pixels = np.random.default_rng(1).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)
    with new_folder(project.folder / "published") as folder:
        statistics = FeatureStatistics(np.zeros(3), np.eye(3))
        write_reference(folder, statistics, statistics, len(pixels), [pixels])
        write_manifest(folder, record("adopt", {"published": published}, {}, []))
    project.seen("second", "published")
    changed = {"reference": project.folder / "published", "reference_features": project.folder / "second-published"}
    found = project.judged("second", **changed, data=None, dataset_features=None)
    expected = scipys_distance(project.pool("second", "samples"), project.pool("second", "published"))
    assert found["metrics"]["fid"] == pytest.approx(expected, rel=1e-3)
    assert found["num_reference_images"] == 30


def test_a_published_network_is_adopted_and_judges(project, tmp_path, monkeypatch):
    """DINOv2's way through the stages, by a small network of its kind."""
    shape = {"width": 8, "depth": 2, "heads": 2, "patch": 56, "trained_side": 112}
    monkeypatch.setitem(dinov2.NETWORKS, "dinov2-vitl14", shape)
    torch.manual_seed(0)
    weights = {name: torch.randn_like(value) for name, value in VisionTransformer(**shape).state_dict().items()}
    torch.save(weights | {"mask_token": torch.zeros(1, 8)}, tmp_path / "net.pth")
    section = PublishedGraphParams(url=(tmp_path / "net.pth").as_uri(), network="dinov2-vitl14", feature_batch=16)
    make(fetch, section.file, project.folder / "fetched")
    make(adopt, section, None, project.folder / "fetched", project.folder / "net")
    facts = read_manifest(project.folder / "net", "adopt").facts
    assert facts == {"num_parameters": sum(value.numel() for value in weights.values())}
    project.extractors["net"] = section
    project.seen("net", "data", "samples", "reference")
    found = project.judged("net")
    assert "pillow" in read_manifest(project.folder / "net-samples", "features").versions
    expected = scipys_distance(project.pool("net", "samples"), project.pool("net", "data")[:TRAINED_ON])
    assert found["metrics"]["fid"] == pytest.approx(expected, rel=1e-3)
