"""`adm start released`: the first hour of a network in the released format, a tiny one, fetched or there by hand."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from serving import serving

from adm import cli
from adm.artifacts.manifest import read_record
from adm.config.files import RELEASED
from adm.nets import presets, release
from adm.nets.presets import PRESETS
from adm.nets.release import export_released
from adm.nets.weights import build
from adm.paper import table_cells
from adm.params import load
from adm.tools import start

NAMES = ("64x64_diffusion", "64x64_classifier", "imagenet64", "inception")
"""The four files, as `adm fetch` calls them."""

FILES = [Path(RELEASED[name].url).name for name in NAMES]
DIFFUSION, CLASSIFIER, REFERENCE, GRAPH = FILES
NETWORK = {"image_size": 8, "channels": 32, "channel_multiplier": [1], "depth": 1, "heads": 1}
RESULTS = Path("results", "first_hour")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The files' host; it is there until a test closes it."""
    with serving(monkeypatch, folder=tmp_path / "host") as server:
        yield server


@pytest.fixture
def scale(tmp_path, batches, graph, server, monkeypatch):
    """The scale as it is written, but of tiny networks and few images; and its files of random weights at the host."""
    monkeypatch.setenv("ADM_FILES", str(tmp_path / "kept"))
    monkeypatch.chdir(tmp_path)
    start.write("cpu")
    content = yaml.safe_load(start.FILE.read_text(encoding="utf-8"))
    md5 = hashlib.md5(graph.read_bytes()).hexdigest()
    content["published"]["root"] = server.root
    content["published"]["references"]["imagenet-64"]["image_size"] = 8
    content["published"]["graphs"]["inception"] |= {"size": graph.stat().st_size, "md5": md5}
    for model in content["models"].values():
        model["network"] = NETWORK | {"num_classes": 7, "attention_resolutions": []}
    content["runs"]["guided"] |= {"num_samples": 16, "steps": "ddim2", "threads": 1}
    content["figures"]["samples"] |= {"columns": 4, "rows": 4}
    start.FILE.write_text(yaml.safe_dump(content), encoding="utf-8")
    params = load(start.FILE)
    named = ("imagenet64", "classifier_imagenet64"), (model.network for model in params.models.values())
    known = dict(zip(*named, strict=True))
    for module in (presets, release):
        monkeypatch.setattr(module, "PRESETS", known)
    for name, published in zip(NAMES, files_of(params), strict=True):
        monkeypatch.setitem(RELEASED, name, published)
    server.folder.mkdir()
    for file, model in zip(FILES, params.models.values(), strict=False):
        export_released(server.folder / file, randomised_weights(model))
    shutil.copyfile(batches / "both.npz", server.folder / REFERENCE)
    shutil.copyfile(graph, server.folder / GRAPH)
    return params


def files_of(params):
    published = params.published
    sections = (*published.checkpoints.values(), *published.references.values(), *published.graphs.values())
    return [section.file for section in sections]


def randomised_weights(model):
    torch.manual_seed(0)
    return {name: weight + 0.1 * torch.randn_like(weight) for name, weight in build(model).state_dict().items()}


@pytest.fixture
def stopped(monkeypatch):
    """Have the first job of each of some kinds end the process once, as SIGTERM does."""

    def stop_before(*verbs):
        left, carry_out = set(verbs), cli.carry_out

        def carried(file, verb, key):
            done.append((verb, key))
            if verb in left:
                left.remove(verb)
                raise SystemExit(143)
            carry_out(file, verb, key)

        monkeypatch.setattr(cli, "carry_out", carried)
        return done

    done = []
    return stop_before


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_scale_is_of_the_released_files_and_presets(tmp_path, monkeypatch, device):
    monkeypatch.chdir(tmp_path)
    start.write(device)
    params = load(start.FILE)
    assert files_of(params) == [RELEASED[name] for name in NAMES]
    assert params.models["adm-64"].network == PRESETS["imagenet64"]
    assert params.models["classifier-64"].network == PRESETS["classifier_imagenet64"]
    run = params.runs["guided"]
    assert (run.num_samples, run.gradient_scale) == (64, float(table_cells("table_14")[1][0][1]))
    assert params.resources.sample.device == params.resources.features.device == device
    assert Path(params.paths.results) == RESULTS


