"""Verbs on GPUs: throughput on one; on two, the samples of one and its losses to rounding."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from miniature import TIMEOUT, miniature_params

from adm.report.compute import peak_flops

SEGMENT = "adm-128-8"


class Project:
    """A folder with a dataset and untrained models, in which verbs run on GPUs."""

    def __init__(self, folder):
        whole = miniature_params()
        self.folder = folder
        self.params = {key: whole[key] for key in ("datasets", "extractors")}
        self.params |= {"execution": {"log_every": 1}, "references": {"digits": whole["references"]["digits"]}}
        self.params["models"] = {key: whole["models"][key] for key in ("adm-128", "classifier")}
        self.params["models"]["adm-128"]["checkpoints"] = [8]
        run = {"checkpoint": "adm-128-0", "classifier": "classifier-0", "gradient_scale": 2.0, "steps": "3"}
        self.params["runs"] = {"short": {**run, "num_samples": 23, "micro_batch": 5}}
        speed = {"model": "adm-128", "naive_batch": 4, "optimised_batch": 8, "steps": 1, "repetitions": 2}
        self.params["throughput"] = {"speed": {**speed, "optimised_precision": "float16", "device": "cuda"}}

    def adm(self, results, words, processes=1):
        placed = {"processes": processes, "device": "cuda"}
        resources = dict.fromkeys(("train", "sample", "features"), placed)
        params = {**self.params, "resources": resources, "paths": {"results": f"results/{results}"}}
        file = self.folder / f"{results}.yaml"
        file.write_text(yaml.safe_dump(params, sort_keys=False))
        command = [sys.executable, "-m", "adm", *words.split(), "--params", file.name]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == 0, done.stderr

    def made(self, results, processes):
        """Everything that is made of the dataset, by so many processes."""
        for words in ("prepare digits", "init adm-128", "init classifier", "extractor digits"):
            self.adm(results, words)
        for words in ("sample short", "features dataset/digits", f"train {SEGMENT}"):
            self.adm(results, words, processes)
        return results

    def files(self, results, place):
        folder = self.folder / "results" / results / place
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def losses(self, results):
        with (self.folder / "results" / results / f"training/{SEGMENT}.csv").open(newline="") as file:
            return np.array([float(row["loss"]) for row in csv.DictReader(line for line in file if line[0] != "#")])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("gpu"))


@pytest.fixture(scope="module")
def by_one(project):
    return project.made("one", 1)


def test_verbs_give_the_same_bytes_every_time(project, by_one):
    again = project.made("again", 1)
    for place in ("samples/short", "features/dataset/digits", f"checkpoints/{SEGMENT}"):
        assert project.files(again, place) == project.files(by_one, place)


@pytest.fixture(scope="module")
def by_two(project):
    if torch.cuda.device_count() < 2:
        pytest.skip("there are no two GPUs here")
    return project.made("two", 2)


@pytest.mark.parametrize("place", ["samples/short", "features/dataset/digits"])
def test_two_processes_give_the_bytes_of_one(project, by_one, by_two, place):
    assert project.files(by_two, place) == project.files(by_one, place)


def test_two_processes_follow_the_losses_of_one(project, by_one, by_two):
    assert len(project.losses(by_one)) == 8
    np.testing.assert_allclose(project.losses(by_two), project.losses(by_one), rtol=1e-5)


def test_throughput_is_the_gpus_with_its_share_of_a_known_peak(project):
    project.adm("one", "throughput speed")
    found = json.loads((project.folder / "results/one/throughput/speed.json").read_text().partition("\n#")[0])
    assert found["device"] == torch.cuda.get_device_name(0)
    for name, precision in (("naive", "float32"), ("optimised", "float16")):
        assert all(rate > 0 for rate in found[name]["images_per_second"])
        assert ("mfu" in found[name]) == (peak_flops(found["device"], precision) is not None)
