"""Files in the released format, read and written, and the names and shapes of each of the fifteen presets."""

import zipfile
from pathlib import Path

import pytest
import torch
from reference_networks import ENTRIES, section
from torch import nn

from adm.config.networks import ClassifierParams, UpsamplerParams
from adm.errors import UserError
from adm.nets.opening import open_network
from adm.nets.presets import PRESETS
from adm.nets.release import export_released, preset_shapes, to_released

KINDS = ["imagenet64", "imagenet128", "lsun_bedroom", "upsampler_64_256", "classifier_imagenet64"]
"""Among these is every kind of network, and every flag of the fifteen that changes what a file holds."""


class Oracle(dict):
    """The names and shapes of a released network, listed as its constructor goes: ours is not asked."""

    def __init__(self, params):
        super().__init__()
        self.params, self.width = params, 4 * params.channels
        self.linear("time_embed.0", params.channels, self.width)
        self.linear("time_embed.2", self.width, self.width)
        if not isinstance(params, ClassifierParams) and params.num_classes:
            self["label_emb.weight"] = (params.num_classes, self.width)
        channels, skips = self.descend()
        if isinstance(params, ClassifierParams):
            self.norm("out.0", channels)
            side = params.image_size >> (len(params.channel_multiplier) - 1)
            self["out.2.positional_embedding"] = (channels, side**2 + 1)
            self.convolution("out.2.qkv_proj", channels, 3 * channels, 1)
            self.convolution("out.2.c_proj", channels, params.num_classes, 1)
        else:
            channels = self.ascend(channels, skips)
            self.norm("out.0", channels)
            self.convolution("out.2", channels, 6, 3, 3)

    def descend(self):
        params = self.params
        channels = int(params.channels * params.channel_multiplier[0])
        self.convolution("input_blocks.0.0", 6 if isinstance(params, UpsamplerParams) else 3, channels, 3, 3)
        skips = [channels]
        for level, multiplier in enumerate(params.channel_multiplier):
            for _ in range(params.depth):
                name = f"input_blocks.{len(skips)}"
                out = int(params.channels * multiplier)
                self.residual(f"{name}.0", channels, out)
                channels = out
                if params.image_size >> level in params.attention_resolutions:
                    self.attention(f"{name}.1", channels)
                skips.append(channels)
            if level < len(params.channel_multiplier) - 1:
                self.residual(f"input_blocks.{len(skips)}.0", channels, channels)
                skips.append(channels)
        self.residual("middle_block.0", channels, channels)
        self.attention("middle_block.1", channels)
        self.residual("middle_block.2", channels, channels)
        return channels, skips

    def ascend(self, channels, skips):
        params, number = self.params, 0
        for level, multiplier in reversed([*enumerate(params.channel_multiplier)]):
            for index in range(params.depth + 1):
                name, place = f"output_blocks.{number}", 1
                out = int(params.channels * multiplier)
                self.residual(f"{name}.0", channels + skips.pop(), out)
                channels = out
                if params.image_size >> level in params.attention_resolutions:
                    self.attention(f"{name}.{place}", channels)
                    place += 1
                if level and index == params.depth:
                    self.residual(f"{name}.{place}", channels, channels)
                number += 1
        return channels

    def residual(self, name, channels, out):
        self.norm(f"{name}.in_layers.0", channels)
        self.convolution(f"{name}.in_layers.2", channels, out, 3, 3)
        self.linear(f"{name}.emb_layers.1", self.width, 2 * out)
        self.norm(f"{name}.out_layers.0", out)
        self.convolution(f"{name}.out_layers.3", out, out, 3, 3)
        if channels != out:
            self.convolution(f"{name}.skip_connection", channels, out, 1, 1)

    def attention(self, name, channels):
        self.norm(f"{name}.norm", channels)
        self.convolution(f"{name}.qkv", channels, 3 * channels, 1)
        self.convolution(f"{name}.proj_out", channels, channels, 1)

    def convolution(self, name, channels, out, *kernel):
        self[f"{name}.weight"], self[f"{name}.bias"] = (out, channels, *kernel), (out,)

    def linear(self, name, channels, out):
        self.convolution(name, channels, out)

    def norm(self, name, channels):
        self[f"{name}.weight"] = self[f"{name}.bias"] = (channels,)


SMALL = {
    "image_size": 16,
    "channels": 64,
    "channel_multiplier": [1, 1],
    "depth": 1,
    "attention_resolutions": [8],
    "num_classes": 5,
}


def shrunken(preset):
    """A preset with its flags, but few channels, blocks and classes."""
    params = PRESETS[preset]
    changes = SMALL | ({"head_channels": 32} if params.heads is None else {})
    if params.num_classes is None:
        changes["num_classes"] = None
    if isinstance(params, UpsamplerParams):
        changes["low_resolution"] = 8
    return type(params)(**params.model_dump() | changes)


@pytest.fixture
def small(monkeypatch):
    """All presets, shrunken."""
    for preset in PRESETS:
        monkeypatch.setitem(PRESETS, preset, shrunken(preset))


@pytest.fixture
def save(tmp_path):
    """Write random weights of some names and shapes as the released code would; return the path and the weights."""

    def saved(wanted, dtype=torch.float32):
        draws = torch.Generator().manual_seed(0)
        state = {name: (0.1 * torch.randn(shape, generator=draws)).to(dtype) for name, shape in wanted.items()}
        torch.save(state, tmp_path / "released.pt")
        return tmp_path / "released.pt", state

    return saved


def equal(found, wanted):
    return list(found) == list(wanted) and all(
        found[name].dtype == wanted[name].dtype and torch.equal(found[name], wanted[name]) for name in wanted
    )