def test_it_goes_on_after_cuts_and_kills_and_then_needs_no_network(adm, scale, server, stopped, tmp_path):
    server.cuts, server.cut_after = 1, (server.folder / DIFFUSION).stat().st_size // 2
    done = stopped("adopt", "features", "report")
    assert [adm("start", "released")[0] for _ in range(3)] == [143] * 3
    code, out, err = adm("start", "released")
    assert (code, err) == (0, "")
    asked = [None, f"bytes={server.cut_after // 1000 * 1000}-", *[None] * 3]
    assert [*zip(server.names, server.asked, strict=True)] == [*zip([DIFFUSION, *FILES], asked, strict=True)]
    # What was done before a kill is not done again.
    assert len(done) == len(set(done)) + 3
    recorded = read_record(RESULTS / "downloads" / "checkpoints" / "adm-64-540k").facts["sha256"]
    assert recorded == hashlib.sha256((server.folder / DIFFUSION).read_bytes()).hexdigest()
    assert (RESULTS / "report.html").is_file()
    assert str(RESULTS / "report.html") in out
    assert "95 %" in out

    server.close()
    images = samples()
    shutil.rmtree(RESULTS)
    shutil.move(server.folder, tmp_path / "by hand")
    stopped("evaluate")
    assert adm("start", "released", tmp_path / "by hand")[0] == 143
    assert np.array_equal(samples(), images)
    assert images.shape == (16, 8, 8, 3)


def samples():
    with np.load(RESULTS / "samples" / "guided" / "samples.npz") as arrays:
        return arrays["arr_0"]


def test_what_it_takes_is_told_before_anything_is_fetched(adm, scale, server, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    code, out, err = adm("start", "released")
    assert (code, server.asked, len(err.splitlines())) == (2, [], 1)
    assert "free" in err
    assert all(name in out for name in FILES)
    assert "TFLOP" in out


WRONG = {
    "a half-fetched file": (DIFFUSION, "truncated"),
    "no checkpoint": (CLASSIFIER, "no readable checkpoint"),
    "another size": (DIFFUSION, "fits preset imagenet128"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_named_and_another_one_taken(adm, scale, server, stopped, monkeypatch, tmp_path, case, refused):
    name, message = WRONG[case]
    stopped("sample")
    folder = shutil.copytree(server.folder, tmp_path / "by hand")
    if case == "another size":
        larger = scale.models["adm-64"]
        larger = larger.model_copy(update={"network": larger.network.model_copy(update={"channels": 64})})
        export_released(folder / name, randomised_weights(larger))
        monkeypatch.setitem(release.PRESETS, "imagenet128", larger.network)
    else:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(b"<html>" if case == "no checkpoint" else content[: len(content) // 2])
    err = refused("start", "released", folder)
    assert message in err
    assert str(folder / name) in err
    shutil.copyfile(server.folder / name, folder / name)
    assert adm("start", "released", folder)[0] == 143
    assert not server.asked


@pytest.mark.parametrize(("name", "is_damaged"), [(REFERENCE, False), (GRAPH, True)])
def test_without_a_network_one_line_says_what_is_missing_and_where_to_put_it(
    adm, scale, server, stopped, tmp_path, name, is_damaged, refused
):
    stopped("sample")
    server.close()
    folder = shutil.copytree(server.folder, tmp_path / "by hand")
    (folder / name).unlink()
    if is_damaged:
        (folder / name).write_bytes(b"half")
    err = refused("start", "released", folder)
    assert f"put {name} from elsewhere into {folder}" in err
    assert ("another file" in err) == is_damaged
    shutil.copyfile(server.folder / name, folder / name)
    assert adm("start", "released", folder)[0] == 143


def test_a_folder_that_is_none_is_refused(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "nowhere" in refused("start", "released", "nowhere")
    assert not start.FILE.exists()
