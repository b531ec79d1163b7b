"""The networks that come with the package: on a fresh clone, without a network, they draw by the names of classes."""

import json
import socket

import numpy as np
import pytest
from PIL import Image

import adm as package
from adm.artifacts.released_files import PACKAGED

MOST_BYTES = 12_000_000


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_they_are_small():
    assert set(PACKAGED) == {"emoji", "emoji-classifier", "fashion", "fashion-classifier"}
    assert sum(path.stat().st_size for path in PACKAGED.values()) < MOST_BYTES


@pytest.mark.parametrize(("name", "chosen", "colours"), [("emoji", "flags", True), ("fashion", "ankle boot", False)])
def test_they_draw_guided_samples_by_name_from_any_folder(name, chosen, colours, adm, offline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = adm("generate", name, "--class", chosen, "-n", "2", "--out", "drawn", "--threads", "1")
    assert code == 0, err
    images = np.stack([np.asarray(Image.open(path)) for path in sorted(tmp_path.glob("drawn/images/*.png"))])
    assert len(images) == 2
    assert (images[..., 0] != images[..., 2]).any() == colours
    # Each on its ground: emoji on white, garments on black.
    assert abs(np.median(images[:, 0].astype(int)) - (255 if colours else 0)) < 10
    model = package.load(name)
    fields = json.loads((tmp_path / "drawn" / "generate.json").read_text())["call"]["fields"]
    assert model.classifier is not None or fields["cfg_scale"] > 1
    assert chosen in model.class_names


def test_a_checkpoint_of_that_name_goes_first(adm, offline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "emoji").mkdir()
    (tmp_path / "emoji" / "manifest.json").write_text("{}")
    code, _, err = adm("generate", "emoji")
    assert code == 2
    assert err.startswith("error: emoji/manifest.json")
