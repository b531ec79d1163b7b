"""A network is opened from any file that holds one, as the one that it is."""

import json

import pytest
import torch
from making import make, record

from adm.artifacts.manifest import write_manifest
from adm.config.files import CHECKPOINTS
from adm.config.networks import UNetParams
from adm.errors import UserError
from adm.nets.opening import open_network
from adm.nets.presets import PRESETS, preset_model
from adm.nets.release import preset_shapes
from adm.params import load
from adm.stages import init
from adm.tools import export

TINY = UNetParams(
    image_size=8, channels=32, channel_multiplier=[1], depth=1, attention_resolutions=[8], heads=2, num_classes=2
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Files of tiny presets: two that differ in what no shape shows, and a third of another shape."""
    for name in reversed([*PRESETS]):  # to compare with them takes seconds; reversed, so that they come back in order
        monkeypatch.delitem(PRESETS, name)
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    monkeypatch.setitem(PRESETS, "tiny_new", TINY.model_copy(update={"attention_order": "new"}))
    monkeypatch.setitem(PRESETS, "wide", TINY.model_copy(update={"channels": 64}))
    monkeypatch.setitem(CHECKPOINTS, "8x8_new", "tiny_new")
    monkeypatch.setitem(CHECKPOINTS, "8x8_wide", "wide")
    for name, preset in (("mine", "tiny"), ("8x8_new", "tiny_new"), ("8x8_wide", "tiny")):
        draws = torch.Generator().manual_seed(0)
        state = {key: 0.1 * torch.randn(shape, generator=draws) for key, shape in preset_shapes(preset).items()}
        torch.save(state, tmp_path / f"{name}.pt")
    return tmp_path


def opened_as(path, **given):
    opened = open_network(path, **given)
    assert not opened.network.training
    assert not any(parameter.requires_grad or parameter.is_meta for parameter in opened.network.parameters())
    return opened.card.preset, opened.model.network.attention_order, opened.model.noise.schedule


def test_shapes_tell_the_preset_and_the_name_among_equals(files):
    assert opened_as(files / "mine.pt") == ("tiny", "legacy", "linear")
    assert opened_as(files / "8x8_new.pt") == ("tiny_new", "new", "linear")
    # A name that does not fit is passed over.
    assert opened_as(files / "8x8_wide.pt") == ("tiny", "legacy", "linear")


def test_what_no_shape_shows_can_be_said(files):
    assert opened_as(files / "mine.pt", preset="tiny_new") == ("tiny_new", "new", "linear")
    x, t, y = torch.randn(2, 3, 8, 8), torch.tensor([1, 2]), torch.tensor([0, 1])
    plain, said = (open_network(files / "mine.pt", preset).network(x, t, y) for preset in (None, "tiny_new"))
    assert not torch.equal(plain, said)
    assert torch.equal(plain, open_network(files / "mine.pt", "tiny").network(x, t, y))


def test_our_own_files_tell_what_they_are(files, tiny_model):
    export.run(files / "mine.pt", files / "ours.safetensors", "tiny", "float32")
    assert opened_as(files / "ours.safetensors") == ("tiny", "legacy", "linear")
    make(init, tiny_model(), files / "checkpoint")
    for path in (files / "checkpoint", files / "checkpoint" / "ema.safetensors"):
        opened = open_network(path)
        assert (opened.path, opened.card.preset) == (files / "checkpoint", None)
        assert opened.model.network == tiny_model().network
        assert opened.model.noise == tiny_model().noise


def test_a_file_of_no_preset_is_told_the_nearest(files):
    state = torch.load(files / "mine.pt", weights_only=True)
    state["out.2.weight"] = torch.zeros(3, 32, 3, 3)
    torch.save(state, files / "else.pt")
    with pytest.raises(UserError, match=r"fits no preset; of the nearest, tiny, 1 tensor differs: out\.2\.weight"):
        open_network(files / "else.pt")
    with pytest.raises(UserError, match="preset 'tiny': is not used"):
        open_network(files, preset="tiny")


def test_a_manifest_of_no_model_is_named(files):
    (files / "checkpoint").mkdir()
    made_by = record("train", {}, {}, [])
    write_manifest(files / "checkpoint", json.loads(json.dumps(made_by)) | {"params": {"model": {"kind": "oak"}}})
    with pytest.raises(UserError, match="its manifest describes no model"):
        open_network(files / "checkpoint")


def test_the_presets_are_the_models_of_the_released_scale(root):
    params = load(root / "scales" / "released" / "params.yaml")
    for checkpoint in params.published.checkpoints.values():
        preset = CHECKPOINTS[checkpoint.filename.removesuffix(".pt")]
        found, wanted = preset_model(preset), params.models[checkpoint.model]
        assert (found.kind, found.network, found.noise) == (wanted.kind, wanted.network, wanted.noise), preset
