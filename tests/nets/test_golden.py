"""The networks against outputs of the reference implementation, its weights going through the adapter."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from adm.nets import Classifier, UNet, Upsampler, from_released, to_released
from adm.params.networks import ClassifierParams, UNetParams, UpsamplerParams

ENTRIES = json.loads((Path(__file__).parents[1] / "golden" / "reference.json").read_text())
TOLERANCE = 1.0e-5


def released_weights(keys):
    """The weights that FACTS describes: a function of each tensor's name and shape alone."""
    state = {}
    for name, shape in keys.items():
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
        if len(shape) > 1:
            values = values / math.sqrt(math.prod(shape[1:]))
        else:
            values = 0.1 * values + (1 if name.endswith("weight") else 0)
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state


def draw(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def attention(config):
    """`num_head_channels`, where it is given, wins over `num_heads`, as it did in the released flags."""
    if config.get("num_head_channels", -1) > 0:
        return {"head_channels": config["num_head_channels"]}
    return {"heads": config["num_heads"]}


def common(config):
    return {
        "image_size": config.get("image_size") or config["large_size"],
        "channels": config["num_channels"],
        "channel_multiplier": [float(multiplier) for multiplier in config["channel_mult"].split(",")],
        "depth": config["num_res_blocks"],
        "attention_resolutions": [int(side) for side in config["attention_resolutions"].split(",")],
        "attention_order": "new" if config.get("use_new_attention_order") else "legacy",
        "dropout": config.get("dropout", 0.0),
        **attention(config),
    }


def build(entry):
    config = ENTRIES[entry]["config"]
    if entry.startswith("classifier"):
        net = Classifier(ClassifierParams(**common(config), num_classes=1000, pooling=config["pool"]))
    else:
        num_classes = 1000 if config["class_cond"] else None
        if "small_size" in config:
            params = UpsamplerParams(**common(config), num_classes=num_classes, low_resolution=config["small_size"])
            net = Upsampler(params, out_channels=6)
        else:
            net = UNet(UNetParams(**common(config), num_classes=num_classes), out_channels=6)
    net.load_state_dict(from_released(released_weights(ENTRIES[entry]["keys"])), strict=True)
    return net.eval()


@pytest.fixture(params=["contiguous", "channels_last"])
def x(request):
    layout = torch.channels_last if request.param == "channels_last" else torch.contiguous_format
    return draw(1, 2, 3, 32, 32).contiguous(memory_format=layout)


T = torch.tensor([3, 977])
Y = torch.tensor([7, 999])


def close(actual, expected, tolerance=TOLERANCE):
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("entry", ["net/cond_legacy", "net/uncond_heads"])
def test_unet(entry, golden, x):
    net = build(entry)
    with torch.no_grad():
        close(net(x, T, Y if net.params.num_classes else None), golden[f"{entry}/out"])


def test_upsampler(golden, x):
    with torch.no_grad():
        out = build("net/superres")(x, T, Y, low_resolution=draw(2, 2, 3, 8, 8))
    close(out, golden["net/superres/out"])


def test_classifier(golden, x):
    net = build("classifier/attention")
    x = x.requires_grad_()
    logits = net(x, T)
    close(logits, golden["classifier/attention/logits"])
    picked = logits.log_softmax(dim=1)[range(2), Y].sum()
    expected = golden["classifier/attention/grad"]
    # The gradient is about 1e-3 an element: an absolute tolerance fit for it, not the outputs' own.
    (gradient,) = torch.autograd.grad(picked, x)
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize("entry", ["net/cond_legacy", "net/uncond_heads", "net/superres", "classifier/attention"])
def test_names_and_shapes(entry):
    released = to_released(build(entry).state_dict())
    assert {name: list(tensor.shape) for name, tensor in released.items()} == ENTRIES[entry]["keys"]
