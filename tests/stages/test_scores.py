"""Scores of what was sampled, by the first extractor and by judges, with held-out images and without.

Held-out images have features behind the others', statistics apart, and are nobody's neighbours. A judge scores by its
own features alone.
"""

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
from adm.data.shards import ImageShards
from adm.errors import UserError
from adm.metrics import dinov2
from adm.metrics.batches import GRAPH, REFERENCE, read_features, write_reference
from adm.metrics.dinov2 import VisionTransformer
from adm.metrics.executors import TorchGraph
from adm.metrics.features import LAYERS
from adm.metrics.small_extractor import freeze
from adm.metrics.statistics import FeatureStatistics
from adm.params.data import (
    DatasetParams,
    ExtractorParams,
    PublishedGraphParams,
    PublishedReferenceParams,
    ReferenceParams,
)
from adm.params.runs import NeighboursParams, RunParams
from adm.sampling.studies import Neighbours, read_study
from adm.stages import adopt, evaluate, extractor, features, fetch, neighbours, reference
from adm.training.extractor import initial_network

TRAINED_ON, HELD_OUT, SAMPLES = 60, 25, 40
DATASET = DatasetParams(source="digits", image_size=8, num_classes=2, shard_size=10)
FIRST = ExtractorParams(dataset="d", side=8, channels=4, iterations=1, least_accuracy=0.0, feature_batch=16)
SECOND = FIRST.model_copy(update={"side": 12, "seed": 1})
AGAINST = ReferenceParams(dataset="d", extractor="first", num_images=50)
RUN = RunParams(num_samples=SAMPLES, reference="r", checkpoint="c", steps="3")


class Project:
    """Samples, a dataset with held-out images and a plain one without, and what extractors make of them.

    Features are named by the extractor, "twin" being the first again, and by what they are of.
    """

    def __init__(self, folder):
        self.folder = folder
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (TRAINED_ON + HELD_OUT + SAMPLES, 8, 8, 3)).astype(np.uint8)
        self.images, self.held_out, samples = np.split(pixels, [TRAINED_ON, TRAINED_ON + HELD_OUT])
        # Copies of images of either part, and of one but for a bit.
        samples[0], samples[1], samples[2] = self.images[7], self.held_out[3], self.images[12]
        samples[2, 0, 0, 0] ^= 1
        write_dataset(folder / "data", self.images, held_out=self.held_out)
        write_dataset(folder / "plain", self.images)
        write_batch(folder / "samples", "sample", RUN, {}, samples, np.zeros(SAMPLES, np.int64))
        self.extractors = {"first": FIRST, "twin": FIRST, "second": SECOND}
        for name, section in self.extractors.items():
            with new_folder(folder / name) as graph:
                (graph / GRAPH).write_bytes(freeze(initial_network(section, 2)))
                write_manifest(graph, record("extractor", {"extractor": section}, {}, []))
            self.seen(name, "data", "samples")
            if name == "first":
                self.seen(name, "plain")
                for data in ("data", "plain"):
                    make(reference, AGAINST, folder / f"first-{data}", folder / data, folder / f"{data}-reference")
                    self.seen(name, f"{data}-reference")
            else:
                self.seen(name, "data-reference")

    def seen(self, name, *artifacts):
        """Compute the features of artifacts by an extractor."""
        for artifact in artifacts:
            section, out = self.extractors[name], self.folder / f"{name}-{artifact}"
            make(features, section, self.folder / artifact, self.folder / name, out, "cpu", 60)

    def pool(self, name, artifact):
        return np.array(read_features(self.folder / f"{name}-{artifact}").pool, float)

    def scored(self, data="data"):
        return self._scores("first", f"{data}-reference", {})

    def judged(self, by, reference="data-reference", data="data"):
        more = {"dataset_features": f"{by}-data", "data": data} if data else {}
        return self._scores(by, reference, more, extractor=self.extractors[by])

    def _scores(self, by, reference, more, **options):
        names = {"samples": "samples", "features": f"{by}-samples", "reference": reference} | more
        names["reference_features"] = f"{by}-{reference}"
        out = self.folder / "scores.json"
        make(evaluate, RUN, {key: self.folder / place for key, place in names.items()}, out, **options)
        return read_json(out)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("project"))


def distance(samples, real):
    """The Fréchet distance of two sets of features by scipy's square root of a matrix."""
    # A little of the identity: scipy's root of a singular matrix is not precise.
    a, b = (np.cov(rows.T) + 1e-9 * np.eye(rows.shape[1]) for rows in (samples, real))
    root = linalg.sqrtm(a @ b).real
    return ((samples.mean(0) - real.mean(0)) ** 2).sum() + np.trace(a + b - 2 * root)


def test_features_are_written_as_if_they_had_been_held_whole(project, tmp_path):
    whole = np.concatenate([project.images, project.held_out])
    found = TorchGraph(project.folder / "first" / GRAPH).features(whole, FIRST.feature_batch)
    for layer in LAYERS:
        np.save(tmp_path / "whole.npy", getattr(found, layer))
        written = (project.folder / "first-data" / f"{layer}.npy").read_bytes()
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
    unseen = project.pool("first", "data")[TRAINED_ON:]
    assert np.array_equal(found["pool_held_out"], unseen)
    facts = read_manifest(project.folder / "data-reference", "reference").facts
    assert (facts["fitted_images"], facts["held_out_images"]) == (TRAINED_ON, HELD_OUT)


