"""What holds of any network: shapes, zero start, gradients, formulas, layouts, precisions, names."""

import math
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from adm.config.networks import ClassifierParams, UNetParams, UpsamplerParams
from adm.nets.classifier import Classifier
from adm.nets.forward import Forward
from adm.nets.layers import Attention, GroupNorm, ResidualBlock, plain_resampling, resampling
from adm.nets.release import to_released
from adm.nets.unet import UNet

SMALL = {
    "image_size": 8,
    "channels": 64,
    "channel_multiplier": [1.0, 2.0],
    "depth": 1,
    "attention_resolutions": [4],
    "num_classes": 5,
}
OPTIONS = ("resampling", "conditioning", "residual_rescaling", "attention_order")
COMBINATIONS = [
    dict(zip(OPTIONS, values, strict=True)) | split
    for *values, split in (
        ("biggan", "adagn", False, "legacy", {"heads": 2}),
        ("biggan", "addition", True, "new", {"head_channels": 32}),
        ("convolution", "adagn", True, "legacy", {"head_channels": 32}),
        ("convolution", "addition", False, "new", {"heads": 2}),
        ("plain", "adagn", True, "new", {"heads": 2}),
        ("plain", "addition", False, "legacy", {"head_channels": 32}),
    )
]
"""Every two values of two options stand together in one; what blocks compute of any is held against formulas below."""

every_combination = pytest.mark.parametrize(
    "options", COMBINATIONS, ids=lambda options: "-".join(str(value) for value in options.values())
)


def small(kind=UNetParams, **changes):
    fields = SMALL | changes
    if "heads" not in fields:
        fields.setdefault("head_channels", 32)
    return kind(**fields)


