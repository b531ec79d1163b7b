"""`adm score` gives what the library gives, whatever the images come in, and tells what the numbers rest on."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from adm.artifacts.manifest import sha256
from adm.evaluation import stored_features
from adm.metrics.frechet import frechet_distance
from adm.metrics.inception_score import inception_score
from adm.metrics.manifold import precision_recall
from adm.metrics.statistics import feature_statistics
from adm.metrics.torch_graph import TorchGraph


@pytest.fixture
def score(adm, graph, batches, tmp_path):
    """Score a batch of `batches`, or any path; return the json and what was printed."""

    def run(samples, reference, *flags):
        out = tmp_path / "score.json"
        paths = [batches / name if isinstance(name, str) else name for name in (samples, reference)]
        code, printed, err = adm("score", *paths, "--graph", graph, "--out", out, "--threads", "1", *flags)
        assert code == 0, err
        return json.loads(out.read_text()), printed

    return run


@pytest.fixture(scope="module")
def features(graph, batches):
    found = {}
    for name in ("samples", "images"):
        with np.load(batches / f"{name}.npz") as arrays:
            found[name] = TorchGraph(graph).features(arrays["arr_0"], 64)
    return found


def test_the_five_metrics_are_those_of_the_library(score, features):
    found, printed = score("samples.npz", "images.npz")
    fake, real = features["samples"], features["images"]
    manifold = precision_recall(real.pool, fake.pool)
    assert found["metrics"] == pytest.approx(
        {
            "inception_score": inception_score(fake.logits),
            "fid": frechet_distance(feature_statistics(real.pool), feature_statistics(fake.pool)),
            "sfid": frechet_distance(feature_statistics(real.spatial), feature_statistics(fake.spatial)),
            "precision": manifold.precision,
            "recall": manifold.recall,
        },
        rel=1e-9,
    )
    for heading in ("IS", "FID", "sFID", "Precision", "Recall", f"{found['metrics']['fid']:.4f}"):
        assert heading in printed


@pytest.mark.parametrize("reference", ["both.npz", "images.npz"])
@pytest.mark.parametrize("samples", ["samples.npz", "compressed.npz", "unlabelled.npz"])
def test_how_images_are_stored_changes_no_metric(score, samples, reference):
    expected, _ = score("samples.npz", "images.npz")
    found, _ = score(samples, reference)
    assert found["metrics"] == pytest.approx(expected["metrics"], rel=1e-9)
    assert found["provenance"]["reference"]["statistics"] == ("stored" if reference == "both.npz" else "of the images")


def test_a_folder_of_images_is_a_batch(score, batches, tmp_path):
    folder = tmp_path / "folder"
    with np.load(batches / "samples.npz") as arrays:
        for number, image in enumerate(arrays["arr_0"]):
            path = folder / f"{number % 3}" / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    (folder / "notes.txt").write_text("no image")
    expected, _ = score("samples.npz", "images.npz")
    found, _ = score(folder, "images.npz")
    # Another order of the same images: all but the last digits is the same.
    assert found["metrics"] == pytest.approx(expected["metrics"], rel=1e-6)
    assert found["provenance"]["samples"]["storage"] == "uint8 in png (90)"


def test_stored_statistics_are_used_and_not_computed_again(score, batches, tmp_path):
    with np.load(batches / "both.npz") as arrays:
        moved = {**arrays, "mu": arrays["mu"] + 1.0}
    np.savez(tmp_path / "moved.npz", **moved)
    expected, _ = score("samples.npz", "both.npz")
    found, _ = score("samples.npz", tmp_path / "moved.npz")
    assert found["metrics"]["fid"] > expected["metrics"]["fid"] + 1.0
    assert found["metrics"]["precision"] == expected["metrics"]["precision"]


def test_a_reference_without_images_gives_no_precision_and_says_so(score):
    found, printed = score("samples.npz", "statistics.npz")
    assert set(found["metrics"]) == {"inception_score", "fid", "sfid"}
    assert any("has no images" in warning for warning in found["warnings"])
    assert "Precision" not in printed


def test_images_are_in_memory_a_stretch_at_a_time(score, monkeypatch):
    expected, _ = score("samples.npz", "images.npz", "--batch", 8)
    monkeypatch.setattr(stored_features, "STRETCH", 1)
    lengths = []
    features = TorchGraph.features
    monkeypatch.setattr(
        TorchGraph, "features", lambda self, images, batch: lengths.append(len(images)) or features(self, images, batch)
    )
    found, _ = score("samples.npz", "images.npz", "--batch", 8)
    assert found["metrics"] == expected["metrics"]
    assert max(lengths) == 8
    assert sum(lengths) == 90 + 120


def test_the_first_samples_alone_can_be_scored(score, features):
    found, _ = score("samples.npz", "images.npz", "--num-samples", 50)
    assert found["metrics"]["inception_score"] == pytest.approx(inception_score(features["samples"].logits[:50]))
    assert found["provenance"]["samples"]["num_images"] == 50


def test_the_score_tells_what_it_rests_on(score, graph, batches):
    found, _ = score("samples.npz", "both.npz")
    told = found["provenance"]
    assert told["graph"]["sha256"] == sha256(graph)
    assert told["graph"]["resize"] == "ResizeBilinear to 16x16 inside the graph, corners not aligned"
    assert told["graph"]["executor"] == "torch"
    assert told["samples"] == {
        "name": "samples.npz",
        "sha256": sha256(batches / "samples.npz"),
        "num_images": 90,
        "size": [8, 8],
        "storage": "uint8 in npz",
    }
    assert told["reference"]["sha256"] == sha256(batches / "both.npz")
    assert set(told["versions"]) == {"python", "numpy", "scipy", "torch"}
    assert str(batches) not in json.dumps(found)


def test_fewer_samples_than_features_is_a_warning(score, features):
    few = features["samples"].spatial.shape[1] - 2
    found, printed = score("samples.npz", "images.npz", "--num-samples", min(few, 20))
    assert any("covariance is singular" in warning for warning in found["warnings"])
    assert "warning: " in printed


def test_intervals_hold_their_metrics(score):
    found, printed = score("samples.npz", "images.npz", "--replicates", 100)
    assert set(found["intervals"]) == set(found["metrics"])
    for name, (low, high) in found["intervals"].items():
        assert low <= found["metrics"][name] <= high
        assert low < high
    assert " to " in printed


def test_further_metrics_of_the_same_features(score):
    found, printed = score("samples.npz", "images.npz", "--further")
    further = found["further"]
    assert {"kid", "kid_standard_error", "density", "coverage"} <= set(further)
    assert 0 <= further["coverage"] <= 1
    assert "KID" in printed


def test_precision_of_each_class(score, features, batches):
    found, _ = score("samples.npz", "images.npz", "--per-class")
    assert set(found["per_class"]) == {"0", "1"}
    with np.load(batches / "samples.npz") as fake, np.load(batches / "images.npz") as real:
        ours = features["samples"].pool[fake["arr_1"] == 1]
        theirs = features["images"].pool[real["arr_1"] == 1]
    manifold = precision_recall(theirs, ours)
    assert found["per_class"]["1"] == {"precision": manifold.precision, "recall": manifold.recall}


def test_the_released_evaluators_arithmetic_is_an_option(score):
    exact, _ = score("samples.npz", "images.npz")
    half, _ = score("samples.npz", "images.npz", "--arithmetic", "float16")
    assert half["provenance"]["arithmetic"] == "float16"
    for name in ("precision", "recall"):
        assert half["metrics"][name] == pytest.approx(exact["metrics"][name], abs=0.1)
    assert half["metrics"]["fid"] == exact["metrics"]["fid"]


def test_both_executors_give_one_answer(score):
    by_torch, _ = score("samples.npz", "images.npz")
    by_tensorflow, _ = score("samples.npz", "images.npz", "--executor", "tensorflow")
    assert by_tensorflow["metrics"] == pytest.approx(by_torch["metrics"], rel=1e-3)
    assert "tensorflow" in by_tensorflow["provenance"]["versions"]


def test_cached_features_are_not_computed_again(score, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first, _ = score("samples.npz", "images.npz", "--cache", cache)
    monkeypatch.setattr(TorchGraph, "features", lambda *_: pytest.fail("the graph ran again"))
    again, _ = score("samples.npz", "images.npz", "--cache", cache)
    assert again == first
    assert len(list(cache.iterdir())) == 2


def test_the_cache_tells_images_graphs_and_batches_apart(score, tmp_path):
    cache = tmp_path / "cache"
    for flags in ([], ["--num-samples", 60], ["--batch", 32], ["--executor", "tensorflow"]):
        score("samples.npz", "images.npz", "--cache", cache, *flags)
    assert len(list(cache.iterdir())) == 7


class Projection(torch.nn.Module):
    """Stands for any network: a fixed linear map of what it sees."""

    def __init__(self):
        super().__init__()
        weight = torch.randn(3 * 16 * 16, 5, generator=torch.Generator().manual_seed(0))
        self.weight = torch.nn.Parameter(weight / 28, requires_grad=False)

    def forward(self, x):
        return x.flatten(1) @ self.weight


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    torch.jit.script(Projection()).save(str(folder / "network.pt"))
    dynamic = ({0: torch.export.Dim("batch", min=2)},)
    program = torch.export.export(Projection(), (torch.zeros(4, 3, 16, 16),), dynamic_shapes=dynamic)
    torch.export.save(program, folder / "network.pt2")
    return folder


@pytest.mark.parametrize("name", ["network.pt", "network.pt2"])
def test_a_network_of_the_users_own_is_a_second_extractor(score, batches, modules, name):
    flags = ["--module", modules / name, "--resize", "nearest-16", "--scaling", "unit"]
    found, printed = score("samples.npz", "images.npz", *flags)
    features = []
    for batch in ("images", "samples"):
        with np.load(batches / f"{batch}.npz") as arrays:
            seen = torch.from_numpy(arrays["arr_0"]).permute(0, 3, 1, 2).float() / 255
        features.append(Projection()(seen.repeat_interleave(2, -1).repeat_interleave(2, -2)).numpy())
    expected = frechet_distance(*map(feature_statistics, features))
    second = found["second_extractor"]
    assert second["frechet_distance"] == pytest.approx(expected, rel=1e-4)
    assert (second["resize"], second["scaling"], second["dimensions"]) == ("nearest-16", "unit", 5)
    assert second["sha256"] == sha256(modules / name)
    assert "second extractor" in printed
