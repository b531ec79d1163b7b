"""`export`: checkpoints and released files to ours and back; a bad one is one line, and nothing is written."""

import hashlib
import json
import os

import pytest
import torch
from making import everything_in, make, record
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from adm.artifacts.manifest import write_manifest
from adm.config.networks import UNetParams
from adm.nets.opening import open_network
from adm.nets.presets import PRESETS, preset_model
from adm.nets.release import preset_shapes
from adm.nets.weights import model_network
from adm.stages import init

TINY = UNetParams(
    image_size=8,
    channels=32,
    channel_multiplier=[1],
    depth=1,
    attention_resolutions=[8],
    heads=2,
    attention_order="new",
    num_classes=2,
)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Write a file of a tiny preset, "tiny"; return its tensors."""
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    draws = torch.Generator().manual_seed(0)
    state = {name: 0.1 * torch.randn(shape, generator=draws) for name, shape in preset_shapes("tiny").items()}
    torch.save(state, tmp_path / "tiny.pt")
    return state


def test_to_ours_and_back(adm, tmp_path, tiny):
    ours, back = tmp_path / "tiny.safetensors", tmp_path / "new" / "back.pt"
    assert adm("export", tmp_path / "tiny.pt", ours, "--preset", "tiny") == (0, "", "")
    assert list(load_file(ours)) == sorted(model_network(preset_model("tiny")).state_dict())
    with safe_open(ours, framework="pt") as file:
        digest = hashlib.sha256((tmp_path / "tiny.pt").read_bytes()).hexdigest()
        assert json.loads(file.metadata()["adm"]) == {"preset": "tiny", "source_sha256": digest}
    assert ours.stat().st_mode & 0o777 == 0o644
    assert adm("export", ours, back) == (0, "", "")
    found = torch.load(back, weights_only=True)
    assert list(found) == list(tiny)
    assert all(torch.equal(found[name], tiny[name]) for name in tiny)
    assert adm("export", back, tmp_path / "b.safetensors", "--preset", "tiny")[0] == 0
    assert adm("export", tmp_path / "b.safetensors", tmp_path / "b.pt", "--preset", "tiny")[0] == 0
    assert (tmp_path / "b.pt").read_bytes() == back.read_bytes()


def test_half_precision_back_and_forth(adm, tmp_path, tiny):
    ours, half = tmp_path / "a.safetensors", tmp_path / "half.pt"
    assert adm("export", tmp_path / "tiny.pt", ours, "--preset", "tiny")[0] == 0
    assert adm("export", ours, half, "--dtype", "float16")[0] == 0
    assert {tensor.dtype for tensor in torch.load(half).values()} == {torch.float16, torch.float32}
    assert adm("export", half) == (0, f"{half}: fits tiny\n", "")
    assert adm("export", half, ours, "--preset", "tiny")[0] == 0
    assert adm("export", ours, tmp_path / "again.pt", "--dtype", "float16")[0] == 0
    assert (tmp_path / "again.pt").read_bytes() == half.read_bytes()


@pytest.mark.parametrize("kind", ["diffusion", "upsampler", "classifier"])
def test_a_checkpoint_of_the_pipeline_is_exported(adm, tmp_path, tiny_model, randomised, monkeypatch, kind):
    model = tiny_model(kind)
    make(init, model, tmp_path / "c")
    monkeypatch.setitem(PRESETS, "tiny", model.network)
    assert adm("export", tmp_path / "c", tmp_path / "a.pt") == (0, "", "")
    assert f"{tmp_path / 'c'}: {kind} model" in adm("export", tmp_path / "c")[1]
    found = open_network(tmp_path / "a.pt", "tiny").network.state_dict()
    wanted = load_file(tmp_path / "c" / "ema.safetensors")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(("field", "value", "told"), [("groups", 8, "8"), ("residual_rescaling", True, "True")])
def test_what_no_tensor_tells_is_not_exported(adm, tmp_path, tiny_model, field, value, told):
    make(init, tiny_model(**{field: value}), tmp_path / "c")
    code, _, err = adm("export", tmp_path / "c", tmp_path / "a.pt")
    assert (code, f"{field} is {told}" in err) == (2, True)
    assert not (tmp_path / "a.pt").exists()


def full_size(preset):
    """Tensors of a preset's shapes, each of one number: a file of them is small."""
    return {name: torch.zeros(1).expand(shape) for name, shape in preset_shapes(preset).items()}


@pytest.mark.parametrize("preset", ["lsun_cat", "upsampler_128_512"])
def test_identify_at_full_size(adm, tmp_path, preset):
    torch.save(full_size(preset), tmp_path / "a.pt")
    lsun = ["lsun_bedroom", "lsun_cat", "lsun_horse", "lsun_horse_nodropout"]
    same = ["imagenet256_unconditional", *lsun] if preset == "lsun_cat" else [preset]
    assert adm("export", tmp_path / "a.pt") == (0, f"{tmp_path / 'a.pt'}: fits {', '.join(same)}\n", "")


