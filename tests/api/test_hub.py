"""A network's folder for a model hub: it remakes its images wherever it lies, and its card tells its scores."""

import json
import os
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import yaml
from making import everything_in

import adm as package
from adm.tools import hub


@pytest.fixture
def network(adm, checkpoint, tmp_path):
    """Write a file of a tiny model, guided by a classifier or by itself: `network("classifier")`."""

    def file_of(by="itself", *, settings=("steps=ddim5", "sampler=ddim"), **changes):
        path, settings = tmp_path / "files" / "tiny.safetensors", [*settings]
        if by == "classifier":
            assert adm("export", checkpoint("classifier"), path.with_name("guide.safetensors"))[0] == 0
            settings += ["classifier=guide.safetensors", "scale=2"]
        elif by == "itself":
            changes["label_dropout"] = 0.1
            settings += ["cfg_scale=2"]
        assert adm("export", checkpoint(**changes), path, *(f"--set={each}" for each in settings))[0] == 0
        return path

    return file_of


@pytest.fixture
def published(adm, network, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "NUM", 3)

    def folder_of(by="itself", *options, **changes):
        code, out, err = adm("publish", tmp_path / "pub", "--network", network(by, **changes), *options)
        assert code == 0, err
        return tmp_path / "pub", out

    return folder_of


def metadata_of(folder):
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


@pytest.mark.parametrize("by", ["classifier", "itself", "nothing"])
def test_a_folder_remakes_its_images_from_itself_alone(published, adm, by, tmp_path):
    folder, _ = published(by)
    shutil.rmtree(tmp_path / "files")
    folder = folder.rename(tmp_path / "elsewhere")
    assert adm("publish", folder, "--check")[0] == 0
    model = package.load(folder)
    assert (model.classifier is not None) == (by == "classifier")
    with np.load(folder / "samples.npz") as kept:
        images = model.sample(kept["arr_1"].tolist(), seed=0)
        assert np.array_equal(images, kept["arr_0"])
    assert adm("generate", folder, "-n", "2", "--out", tmp_path / "drawn", "--threads", "1")[0] == 0
    assert len([*(tmp_path / "drawn" / "images").iterdir()]) == 2
    assert set(metadata_of(folder)) == {"license", "library_name", "pipeline_tag", "tags"}


def test_images_that_are_not_remade_are_told(published, adm):
    folder, _ = published()
    with np.load(folder / "samples.npz") as kept:
        arrays = dict(kept)
    np.savez(folder / "samples.npz", **arrays | {"x_0": arrays["x_0"] + np.float32(1e-4)})
    assert adm("publish", folder, "--check")[0] == 1
    # Made elsewhere, floats may differ, and pixels by one.
    record = json.loads((folder / "samples.json").read_text())
    (folder / "samples.json").write_text(json.dumps(record | {"processor": "another"}))
    assert adm("publish", folder, "--check")[0] == 0
    off = np.where(arrays["arr_0"] > 127, arrays["arr_0"] - 2, arrays["arr_0"] + 2)
    np.savez(folder / "samples.npz", **arrays | {"arr_0": off})
    assert adm("publish", folder, "--check")[0] == 1


@pytest.mark.slow
def test_other_vector_instructions_make_the_same_pixels(published, root):
    folder, _ = published("classifier")
    slow = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "adm", "publish", folder, "--check"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | slow, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_publishing_again_keeps_hidden_files_and_gives_the_same_bytes(published, adm, tmp_path):
    folder, _ = published()
    before = everything_in(folder)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs")
    published()
    after = everything_in(folder)
    assert (folder / ".git" / "HEAD").read_text() == "ref"
    assert {name: after[name] for name in before} == before


