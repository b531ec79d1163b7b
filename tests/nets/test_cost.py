"""Parameters and FLOPs of the paper's networks, and of a tiny one that can be counted by hand."""

from types import SimpleNamespace

import pytest
import torch
from making import make
from torch.utils.flop_counter import FlopCounterMode

from adm.artifacts.reading import read_json
from adm.config.models import Gan
from adm.nets.cost import network_cost
from adm.nets.presets import PRESETS, preset_model
from adm.nets.weights import build
from adm.params.data import DatasetParams
from adm.params.models import GanParams
from adm.stages import sizes
from adm.training.gan import initial_networks, train_gan, training_flops

GFLOPS = {
    "imagenet64": 219.356,
    "imagenet128": 613.856,
    "imagenet256": 2239.666,
    "imagenet256_unconditional": 2239.666,
    "imagenet512": 3964.670,
    "lsun_bedroom": 2239.666,
    "lsun_cat": 2239.666,
    "lsun_horse": 2239.666,
    "lsun_horse_nodropout": 2239.666,
    "upsampler_64_256": 1263.285,
    "upsampler_128_512": 5009.570,
    "classifier_imagenet64": 38.158,
    "classifier_imagenet128": 42.081,
    "classifier_imagenet256": 146.697,
    "classifier_imagenet512": 225.534,
}
"""Of products alone, as counted on the published networks."""


P, C, E = 8 * 8, 32, 4 * 32
"""Pixels, channels and width of the embedding of the tiny network."""


def residual(in_channels):
    """Multiply-adds of a residual block to C channels: two 3x3 convolutions, the embedding's projection, the skip."""
    skip = in_channels * C * P if in_channels != C else 0
    return 9 * in_channels * C * P + 9 * C * C * P + E * 2 * C + skip


def biased(out_channels):
    """Elements that the convolutions of the tiny network add a bias to, less those of the encoder alone."""
    return P * C * 2 * 2 + P * 2 * C + P * out_channels


BIASES = P * C * (1 + 3 * 2)
"""Of the encoder: the convolution at the entrance, and two in each of three residual blocks."""

TIME = C * E + E * E
ATTENTION = P * C * 3 * C + 2 * P * P * C + P * C * C
ENCODER = 9 * 3 * C * P + residual(C) + residual(C) + ATTENTION + residual(C)
DECODER = 2 * residual(2 * C)


@pytest.mark.parametrize("name", PRESETS)
def test_flops_of_the_published_networks(name):
    assert f"{network_cost(preset_model(name)).product_flops / 1e9:.3f}" == f"{GFLOPS[name]:.3f}"


@pytest.mark.parametrize(("variance", "out_channels"), [("learned_range", 6), ("beta", 3)])
def test_a_diffusion_model_by_hand(tiny_model, variance, out_channels):
    model = tiny_model(objective="hybrid" if out_channels == 6 else "simple", variance=variance)
    products = TIME + ENCODER + DECODER + 9 * C * out_channels * P
    assert network_cost(model).flops == 2 * products + BIASES + biased(out_channels)


def test_an_upsampler_sees_three_channels_more(tiny_model):
    assert network_cost(tiny_model("upsampler")).flops - network_cost(tiny_model()).flops == 2 * 9 * 3 * C * P


@pytest.mark.parametrize("kind", ["diffusion", "upsampler", "classifier"])
def test_grey_images_cost_less_at_the_entrance_and_the_exit(tiny_model, kind):
    grey, coloured = tiny_model(kind, image_channels=1), tiny_model(kind)
    entrance = 9 * C * (4 if kind == "upsampler" else 2)
    # The noise and its variance, each by two channels less.
    outputs = 0 if kind == "classifier" else 4
    assert network_cost(coloured).flops - network_cost(grey).flops == 2 * P * (entrance + 9 * C * outputs) + P * outputs
    assert network_cost(coloured).parameters - network_cost(grey).parameters == entrance + (9 * C + 1) * outputs


@pytest.mark.parametrize("num_classes", [2, 7])
def test_a_classifier_by_hand_with_all_tokens_projected(tiny_model, num_classes):
    tokens = P + 1
    pooling = tokens * C * 3 * C + 2 * tokens**2 * C + tokens * C * num_classes
    assert (
        network_cost(tiny_model("classifier", num_classes=num_classes)).flops == 2 * (TIME + ENCODER + pooling) + BIASES
    )


@pytest.mark.parametrize("kind", ["diffusion", "upsampler", "classifier"])
@pytest.mark.parametrize("image_channels", [1, 3])
def test_parameters_are_those_of_the_network_that_is_trained(tiny_model, kind, image_channels):
    model = tiny_model(kind, image_channels=image_channels)
    assert network_cost(model).parameters == sum(parameter.numel() for parameter in build(model).parameters())


def test_dropout_and_the_number_of_heads_cost_nothing(tiny_model):
    plain = network_cost(tiny_model()).flops
    assert network_cost(tiny_model(dropout=0.3)).flops == plain
    assert network_cost(tiny_model(heads=4)).flops == plain
    assert network_cost(tiny_model(depth=2)).flops > plain


@pytest.mark.parametrize("steps", [1, 3])
def test_a_gans_training_costs_what_its_updates_compute(steps):
    gan = Gan(latent=16, channels=32, iterations=2, batch_size=4, discriminator_steps=steps)
    networks = initial_networks(gan, 8, 3)
    x, y = torch.zeros(4, 3, 8, 8), torch.arange(4) % 3
    with FlopCounterMode(display=False) as counter:
        list(train_gan(gan, networks, 3, SimpleNamespace(at=lambda step: (x, y))))
    # Of what a first layer is given nothing flows back; the count takes a backward pass for two forward ones.
    assert 0.9 <= counter.get_total_flops() / training_flops(gan, 8, 3, 3) <= 1


def test_the_stage_writes_every_model_and_gan(tiny_model, tmp_path):
    gan = GanParams(dataset="d", iterations=3, batch_size=2)
    dataset = DatasetParams(source="digits", image_size=8, num_classes=10, channels=1)
    models = {"adm": tiny_model(), "classifier": tiny_model("classifier")}
    make(sizes, models, {"gan": gan}, {"d": dataset}, tmp_path / "sizes.json")
    written = read_json(tmp_path / "sizes.json")["gans"]
    assert written == {"gan": {"training_flops": training_flops(gan, 8, 10, 1)}}
    for name, kind in (("adm", "diffusion"), ("classifier", "classifier")):
        cost = network_cost(tiny_model(kind))
        written = read_json(tmp_path / "sizes.json")["models"][name]
        assert written == {"parameters": cost.parameters, "forward_flops": cost.flops}
