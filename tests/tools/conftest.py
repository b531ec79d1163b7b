"""A small graph with the 2015 graph's names, sample batches and references of 8x8 images, and whole results."""

import csv
import shutil

import numpy as np
import pytest
from fabricated import PARAMS, fabricate, make
from making import record
from PIL import Image
from safetensors.numpy import save_file

from adm.artifacts import code
from adm.artifacts.manifest import fingerprint, read_record, write_manifest
from adm.artifacts.seal import write_sealed_csv, write_sealed_json
from adm.artifacts.writing import write_json
from adm.metrics.executors import TorchGraph
from adm.metrics.statistics import feature_statistics
from adm.params import load
from adm.params.section import Section
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


class Named(Section):
    """A section that names parents."""

    dataset: str | None = None
    previous: str | None = None
    checkpoint: str | None = None
    reference: str | None = None


def made_by(stage, inputs=(), **names):
    return record(stage, {"run": Named(**names)}, dict(inputs), ["numpy"])


def write_artifact(path, made, facts=None, **writers):
    """A folder with a manifest; `a_npy=write` writes `a.npy`."""
    path.mkdir(parents=True)
    for name, write in writers.items():
        write(path / name.replace("_", "."))
    write_manifest(path, made, facts)
    return path


def write_report(results, name, table):
    """A table, or the claims, as csv, Markdown and LaTeX."""
    stem = results / name
    stem.parent.mkdir(exist_ok=True)
    with stem.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table)
    stem.with_suffix(".md").write_text("Table\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in table))
    stem.with_suffix(".tex").write_text("".join(f"{' & '.join(row)} \\\\\n" for row in table))


@pytest.fixture
def results(tmp_path):
    """A results folder with an artifact of every kind, and what is no result beside them."""
    folder = tmp_path / "results"
    draws = np.random.default_rng(0)
    images = draws.integers(0, 255, (5, 4, 4, 3)).astype(np.uint8)
    weights = {"a.weight": draws.normal(size=(3, 4)).astype(np.float32), "b": np.array([np.nan, 1, 2])}
    data = write_artifact(
        folder / "data" / "digits",
        made_by("prepare", dataset="digits"),
        {"num_images": 5},
        images_npy=lambda path: np.save(path, images),
        labels_npy=lambda path: np.save(path, np.arange(5)),
    )
    graph = write_artifact(
        folder / "extractors" / "digits",
        made_by("extractor", {"data": data}, dataset="digits"),
        {"held_out_accuracy": 0.9},
        graph_pb=lambda path: path.write_bytes(bytes(range(99))),
    )
    write_artifact(
        folder / "checkpoints" / "m-0", made_by("init"), ema_safetensors=lambda path: save_file(weights, path)
    )
    checkpoint = write_artifact(
        folder / "checkpoints" / "m-9",
        made_by("train", {"data": data, "previous": folder / "checkpoints" / "m-0"}, dataset="digits", previous="m-0"),
        ema_safetensors=lambda path: save_file({**weights, "b": weights["b"] + 1}, path),
        progress_json=lambda path: write_json(path, {"step": 9}),
    )
    samples = write_artifact(
        folder / "samples" / "run",
        made_by("sample", {"checkpoint": checkpoint}, checkpoint="m-9"),
        samples_npz=lambda path: np.savez(path, arr_0=images, arr_1=np.arange(5)),
    )
    features = write_artifact(
        folder / "references" / "digits" / "features",
        made_by("features", {"images": data, "graph": graph}),
        features_npz=lambda path: np.savez(path, pool=weights["a.weight"]),
    )
    (folder / "metrics").mkdir()
    scored = {"features": samples, "reference_features": features}
    content = {"metrics": {"fid": 3.25}, "jackknife": {"fid": {"values": [3.0, 3.5], "pairs": []}}, "num_samples": 5}
    write_sealed_json(
        folder / "metrics" / "run.json", {**content, "made_by": made_by("evaluate", scored, reference="digits")}
    )
    (folder / "throughput").mkdir()
    speed = {"peak_flops": 9.5, "naive": {"batch_size": 4, "images_per_second": [7.5, 8.5]}, "forward_flops": 12}
    write_sealed_json(folder / "throughput" / "t.json", {**speed, "made_by": made_by("throughput")})
    (folder / "training").mkdir()
    made_with = fingerprint(read_record(checkpoint).params)
    write_sealed_csv(folder / "training" / "m-9.csv", "step,seconds,loss\n5,1.25,0.5\n9,2.5,0.25\n", made_with)
    write_report(folder, "tables/table_7", [["Model", "Here", "Images/s, here"], ["64", "a CPU", "8.5"]])
    write_report(folder, "tables/table_8", [["Run", "FID, here"], ["run", "3.25"], ["other", "nan"]])
    claims = [["key", "effect", "estimate", "measure"], ["fid", "FID 3.25", "3.25", "FID"]]
    write_report(folder, "claims", claims)
    write_report(folder, "claims/speed", [claims[0], ["speed", "8.5", "8.5", "ratio of images a second"]])
    inputs = {name: folder / name for name in ("metrics/run.json", "throughput/t.json")}
    rows = {row[0]: dict(zip(claims[0][1:], row[1:], strict=True)) for row in claims[1:]}
    write_sealed_json(folder / "claims.json", {"claims": rows, "made_by": {**made_by("claims", inputs), "facts": {}}})
    (folder / "figures").mkdir()
    for name in ("figure_5_seconds", "figure_6"):
        Image.fromarray(images[0]).save(folder / "figures" / f"{name}.png")
        (folder / "figures" / f"{name}.pdf").write_bytes(b"%PDF " + bytes(range(99)))
    scratch = ("logs/train/m-9.txt", "work/m-9/state.bin", "shards/run/1.npz", "jobs/train/m-9.json", "params.yaml")
    for name in (*scratch, "data/.digits.part"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(PARAMS if name == "params.yaml" else "no result")
    (data / ".snakemake_timestamp").touch()
    return folder


@pytest.fixture(scope="session")
def fabricated_results(tmp_path_factory):
    """A folder with a params file, and whole results of it."""
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
    """Have the digests of all code computed anew."""
    for function in vars(code).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


class Project:
    """A folder with a params file, its results, and a copy of the package that can be changed."""

    def __init__(self, folder, package, monkeypatch):
        self.folder, self.results, self.params = folder, folder / "results" / "tiny", folder / "params.yaml"
        self._package, self._monkeypatch = package, monkeypatch

    def edit_code(self, stage, text="\nNEW = 1\n"):
        """Add lines to a stage's module."""
        copy = self.folder / "adm"
        if not copy.exists():
            shutil.copytree(self._package, copy, ignore=shutil.ignore_patterns("__pycache__"))
            self._monkeypatch.setattr(code, "PACKAGE", copy)
        path = copy / "stages" / f"{stage}.py"
        path.write_text(path.read_text() + text)
        forget_code()

    def edit_params(self, old, new):
        """Replace words of the params file."""
        text = self.params.read_text()
        assert old in text
        self.params.write_text(text.replace(old, new, 1))

    def job(self, name, shards=1):
        """A job of the params file, with runs cut into so many shards."""
        return Pipeline(load(self.params), shards).jobs[name]

    def make(self, name):
        """Carry out a job again."""
        make(self.job(name), Pipeline(load(self.params)))