@pytest.mark.parametrize("entry", ["net/cond_legacy", "net/uncond_heads", "net/superres", "classifier/attention"])
def test_the_oracle_lists_what_the_reference_has(entry):
    found = [(name, list(shape)) for name, shape in Oracle(section(entry)).items()]
    assert found == [*ENTRIES[entry]["keys"].items()]


@pytest.mark.parametrize("preset", PRESETS)
def test_names_shapes_and_order_of_every_preset_at_full_size(preset):
    assert [*preset_shapes(preset).items()] == [*Oracle(PRESETS[preset]).items()]


def test_flags_that_shapes_do_not_show():
    assert [name for name, params in PRESETS.items() if params.attention_order == "new"] == ["imagenet64"]
    assert {name for name, params in PRESETS.items() if params.dropout} == {
        "imagenet64",
        "lsun_bedroom",
        "lsun_cat",
        "lsun_horse",
    }
    assert all(params.resampling == "biggan" and params.conditioning == "adagn" for params in PRESETS.values())
    assert not any(params.residual_rescaling for params in PRESETS.values())
    assert {name for name, params in PRESETS.items() if params.heads} == {"imagenet128", "upsampler_64_256"}


@pytest.mark.parametrize("preset", KINDS)
@pytest.mark.usefixtures("small")
def test_load_export_load_is_the_identity(tmp_path, save, preset):
    path, state = save(Oracle(PRESETS[preset]))
    network = open_network(path, preset).network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert network.params == PRESETS[preset]
    assert equal(to_released(network.state_dict()), state)
    export_released(tmp_path / "a.pt", network.state_dict())
    assert equal(torch.load(tmp_path / "a.pt", weights_only=True), state)
    again = open_network(tmp_path / "a.pt", preset).network
    assert equal(again.state_dict(), network.state_dict())
    # Nor do the bytes depend on the name, nor on where the weights come from.
    export_released(tmp_path / "another.pt", again.state_dict())
    assert (tmp_path / "another.pt").read_bytes() == (tmp_path / "a.pt").read_bytes()


@pytest.mark.parametrize("preset", KINDS)
@pytest.mark.usefixtures("small")
def test_half_precision_is_of_the_torsos_convolutions_alone(tmp_path, save, preset):
    path, state = save(Oracle(PRESETS[preset]))
    network = open_network(path, preset).network
    export_released(tmp_path / "a.pt", network.state_dict(), "float16")
    found = torch.load(tmp_path / "a.pt", weights_only=True)
    torso = [network.encoder] if isinstance(PRESETS[preset], ClassifierParams) else [network.encoder, network.decoder]
    convolutions = [m for part in torso for m in part.modules() if isinstance(m, nn.Conv1d | nn.Conv2d)]
    pointers = {parameter.data_ptr() for module in convolutions for parameter in module.parameters()}
    halved = {n for n, tensor in to_released(network.state_dict()).items() if tensor.data_ptr() in pointers}
    assert {name for name, tensor in found.items() if tensor.dtype == torch.float16} == halved
    assert equal(found, {name: tensor.half() if name in halved else tensor for name, tensor in state.items()})
    # What was rounded once is rounded no further.
    again = open_network(tmp_path / "a.pt", preset).network
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    export_released(tmp_path / "b.pt", again.state_dict(), "float16")
    assert (tmp_path / "b.pt").read_bytes() == (tmp_path / "a.pt").read_bytes()


@pytest.mark.usefixtures("small")
def test_weights_are_mapped_not_copied(save):
    path, _ = save(Oracle(PRESETS["imagenet256"]))
    network = open_network(path, "imagenet256").network
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    lines = [line.split() for line in maps.read_text().splitlines() if line.endswith(str(path))]
    spans = [[int(end, 16) for end in line[0].split("-")] for line in lines]
    assert all(any(start <= parameter.data_ptr() < end for start, end in spans) for parameter in network.parameters())


@pytest.mark.usefixtures("small")
def test_a_file_that_another_program_compressed_loads_too(tmp_path, save):
    path, state = save(Oracle(PRESETS["lsun_cat"]))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert equal(to_released(open_network(tmp_path / "b.pt", "lsun_cat").network.state_dict()), state)


@pytest.mark.usefixtures("small")
def test_a_flipped_bit_is_noticed(save):
    path, state = save(Oracle(PRESETS["lsun_cat"]))
    content = bytearray(path.read_bytes())
    content[content.index(state["time_embed.2.weight"].numpy().tobytes()) + 1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="does not match its checksum"):
        open_network(path, "lsun_cat")


@pytest.mark.usefixtures("small")
def test_a_view_is_exported_without_what_it_is_a_view_of(tmp_path):
    whole = torch.arange(2.0e5)
    export_released(tmp_path / "a.pt", {"time_embedding.first.bias": whole[:4]})
    assert (tmp_path / "a.pt").stat().st_size < 4000
    assert torch.load(tmp_path / "a.pt", weights_only=True)["time_embed.0.bias"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("value", [70000.0, torch.inf, torch.nan])
@pytest.mark.usefixtures("small")
def test_what_half_precision_cannot_hold_is_not_written(tmp_path, save, value):
    path, _ = save(Oracle(PRESETS["imagenet128"]))
    weights = {name: tensor.clone() for name, tensor in open_network(path, "imagenet128").network.state_dict().items()}
    weights["encoder.middle.attention.qkv.bias"][3] = value
    with pytest.raises(UserError, match=r"a\.pt: cannot be written: middle_block\.1\.qkv\.bias holds"):
        export_released(tmp_path / "a.pt", weights, "float16")
    assert [path.name for path in tmp_path.iterdir()] == ["released.pt"]
