"""A small graph with the 2015 graph's names, sample batches and references of 8x8 images, and whole results."""

import shutil

import numpy as np
import pytest
from fabricated import PARAMS, fabricate, make

from adm.artifacts import code
from adm.metrics.executors import TorchGraph
from adm.metrics.statistics import feature_statistics
from adm.params import load
from adm.pipeline import Pipeline
from adm.tools import jobs

SIDE = 8


def digits_like(seed, num):
    """Images of blurred noise, darker in every second one, and their class."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (num, SIDE // 2, SIDE // 2, 3))
    labels = np.arange(num) % 2
    images = np.repeat(np.repeat(coarse, 2, axis=1), 2, axis=2) // (1 + labels[:, None, None, None])
    return images.astype(np.uint8), labels


@pytest.fixture(scope="session")
def batches(graph, tmp_path_factory):
    """Sample batches and references, each a file of its own name."""
    folder = tmp_path_factory.mktemp("batches")
    (fake, fake_labels), (real, real_labels) = digits_like(0, 90), digits_like(1, 120)
    features = TorchGraph(graph).features(real, 64)
    pool, spatial = feature_statistics(features.pool), feature_statistics(features.spatial)
    stored = {"mu": pool.mu, "sigma": pool.sigma, "mu_s": spatial.mu, "sigma_s": spatial.sigma}
    np.savez(folder / "samples.npz", arr_0=fake, arr_1=fake_labels)
    np.savez_compressed(folder / "compressed.npz", arr_0=fake, arr_1=fake_labels.astype(np.int32))
    np.savez(folder / "unlabelled.npz", fake)
    np.savez(folder / "images.npz", arr_0=real, arr_1=real_labels)
    np.savez(folder / "both.npz", **stored, arr_0=real)
    np.savez(folder / "statistics.npz", **stored)
    return folder


@pytest.fixture(scope="session")
def fabricated_results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fabricated")
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "accepted.json").write_text("{}\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(code, "ACCEPTED", folder / "accepted.json")
        fabricate(folder / "params.yaml", folder / "results" / "tiny")
    return folder


@pytest.fixture
def project(fabricated_results, root, tmp_path, monkeypatch):
    """The working folder: a params file, whole results of it, and a package whose code is today's and can change."""
    folder = shutil.copytree(fabricated_results, tmp_path / "project")
    for module in (code, jobs):
        monkeypatch.setattr(module, "ACCEPTED", folder / "accepted.json")
    monkeypatch.chdir(folder)
    yield Project(folder, root / "adm", monkeypatch)
    if root / "adm" != code.PACKAGE:
        forget_code()


def forget_code():
    for function in vars(code).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


class Project:
    def __init__(self, folder, package, monkeypatch):
        self.folder, self.results, self.params = folder, folder / "results" / "tiny", folder / "params.yaml"
        self._package, self._monkeypatch = package, monkeypatch

    def edit_code(self, stage, text="\nNEW = 1\n"):
        copy = self.folder / "adm"
        if not copy.exists():
            shutil.copytree(self._package, copy, ignore=shutil.ignore_patterns("__pycache__"))
            self._monkeypatch.setattr(code, "PACKAGE", copy)
        path = copy / "stages" / f"{stage}.py"
        path.write_text(path.read_text() + text)
        forget_code()

    def edit_params(self, old, new):
        text = self.params.read_text()
        assert old in text
        self.params.write_text(text.replace(old, new, 1))

    def job(self, name):
        return Pipeline(load(self.params)).jobs[name]

    def make(self, name):
        make(self.job(name), Pipeline(load(self.params)))
