"""`adm score` gives what the library gives, whatever the images come in, and tells what the numbers rest on."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from damage import flip
from making import make
from PIL import Image

import adm as package
from adm.artifacts.manifest import sha256
from adm.artifacts.reading import StoredArray
from adm.config.files import RELEASED, PublishedFile
from adm.data.crops import centre_crop
from adm.metrics.executors import TorchGraph
from adm.metrics.fid_infinity import fid_infinity
from adm.metrics.frechet import frechet_distance
from adm.metrics.inception_score import inception_score
from adm.metrics.kernel import kernel_distance
from adm.metrics.manifold import density_coverage, precision_recall
from adm.metrics.statistics import feature_statistics
from adm.stages import init
from adm.tools import score as score_verb


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
    for heading in ("IS", "FID", "sFID", "Precision", "Recall", f"{found['metrics']['fid']:.6g}"):
        assert heading in printed


@pytest.mark.parametrize(
    ("samples", "reference"),
    [("samples.npz", "both.npz"), ("compressed.npz", "both.npz"), ("unlabelled.npz", "images.npz")],
)
def test_how_images_are_stored_changes_no_metric(score, samples, reference):
    expected, _ = score("samples.npz", "images.npz")
    found, _ = score(samples, reference)
    assert found["metrics"] == pytest.approx(expected["metrics"], rel=1e-6)
    assert found["provenance"]["reference"]["statistics"] == ("stored" if reference == "both.npz" else "of the images")


def test_a_folder_lies_on_the_background_that_is_asked_for(score, batches, tmp_path):
    with np.load(batches / "samples.npz") as arrays:
        images = arrays["arr_0"]
    alpha = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), images.shape[:3])
    (folder := tmp_path / "folder").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(np.dstack([image, alpha[number]])).save(folder / f"{number:03}.png")
    flags = "--cache", tmp_path / "cache"
    for background, colour in (("white", (255, 255, 255)), ("#102030", (16, 32, 48))):
        np.savez(tmp_path / "laid.npz", arr_0=np.where(alpha[..., None] == 0, np.uint8(colour), images))
        expected, _ = score(tmp_path / "laid.npz", "images.npz", *flags)
        found, _ = score(folder, "images.npz", *flags, "--background", background)
        assert found["metrics"] == expected["metrics"]
        assert found["provenance"].get("background", "white") == background


def test_photographs_of_any_size_are_cropped_and_scaled_as_for_training(score, batches, refused, graph, tmp_path):
    with np.load(batches / "samples.npz") as arrays:
        images = arrays["arr_0"]
    (folder := tmp_path / "photographs").mkdir()
    photographs = [np.pad(image, ((0, 8 + number % 3), (0, 6), (0, 0)), "edge") for number, image in enumerate(images)]
    for number, photograph in enumerate(photographs):
        Image.fromarray(photograph).save(folder / f"{number:03}.png")
    flags = "--cache", tmp_path / "cache"
    for side in (8, 12):
        np.savez(tmp_path / "cut.npz", arr_0=np.stack([centre_crop(each, side) for each in photographs]))
        expected, _ = score(tmp_path / "cut.npz", "images.npz", *flags)
        found, _ = score(folder, "images.npz", *flags, "--size", side)
        assert found["metrics"] == expected["metrics"]
        assert (found["provenance"]["size"], found["provenance"]["samples"]["size"]) == (side, [side, side])
    for asked, message in (
        ((folder, folder), "one size is wanted, to which --size"),
        ((folder, folder, "--size", 15), "which size 15 would enlarge"),
        ((tmp_path / "cut.npz", batches / "images.npz", "--size", 8), "size 8: crops and scales the images of folders"),
    ):
        assert message in refused("score", *asked, "--graph", graph)


def test_a_network_is_sampled_and_scored(score, tiny_model, adm, tmp_path):
    make(init, tiny_model(), tmp_path / "checkpoint")
    network = tmp_path / "network.safetensors"
    assert adm("export", tmp_path / "checkpoint", network, "--set", "steps=2")[0] == 0
    assert adm("generate", network, "-n", 12, "--threads", 1, "--out", tmp_path / "drawn")[0] == 0
    expected, _ = score(tmp_path / "drawn" / "samples.npz", "images.npz")
    found, printed = score(network, "images.npz", "--num-samples", "12")
    assert found["metrics"] == expected["metrics"]
    assert found["provenance"]["network"] == sha256(network)
    assert "network.safetensors against images.npz: 12 samples" in printed
    assert ("drawn equally often" in printed) == bool(tiny_model().network.num_classes)


def test_what_does_not_fit_a_network_is_told_before_it_is_sampled(
    refused, tiny_model, batches, graph, tmp_path, monkeypatch
):
    make(init, tiny_model(), tmp_path / "checkpoint")
    monkeypatch.setattr(score_verb.generate, "run", None)
    (tmp_path / "no.pb").write_bytes(b"no graph")
    images = batches / "images.npz"
    np.savez(tmp_path / "one.npz", arr_0=np.zeros((1, 8, 8, 3), np.uint8))
    for reference, flags, message in (
        (tmp_path / "no.pb", (), "is no readable npz"),
        (images, ("--graph", tmp_path / "no.pb"), "no.pb"),
        (images, ("--num-samples", 3), "--num-samples 3: is too few"),
        (images, ("--num-samples", 7, "--intervals"), "samples has 7 of the 8 images"),
        (tmp_path / "one.npz", (), "holds 1 of the 4 images"),
        (tmp_path / "checkpoint", (), "is a network, and images are wanted"),
    ):
        assert message in refused("score", tmp_path / "checkpoint", reference, "--graph", graph, *flags)


def test_folders_of_artifacts_stand_for_what_they_hold(adm, graph, batches, tmp_path):
    places = {"samples": "samples.npz", "reference": "reference.npz", "extractor": "graph.pb"}
    files = [batches / "samples.npz", batches / "both.npz", graph]
    for file, (folder, name) in zip(files, places.items(), strict=True):
        (tmp_path / folder).mkdir()
        shutil.copy(file, tmp_path / folder / name)
    scores = []
    for samples, reference, extractor in (files, [tmp_path / folder for folder in places]):
        out = tmp_path / "score.json"
        assert adm("score", samples, reference, "--graph", extractor, "--threads", 1, "--out", out)[0] == 0
        scores.append(json.loads(out.read_text())["metrics"])
    assert scores[0] == scores[1]


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


def test_images_are_in_memory_a_batch_at_a_time(score, monkeypatch):
    asked = []
    rows = StoredArray.rows
    monkeypatch.setattr(
        StoredArray, "rows", lambda self, length, total: asked.append(length) or rows(self, length, total)
    )
    score("samples.npz", "images.npz", "--batch", 8)
    assert asked == [8, 8]


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
    }
    assert told["reference"]["sha256"] == sha256(batches / "both.npz")
    assert set(told["versions"]) == {"python", "adm", "numpy", "pillow", "scipy", "torch"}
    assert str(batches) not in json.dumps(found)


def test_sizes_that_differ_and_fewer_images_than_features_are_warned_of(score, tmp_path):
    np.savez(tmp_path / "small.npz", np.random.default_rng(0).integers(0, 256, (20, 6, 6, 3)).astype(np.uint8))
    found, printed = score("samples.npz", tmp_path / "small.npz", "--num-samples", 20)
    for told in (
        "samples are 8x8, but the reference's images 6x6",
        "20 samples do not exceed the 112 spatial",
        "20 images of the reference do not exceed the 112 spatial",
    ):
        assert any(told in warning for warning in found["warnings"])
        assert f"warning: {told}" in printed


def test_intervals_hold_their_metrics(score):
    found, printed = score("samples.npz", "images.npz", "--intervals")
    assert set(found["intervals"]) == set(found["metrics"])
    for name, (low, high) in found["intervals"].items():
        assert low <= found["metrics"][name] <= high
        assert low < high
    assert " to " in printed


def test_further_metrics_of_the_same_features(score, features):
    found, printed = score("samples.npz", "images.npz", "--further")
    fake, real = features["samples"].pool, features["images"].pool
    kernel, balls = kernel_distance(real, fake), density_coverage(real, fake)
    values = {
        "kid": kernel.value,
        "density": balls.density,
        "coverage": balls.coverage,
        "fid_infinity": fid_infinity(feature_statistics(real), fake, 0),
    }
    assert found["further"] == pytest.approx(values, rel=1e-6)
    with_errors, _ = score("samples.npz", "images.npz", "--further", "--intervals")
    assert set(with_errors["further"]) == {*values, *(f"{name}_standard_error" for name in values)}
    assert "KID" in printed
    assert "FID of infinitely many" in printed
    found, printed = score("samples.npz", "images.npz", "--further", "--num-samples", 40)
    assert "fid_infinity" not in found["further"]
    assert "40 samples are too few for FID of infinitely many" in printed


def test_cached_features_are_not_computed_again(score, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first, _ = score("samples.npz", "images.npz", "--cache", cache)
    monkeypatch.setattr(TorchGraph, "batches", lambda *_: pytest.fail("the graph ran again"))
    again, _ = score("samples.npz", "images.npz", "--cache", cache)
    assert again == first
    assert len(list(cache.iterdir())) == 2


def test_a_damaged_cache_is_found_out(adm, graph, batches, tmp_path, refused):
    arguments = ["score", batches / "samples.npz", batches / "both.npz", "--graph", graph, "--cache", tmp_path]
    assert adm(*arguments)[0] == 0
    flip(next(tmp_path.glob("*/pool.npy")))
    assert "pool.npy: is not the file that was written" in refused(*arguments)


def test_both_executors_give_one_answer_and_the_cache_tells_images_graphs_and_batches_apart(score, tmp_path):
    cache = tmp_path / "cache"
    flags = [], ["--num-samples", 60], ["--batch", 32], ["--executor", "tensorflow"]
    by_torch, *_, by_tensorflow = (score("samples.npz", "images.npz", "--cache", cache, *each)[0] for each in flags)
    assert len(list(cache.iterdir())) == 7
    assert by_tensorflow["metrics"] == pytest.approx(by_torch["metrics"], rel=1e-3)
    assert "tensorflow" in by_tensorflow["provenance"]["versions"]


@pytest.fixture
def published(graph, batches, tmp_path, monkeypatch):
    """The graph and a reference, known by name and published in a folder; the folder that is to keep them."""
    files = {"inception": graph, "imagenet256": batches / "both.npz"}
    for name, path in files.items():
        sums = {"md5": hashlib.md5(path.read_bytes()).hexdigest()} if name == "inception" else {}
        monkeypatch.setitem(RELEASED, name, PublishedFile(url=path.as_uri(), **sums))
    monkeypatch.setenv("ADM_FILES", str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_scores_are_those_of_the_command_line(graph, batches):
    with np.load(batches / "samples.npz") as samples, np.load(batches / "images.npz") as images:
        found = package.score(samples["arr_0"], images["arr_0"], graph, device="cpu", threads=1)
    files = package.score(batches / "samples.npz", str(batches / "images.npz"), str(graph), device="cpu", threads=1)
    assert found["metrics"] == files["metrics"]
    assert files["provenance"]["samples"]["name"] == "samples.npz"


def test_a_reference_and_the_graph_are_known_by_name(adm, published, graph, batches, tmp_path):
    out = tmp_path / "score.json"
    code, _, err = adm("score", batches / "samples.npz", "imagenet256", "--out", out, "--threads", 1)
    assert code == 0, err
    assert sorted(path.name for path in published.iterdir()) == ["both.npz", graph.name]
    expected = package.score(batches / "samples.npz", batches / "both.npz", graph, device="cpu", threads=1)
    assert json.loads(out.read_text())["metrics"] == expected["metrics"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("imagenet255", "imagenet255: does not exist"),
        ("imagenet255", "nearest are imagenet256"),
        ("none.npz", "none.npz: does not exist"),
    ],
)
def test_no_reference_is_one_line_and_nothing_is_fetched(refused, published, batches, asked, message):
    assert message in refused("score", batches / "samples.npz", asked)
    assert not published.exists()