def test_identify_names_the_nearest(adm, tmp_path):
    state = full_size("classifier_imagenet256")
    del state["out.0.bias"], state["out.0.weight"]
    state["time_embed.0.bias"] = torch.zeros(3)
    torch.save(state, tmp_path / "a.pt")
    nearest = (
        "fits no preset; of the nearest, classifier_imagenet256, 3 tensors differ: time_embed.0.bias is (3,), not "
        "(512,); out.0.weight is missing, not (512,); out.0.bias is missing, not (512,)"
    )
    code, _, err = adm("export", tmp_path / "a.pt")
    assert (code, nearest in err) == (2, True)


class Harmful:
    """What a file would do that runs code: it leaves a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


def harmful(path, state):
    torch.save({**state, "a": Harmful(path.with_name("trace"))}, path)


def changed(**tensors):
    """Write the tensors of the tiny preset, some of them others, or left out where they are None."""
    others = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    return lambda path, state: torch.save(
        {name: tensor for name, tensor in (state | others).items() if tensor is not None}, path
    )


def ours(**metadata):
    return lambda path, state: save_file({"a": torch.zeros(1)}, path, metadata=metadata)


def with_folder(path, state):
    torch.save(state, path)
    path.with_name("out.safetensors").mkdir()


def of_nothing(path, state):
    path.mkdir()
    write_manifest(path, record("init", {}, {}, []))


FOLDER = {"source": "a", "out": "out.pt"}
OURS = {"source": "a.safetensors", "out": "out.pt"}
TELL, PLAIN = {"command": "export {source}"}, {"command": "export {source} {out}"}
CASES = {
    "missing file": (lambda path, state: None, "{source}: does not exist"),
    "text": (
        lambda path, state: path.write_text("<html>404: not found</html>\n"),
        "{source}: is no readable checkpoint; pickled code is never run",
    ),
    "code": (
        harmful,
        "{source}: is no checkpoint of tensors alone: it asks for posix.system; pickled code is never run",
    ),
    "a module": (
        lambda path, state: torch.save(nn.Linear(2, 2), path),
        "{source}: is no checkpoint of tensors alone: it asks for torch.nn.modules.linear.Linear",
    ),
    "nested": (
        lambda path, state: torch.save({"state_dict": state}, path),
        "{source}: holds dict 'state_dict'; accepted is a table of tensors by name",
    ),
    "integers": (
        changed(out__2__bias=torch.zeros(6, dtype=torch.int64)),
        "{source}: out.2.bias is torch.int64 (torch.strided, cpu), not a dense tensor of floats",
    ),
    "NaN": (changed(out__2__bias=torch.full((6,), torch.nan)), "{source}: out.2.bias holds NaN or infinity"),
    "an unknown tensor": (
        changed(module__out__2__bias=torch.zeros(6)),
        "{source}: does not fit preset 'tiny'; 1 tensor differs: module.out.2.bias is (6,), not expected",
    ),
    "another preset": (
        lambda path, state: torch.save(full_size("imagenet128"), path),
        "{source}: does not fit preset 'tiny'; the file fits preset imagenet128",
    ),
    "no preset given": (
        changed(),
        "{source}: tells no preset, so one must be given; adm export {source} tells which fit",
        PLAIN,
    ),
    "another ending": (
        changed(),
        "{source}: cannot be written as '{out}'; accepted are .pt to .safetensors",
        {"source": "a.ckpt"},
    ),
    "out is a folder": (with_folder, "{out}: cannot be made: Is a directory"),
    "ours of another preset": (
        ours(adm='{"preset": "lsun_cat"}'),
        "{source}: is of preset 'lsun_cat', not 'tiny'",
        OURS,
    ),
    "a folder": (
        lambda path, state: path.mkdir(),
        "{source}: is no checkpoint: it holds no manifest.json",
        FOLDER | PLAIN,
    ),
    "a folder with a preset": (
        lambda path, state: path.mkdir(),
        "preset 'tiny': is not used; the manifest of {source} tells its network",
        FOLDER,
    ),
    "a checkpoint of nothing": (of_nothing, "{source}: its manifest describes no model", FOLDER | PLAIN),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_is_one_line_exit_code_2_and_nothing_written(adm, tmp_path, tiny, case):
    write, message, *changes = CASES[case]
    how = {"command": "export {source} {out} --preset tiny", "source": "a.pt", "out": "out.safetensors"}
    how.update(*changes)
    places = {"source": tmp_path / how["source"], "out": tmp_path / how["out"], "tmp": tmp_path}
    write(places["source"], tiny)
    before = everything_in(tmp_path)
    code, printed, err = adm(*how["command"].format(**places).split())
    assert (code, printed) == (2, "")
    assert err.startswith("error: " + message.format(**places))
    assert err.count("\n") == 1
    assert everything_in(tmp_path) == before


def test_the_harmful_file_does_run_where_it_may(tmp_path, tiny):
    """So that its silence above proves something."""
    harmful(tmp_path / "a.pt", tiny)
    torch.load(tmp_path / "a.pt", weights_only=False)
    assert (tmp_path / "trace").exists()
