"""Names of one's own classes, from the folders of images to the dataset, the checkpoint, samples, grids and verbs."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import adm as package
from adm.artifacts.manifest import read_manifest
from adm.params import load
from adm.report.artwork import ARTISTS

NAMES = ["007", "a: b", "no"]
NETWORK = {"image_size": 4, "channels": 32, "channel_multiplier": [1], "depth": 1, "heads": 1, "num_classes": 3}
MODEL = {"kind": "diffusion", "dataset": "images", "checkpoints": [1]}
MODEL |= {"network": NETWORK, "training": {"batch_size": 2}}
RUN = {"checkpoint": "model-1", "steps": "2", "num_samples": 9, "micro_batch": 5}


@pytest.fixture
def trained(verbs):
    """Train on folders of these names: `trained(names, "sample plain")` calls further verbs."""

    def execute(names, *commands):
        for number, name in enumerate(names):
            folder = Path("images", name)
            folder.mkdir(parents=True)
            for copy in range(2):
                Image.new("RGB", (4, 4), (80 * number, 40 * copy, 0)).save(folder / f"{copy}.png")
        content = {
            "paths": {"results": "results/a"},
            "datasets": {"images": {"source": "folder", "root": "images", "image_size": 4, "num_classes": 3}},
            "extractors": {"features": {"dataset": "images", "side": 8, "iterations": 1, "least_accuracy": 0}},
            "references": {"images": {"dataset": "images", "num_images": 6}},
            "models": {"model": MODEL, "free": MODEL | {"network": NETWORK | {"num_classes": None}}},
            "runs": {"plain": RUN, "free": RUN | {"checkpoint": "free-1"}},
            "figures": {"grid": {"run": "plain", "columns": 2, "classes": [0, 2], "caption": "Samples."}},
        }
        for command in ("prepare images", "init model", "train model-1", *commands):
            code, _, err = verbs(content, command)
            assert code == 0, err
        return Path("results/a")

    return execute


def test_names_stay_with_all_that_is_made_of_a_folder(trained):
    results = trained(NAMES, "sample plain", "init free", "train free-1", "sample free")
    for path in ("data/images", "checkpoints/model-1", "samples/plain"):
        assert read_manifest(results / path).facts["class_names"] == NAMES
    for path in ("checkpoints/free-1", "samples/free"):
        assert "class_names" not in read_manifest(results / path).facts
    params = load(Path("params.yaml"))
    figure = ARTISTS[params.figures["grid"].kind](
        params, params.figures["grid"], {"samples": {"plain": results / "samples/plain"}}
    ).figure
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["0: 007", "2: no"]


def test_keys_of_wordnet_are_no_names(trained):
    results = trained(["n01440764", "n01443537", "n01484850"])
    for path in ("data/images", "checkpoints/model-1"):
        assert "class_names" not in read_manifest(results / path).facts


def test_classes_are_generated_by_their_names(trained, adm, refused):
    checkpoint = trained(NAMES) / "checkpoints/model-1"
    how = ("--steps", "2", "--threads", 1, "-n", 4)
    code, _, _ = adm("generate", checkpoint, "--class", "NO", "--class", "007", "--class", "1", *how)
    assert code == 0
    assert json.loads(Path("generated/generate.json").read_text())["call"]["classes"] == [2, 0, 1]
    with np.load("generated/samples.npz") as arrays:
        assert arrays["arr_1"].tolist() == [2, 0, 1, 2]
        model = package.load(checkpoint, device="cpu")
        assert list(model.class_names) == NAMES
        np.testing.assert_array_equal(model.sample(["no", "007", "a: b"], 4, steps="2"), arrays["arr_0"])
    assert "nearest are a: b (1)" in refused("generate", checkpoint, "--class", "a; b", *how, "--out", "other")
    assert not Path("other").exists()