@pytest.mark.slow
def test_the_card_tells_scores_with_intervals(adm, network, graph, tmp_path, monkeypatch, refused):
    monkeypatch.setattr(hub, "NUM", 3)
    file, report = network(), tmp_path / "scores.json"
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "reference.npz", arr_0=rng.integers(0, 256, (80, 8, 8, 3), np.uint8))
    score = ("score", file, tmp_path / "reference.npz", "--graph", graph, "--num-samples", "64", "--intervals")
    assert adm(*score, "--out", report, "--threads", "1")[0] == 0
    publish = ("publish", tmp_path / "pub", "--network", file, "--scores", report, "--license", "cc-by-4.0")
    assert adm(*publish)[0] == 0
    scores, metadata = json.loads(report.read_text()), metadata_of(tmp_path / "pub")
    (index,) = metadata["model-index"]
    (result,) = index["results"]
    assert metadata["license"] == "cc-by-4.0"
    assert result["dataset"]["name"] == "reference.npz"
    assert {each["type"]: each["value"] for each in result["metrics"]} == scores["metrics"]
    intervals = {each["type"]: each["args"].get("interval_95") for each in result["metrics"]}
    assert {name: ends for name, ends in intervals.items() if ends} == scores["intervals"]
    low, high = scores["intervals"]["fid"]
    assert f"{low:.4g} to {high:.4g}" in (tmp_path / "pub" / "README.md").read_text()
    # Scores of another network are refused.
    refused("publish", tmp_path / "new", "--network", "emoji", "--scores", report)
    # So are those of images that tell no network, or by another protocol than papers have.
    scores["provenance"]["graph"]["protocol"] = "clean-fid"
    report.write_text(json.dumps(scores))
    assert "as clean-fid computes them" in refused("publish", tmp_path / "new", "--network", file, "--scores", report)
    del scores["provenance"]["network"]
    report.write_text(json.dumps(scores))
    assert "tell no network" in refused("publish", tmp_path / "new", "--network", file, "--scores", report)
    assert not (tmp_path / "new").exists()
    # The hub's client reads the same, where it is installed.
    client = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed: `make rivals`")
    card = client.ModelCard.load(tmp_path / "pub" / "README.md")
    assert {each.metric_type: each.metric_value for each in card.data.eval_results} == scores["metrics"]
    assert card.data.to_dict()["model-index"] == metadata["model-index"]


@pytest.fixture
def of_a_run(root, tmp_path):

    def file_of(name):
        with tarfile.open(root / "results/published/emoji/scores.tar.xz") as archive:
            archive.extract(f"metrics/{name}.json", tmp_path, filter="data")
        return tmp_path / "metrics" / f"{name}.json"

    return file_of


def test_scores_of_a_run_tell_how_it_is_sampled(adm, of_a_run, tmp_path, monkeypatch, refused):
    monkeypatch.setattr(hub, "NUM", 1)
    path = of_a_run("free-3")
    assert adm("publish", tmp_path / "pub", "--network", "emoji", "--scores", path)[0] == 0
    metrics = metadata_of(tmp_path / "pub")["model-index"][0]["results"][0]["metrics"]
    told = json.loads(path.read_text())["metrics"]
    assert all(each["value"] == told[each["type"]] for each in metrics)
    fid = metrics[0]["args"]["interval_95"]
    assert fid[0] < metrics[0]["value"] < fid[1]
    assert package.load(tmp_path / "pub").opened.card.sampling["cfg_scale"] == 3
    assert "cfg_scale" in refused("publish", tmp_path / "two", "--network", "emoji", "--scores", of_a_run("free-2"))


def test_a_network_without_a_form_in_diffusers_is_written_without(published, adm):
    folder, out = published(settings=("steps=logsnr5", "sampler=unipc"))
    assert "sampler 'unipc'" in out
    assert not (folder / "model_index.json").exists()
    assert metadata_of(folder)["library_name"] == "adm"
    assert "sampler 'unipc'" in (folder / "README.md").read_text()
    assert adm("publish", folder, "--check")[0] == 0


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
MISTAKES = {
    "no weights": ({"model.safetensors": None}, ["--check"], "pub: lacks model.safetensors; fetch the folder whole"),
    "no card": ({"README.md": None}, ["--check"], "pub: lacks README.md"),
    "half fetched": ({"model.safetensors": POINTER}, ["--check"], "model.safetensors"),
    "other files": ({"notes.md": "mine"}, ["--network", "emoji"], "notes.md"),
    "somebody's card": ({"samples.json": None}, ["--network", "emoji"], "README.md"),
    "nothing to check": ({"samples.json": None}, ["--check"], "samples.json"),
    "nothing asked": ({"notes.md": "mine"}, [], "--network"),
    "a classifier": ({}, ["--network", "emoji-classifier"], "classifier"),
    "no scores": ({}, ["--network", "emoji", "--scores", "none.json"], "none.json"),
}
"""What is spoiled, the options, and a word of the message."""


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_lost(published, refused, case):
    spoiled, options, word = MISTAKES[case]
    folder, _ = published()
    for name, content in spoiled.items():
        (folder / name).unlink() if content is None else (folder / name).write_text(content)
    before = everything_in(folder)
    assert word in refused("publish", folder, *options)
    assert everything_in(folder) == before


def test_options_of_a_hub_need_a_folder(refused):
    refused("publish", "--network", "emoji")
