"""Stages that read stored files through views: each at its own side, as if it had been prepared at that side."""

import numpy as np
import pytest
from making import make, record
from PIL import Image

from adm.artifacts.manifest import read_manifest, write_manifest
from adm.artifacts.writing import new_folder
from adm.metrics.batches import GRAPH, REFERENCE
from adm.metrics.small_extractor import freeze
from adm.params.data import DatasetParams, ExtractorParams, ReferenceParams
from adm.stages import features, prepare, reference
from adm.training.extractor import initial_network

EXTRACTOR = ExtractorParams(dataset="d", side=8, channels=4, iterations=1, least_accuracy=0.0)
REFERENCE_PARAMS = ReferenceParams(dataset="d", extractor="e", num_images=9)
SIDES = (8, 12)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes of twelve JPEGs of many shapes."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(24):
        path = root / "ab"[number % 2] / f"{number:02d}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*rng.integers(12, 40, 2), 3), dtype=np.uint8)).save(path)
    return root


@pytest.fixture(scope="module")
def made(photos, tmp_path_factory):
    """The files, and for each side what was prepared at it; features and references of both."""
    folder = tmp_path_factory.mktemp("made")
    section = {"source": "folder", "root": str(photos), "num_classes": 2, "held_out": 0.25, "shard_size": 7}
    store = DatasetParams.model_validate(section | {"stored": "files"})
    make(prepare, store, folder / "files")
    with new_folder(folder / "graph") as graph:
        (graph / GRAPH).write_bytes(freeze(initial_network(EXTRACTOR, 2)))
        write_manifest(graph, record("extractor", {}, {}, []))
    for side in SIDES:
        make(prepare, DatasetParams.model_validate(section | {"image_size": side}), folder / f"pixels-{side}")
        view = view_of(store, side)
        for name, data, dataset in (("view", "files", view), ("plain", f"pixels-{side}", None)):
            inputs = folder / data, folder / "graph", folder / f"{name}-{side}-features"
            make(features, EXTRACTOR, *inputs, "cpu", 60, dataset)
            inputs = folder / f"{name}-{side}-features", folder / data, folder / f"{name}-{side}-reference"
            make(reference, REFERENCE_PARAMS, *inputs, dataset)
    return folder, store


def view_of(store, side):
    return store.model_copy(update={"of": "photos", "image_size": side})


@pytest.mark.parametrize("side", SIDES)
def test_features_and_references_are_those_of_prepared_images(made, side):
    folder, _ = made
    for kind, name in (("features", "pool.npy"), ("reference", REFERENCE)):
        found, expected = (folder / f"{of}-{side}-{kind}" / name for of in ("view", "plain"))
        assert found.read_bytes() == expected.read_bytes()
    found, expected = (read_manifest(folder / f"{of}-{side}-reference", "reference").facts for of in ("view", "plain"))
    assert found == expected


@pytest.mark.slow
def test_verbs_read_views(verbs, photos, tmp_path):
    network = {"image_size": 8, "channels": 32, "channel_multiplier": [1], "depth": 1, "attention_resolutions": []}
    content = {
        "paths": {"results": str(tmp_path / "results")},
        "datasets": {
            "photos": {"source": "folder", "root": str(photos), "num_classes": 2, "stored": "files"},
            "small": {"of": "photos", "image_size": 8},
            "large": {"of": "photos", "image_size": 12},
        },
        "extractors": {"told": {"dataset": "large", "side": 12, "iterations": 2, "least_accuracy": 0}},
        "references": {"large": {"dataset": "large", "num_images": 9}},
        "models": {
            "judge": {
                "kind": "classifier",
                "dataset": "small",
                "checkpoints": [2],
                "network": network | {"heads": 1, "num_classes": 2},
                "training": {"batch_size": 6, "crop": "random", "threads": 2},
            }
        },
    }
    for command in (
        *("resolve", "prepare photos", "extractor told", "init judge", "train judge-2"),
        *("features dataset/large", "reference large"),
    ):
        code, _, errors = verbs(content, command)
        assert code == 0, errors
    with np.load(tmp_path / "results" / "references" / "large" / REFERENCE) as arrays:
        assert arrays["arr_0"].shape == (9, 12, 12, 3)
    _, printed, _ = verbs(content, "jobs")
    assert "stale" not in printed.partition("there,")[0]
    content["datasets"]["large"]["image_size"] = 10
    _, printed, _ = verbs(content, "jobs")
    states = dict(line.split(": ", 1) for line in printed.splitlines() if ": " in line)
    assert states["prepare photos"] == states["train judge-2"] == "there"
    assert "image_size" in states["extractor told"]
    assert "image_size" in states["features dataset/large"]
    code, _, errors = verbs(content, "prepare large")
    assert code == 2
    assert "photos" in errors
