"""Scores from Python are those of the command line, and what is known by name is fetched and used."""

import hashlib
import json

import numpy as np
import pytest

import adm as package
from adm.config.files import PublishedFile
from adm.config.released import RELEASED


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