def perturbed(net, seed=0):
    """The network with noise on every parameter, so that nothing is left at its initial zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return net


def noise(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


X = noise(2, 3, 8, 8)
T = torch.tensor([3, 977])
Y = torch.tensor([1, 4])


def unreached(net, output):
    (output * noise(*output.shape, seed=2)).sum().backward()
    return [name for name, parameter in net.named_parameters() if parameter.grad is None or not parameter.grad.any()]


@every_combination
def test_unet(options):
    net = UNet(small(**options), out_channels=6)
    out = net(X, T, Y)
    assert out.shape == (2, 6, 8, 8)
    assert not out.any()
    assert not unreached(perturbed(net), net(X, T, Y))
    assert len(to_released(net.state_dict())) == len(net.state_dict())


@every_combination
def test_outputs_depend_on_the_timestep_and_on_the_class(options):
    # As few channels a group as conditioning allows, at every level.
    groups = 32 if options["conditioning"] == "adagn" else 16
    narrow = {**options, "channels": 32, "channel_multiplier": [1.0, 1.0], "groups": groups}
    unet = perturbed(UNet(small(**narrow), 3)).eval()
    upsampler = perturbed(UNet(small(UpsamplerParams, low_resolution=4, **narrow), 3)).eval()
    classifier = perturbed(Classifier(small(ClassifierParams, **narrow))).eval()
    for net in (partial(unet, X), partial(upsampler, X, low_resolution=noise(2, 3, 4, 4))):
        out, later, other = net(T, Y), net(T.flip(0), Y), net(T, Y.flip(0))
        assert (later - out).abs().amax() > 1e-3 * out.std()
        assert (other - out).abs().amax() > 1e-3 * out.std()
    logits = classifier(X, T)
    assert (classifier(X, T.flip(0)) - logits).abs().amax() > 1e-3 * logits.std()


@pytest.mark.parametrize("kind", [UNetParams, ClassifierParams])
def test_addition_to_single_channels_is_refused(kind):
    single = {"channels": 32, "channel_multiplier": [2.0, 1.0]}
    with pytest.raises(ValueError, match=r"conditioning 'addition'.* 32 channels in 32 groups.* at most 16"):
        small(kind, conditioning="addition", **single)
    small(kind, conditioning="adagn", **single)


@every_combination
def test_classifier(options):
    net = Classifier(small(ClassifierParams, **options))
    logits = perturbed(net)(X, T)
    assert logits.shape == (2, 5)
    assert not unreached(net, logits)
    assert len(to_released(net.state_dict())) == len(net.state_dict())


@every_combination
def test_bfloat16(options):
    net = perturbed(UNet(small(**options), out_channels=6)).eval()
    expected = net(X, T, Y)
    out = Forward(net, "bfloat16")(X, T, y=Y)
    assert out.dtype == torch.float32
    assert (out - expected).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.parametrize(
    ("network", "params"),
    [
        (lambda params: UNet(params, 6), small(groups=8)),
        (Classifier, small(ClassifierParams, groups=8)),
    ],
)
def test_every_normalisation_has_the_groups_of_the_section(network, params):
    norms = [module for module in network(params).modules() if isinstance(module, torch.nn.GroupNorm)]
    assert norms
    assert {norm.num_groups for norm in norms} == {8}


def block(direction=None, out_channels=64, **changes):
    return ResidualBlock(small(**changes), 64, out_channels, direction)


@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("conditioning", ["adagn", "addition"])
@pytest.mark.parametrize("direction", [None, "up", "down"])
@pytest.mark.parametrize("out_channels", [64, 128])
def test_residual_block(rescaled, conditioning, direction, out_channels):
    changes = {"residual_rescaling": rescaled, "conditioning": conditioning}
    net = perturbed(block(direction, out_channels, **changes)).eval()
    x, embedding = noise(2, 64, 8, 8), noise(2, 256, seed=2)

    def norm(layer, h):
        groups = h.reshape(2, 32, -1)
        variance, mean = torch.var_mean(groups, dim=2, correction=0, keepdim=True)
        normed = ((groups - mean) / (variance + 1e-5).sqrt()).view_as(h)
        return normed * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1)

    def resample(h):
        if direction == "up":
            return h.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        return h.unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean(dim=(3, 5)) if direction == "down" else h

    h = norm(net.norm_in, x)
    h = net.convolution_in(resample(h * h.sigmoid()))
    projected = (embedding @ net.embedding.weight.T + net.embedding.bias).view(2, -1, 1, 1)
    if conditioning == "adagn":
        h = norm(net.norm_out, h) * (1 + projected[:, :out_channels]) + projected[:, out_channels:]
    else:
        h = norm(net.norm_out, h + projected)
    h = net.convolution_out(h * h.sigmoid())
    skip = resample(x) if out_channels == 64 else net.skip(resample(x))
    expected = (skip + h) / math.sqrt(2) if rescaled else skip + h
    torch.testing.assert_close(net(x, embedding), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("direction", [None, "up", "down"])
def test_blocks_start_as_the_identity(direction):
    x = noise(2, 64, 8, 8)
    expected = {None: x, "up": F.interpolate(x, scale_factor=2), "down": F.avg_pool2d(x, 2)}[direction]
    torch.testing.assert_close(block(direction)(x, noise(2, 256)), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(Attention(small(), 64)(x), x, rtol=0, atol=0)
    if direction:  # what has no parameters changes sides alone
        plain = resampling(small(resampling="plain"), 64, direction)
        torch.testing.assert_close(plain(x), expected, rtol=1e-6, atol=1e-6)


def test_dropout_stands_before_the_second_convolution():
    net = perturbed(block(dropout=0.25)).train()
    seen = {}
    for name in ("norm_out", "convolution_out"):
        getattr(net, name).register_forward_hook(lambda _, inputs, __, name=name: seen.update({name: inputs[0]}))
    x, embedding = noise(2, 64, 8, 8), noise(2, 256, seed=2)
    torch.manual_seed(0)
    net(x, embedding)
    dropped = seen["convolution_out"]
    net.eval()(x, embedding)
    kept = seen["convolution_out"]
    zeros = dropped == 0
    assert 0.2 < zeros.float().mean() < 0.3
    torch.testing.assert_close(dropped[~zeros], kept[~zeros] / 0.75)


def naive_attention(qkv, heads, order):
    """Softmax attention written out, of (B, N, 3C)."""
    names = "b n (head three channel)" if order == "legacy" else "b n (three head channel)"
    B, N, width = qkv.shape
    size = {"head": heads, "three": 3, "channel": width // (3 * heads)}
    axes = names.split("(")[1].rstrip(")").split()
    packed = qkv.reshape(B, N, *(size[axis] for axis in axes))
    q, k, v = packed.movedim(2 + axes.index("three"), 0)
    weights = torch.einsum("bnhc,bmhc->bhnm", q, k).div(math.sqrt(size["channel"])).softmax(dim=-1)
    return torch.einsum("bhnm,bmhc->bnhc", weights, v).reshape(B, N, width // 3)


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("order", ["legacy", "new"])
def test_attention_block(rescaled, order, heads):
    net = perturbed(Attention(small(attention_order=order, residual_rescaling=rescaled, heads=heads), 64))
    x = noise(2, 64, 4, 4)
    qkv = F.conv1d(F.group_norm(x, 32, net.norm.weight, net.norm.bias).flatten(2), net.qkv.weight, net.qkv.bias)
    attended = naive_attention(qkv.transpose(1, 2), heads, order).transpose(1, 2)
    h = x + F.conv1d(attended, net.projection.weight, net.projection.bias).view_as(x)
    torch.testing.assert_close(net(x), h / math.sqrt(2) if rescaled else h, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["unet.encoder.blocks.1.residual.skip.weight", "encoder.blocks.0.residual.x", ""])
def test_names_of_other_networks_are_refused(name):
    with pytest.raises(ValueError, match=f"tensor '{name}' is unknown"):
        to_released({name: X})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_group_norm_of_half_precision_is_that_of_float32_rounded_once(dtype, memory_format):
    draws = torch.Generator().manual_seed(0)
    norm = GroupNorm(64, 32)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(64, generator=draws))
        norm.bias.copy_(torch.rand(64, generator=draws))
    x = torch.randn(3, 64, 5, 5, generator=draws).to(dtype).contiguous(memory_format=memory_format)
    expected = torch.nn.functional.group_norm(x.float(), 32, norm.weight, norm.bias, 1e-5).to(dtype)
    with torch.no_grad():
        assert torch.equal(norm(x), expected)
    assert torch.equal(norm(x), expected)
    assert norm(x).dtype == dtype


def test_halving_in_float16_overflows_no_sooner_than_the_released_code():
    """The sum of a 2x2 square of 40,000 is beyond float16, its mean is not."""
    assert plain_resampling("down")(torch.full((1, 2, 4, 4), 4.0e4, dtype=torch.float16)).eq(4.0e4).all()