def test_scores_tell_the_distance_from_both_parts_and_the_floor(project):
    found, plain = (project.scored(name)["metrics"] for name in ("data", "plain"))
    # Too few samples for some.
    found, plain = ({key: value for key, value in one.items() if value is not None} for one in (found, plain))
    copying = {"nearer", "nearer_standard_error", "nearer_floor", "nearer_floor_standard_error", "distance_ratio"}
    assert found.keys() - plain.keys() == {"fid_held_out", "fid_floor"} | copying
    samples, real = project.pool("first", "samples"), project.pool("first", "data")
    expected = distance(samples, real[TRAINED_ON:]), distance(real[TRAINED_ON:], real[:TRAINED_ON])
    assert found["fid_held_out"] == pytest.approx(expected[0], rel=1e-3)
    assert found["fid_floor"] == pytest.approx(expected[1], rel=1e-3)
    assert {name: found[name] for name in plain} == pytest.approx(plain, rel=1e-3)


def find_neighbours(project, out, k):
    inputs = {"samples": "samples", "data": "data", "features": "first-samples", "dataset_features": "first-data"}
    make(neighbours, NeighboursParams(run="any", k=k), {n: project.folder / p for n, p in inputs.items()}, out)
    return read_study(Neighbours, out)


@pytest.mark.parametrize("k", [1, 3])
def test_neighbours_are_those_of_all_pairs_and_no_held_out_image_is_one(project, tmp_path, k):
    found = find_neighbours(project, tmp_path / "out", k)
    real, fake = project.pool("first", "data")[:TRAINED_ON], project.pool("first", "samples")
    between, within = cdist(fake, real), cdist(real, real) + np.diag(np.full(TRAINED_ON, np.inf))
    expected = np.sort(between, axis=1)[:, :k]
    assert found.indices.shape == (SAMPLES, k)
    np.testing.assert_allclose(found.distances, expected, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(between, found.indices, axis=1), expected, atol=1e-6)
    np.testing.assert_allclose(found.dataset_distances, within.min(axis=1), atol=1e-6)


def test_planted_copies_are_found_and_only_they_are_flagged(project, tmp_path):
    found = find_neighbours(project, tmp_path / "out", 3)
    assert found.indices[[0, 2], 0].tolist() == [7, 12]
    assert found.distances[[0, 2], 0].max() < 0.1 * found.dataset_distances.min()
    assert np.flatnonzero(found.pixel_copies).tolist() == [0]


def test_a_dataset_of_too_few_neighbours_is_refused(project, tmp_path):
    with pytest.raises(UserError, match=r"data: has 60 images; 60 neighbours need more"):
        find_neighbours(project, tmp_path / "out", TRAINED_ON)


def test_an_extractor_trains_on_what_others_train_on(project, tmp_path):
    for name in ("data", "plain"):
        make(extractor, FIRST, DATASET, project.folder / name, tmp_path / name, tmp_path / "work" / name, 1)
    assert (tmp_path / "data" / GRAPH).read_bytes() == (tmp_path / "plain" / GRAPH).read_bytes()
    assert len(ImageShards(project.folder / "data")) == TRAINED_ON


def test_a_judges_distance_is_scipys_of_its_features_and_the_images_trained_on(project):
    found = project.judged("second")["metrics"]
    whole = project.pool("second", "data")
    assert len(whole) == TRAINED_ON + HELD_OUT
    assert found["fid"] == pytest.approx(distance(project.pool("second", "samples"), whole[:TRAINED_ON]), rel=1e-3)
    assert found["fid"] != pytest.approx(project.scored()["metrics"]["fid"], rel=0.01)


def test_a_judges_balls_are_around_the_references_images(project):
    found, real, fake = (
        project.judged("second")["metrics"],
        *(project.pool("second", n) for n in ("data-reference", "samples")),
    )
    own = np.sort(cdist(real, real), axis=1)
    inside = {k: cdist(fake, real) <= own[:, k] + 1e-9 for k in (3, 5)}
    assert found["precision"] == inside[3].any(axis=1).mean()
    assert found["density"] == pytest.approx(inside[5].sum() / 5 / SAMPLES)
    assert found["coverage"] == inside[5].any(axis=0).mean()


def test_a_judge_that_is_the_first_extractor_gives_its_numbers_to_the_bit(project):
    own, twin = project.scored(), project.judged("twin")
    assert list(twin["metrics"]) == [name for name in own["metrics"] if name in twin["metrics"]]
    assert set(twin["metrics"]) >= set(POOLED)
    assert twin["metrics"] == {name: own["metrics"][name] for name in twin["metrics"]}
    assert twin["jackknife"] == {name: own["jackknife"][name] for name in twin["jackknife"]}
    assert (twin["num_samples"], twin["num_reference_images"]) == (SAMPLES, AGAINST.num_images)


def test_a_judge_gives_no_metric_that_needs_more_than_pooled_features(project):
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
    found = project.judged("second", "published", data=None)
    expected = distance(project.pool("second", "samples"), project.pool("second", "published"))
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
    project.seen("net", "data", "samples", "data-reference")
    found = project.judged("net")
    assert "pillow" in read_manifest(project.folder / "net-samples", "features").versions
    expected = distance(project.pool("net", "samples"), project.pool("net", "data")[:TRAINED_ON])
    assert found["metrics"]["fid"] == pytest.approx(expected, rel=1e-3)
