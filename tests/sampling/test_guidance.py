"""Runs guided by a second prediction of the noise, and in an interval: which bytes must be the same, who is called."""

import pytest
import torch

from adm.nets.unet import NO_CLASS
from adm.params.runs import RunParams

FREE = {"guided": False, "cfg_scale": 3.0}
AUTO = {"guided": False, "weaker": 9, "guide": {"checkpoint": "weaker-0", "scale": 3.0}}
KINDS = {
    "classifier": {"gradient_scale": 4.0},
    "free": FREE,
    "free, ddim": FREE | {"sampler": "ddim", "eta": 0.7},
    "free in bfloat16": FREE | {"precision": "bfloat16"},
    "free and a classifier": FREE | {"guided": True, "gradient_scale": 4.0},
    "auto": AUTO,
    "auto and a classifier": AUTO | {"guided": True, "gradient_scale": 4.0},
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_guidance_makes_a_difference_and_an_image_is_a_function_of_its_seed(sampled, kind):
    whole = sampled(**kind)
    plain = {key: value for key, value in kind.items() if key in ("sampler", "eta", "precision")}
    assert whole.distance(sampled(guided=False, **plain)) > 0
    assert sampled(seed=5 + 2, num_samples=4, **kind)[:3].same(whole[2:])


def test_an_interval_of_the_whole_process_is_none_and_a_part_of_it_is_one(sampled, kind):
    whole = sampled(**kind)
    assert sampled(**kind, guidance_interval=[0.0, 1.0]).same(whole)
    assert sampled(**kind, guidance_interval=[0.5, 1.0]).distance(whole) > 0


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_scale_one_is_the_conditional_model_to_the_byte(sampled, sampler):
    plain = sampled(guided=False, sampler=sampler)
    assert sampled(guided=False, sampler=sampler, cfg_scale=1.0).same(plain)
    no_guide = AUTO | {"guide": {"checkpoint": "weaker-0", "scale": 1.0}}
    assert sampled(**no_guide, sampler=sampler).same(plain)


def test_a_model_that_is_its_own_guide_is_not_guided(sampled):
    assert sampled(**AUTO | {"weaker": 1}).same(sampled(guided=False))


@pytest.mark.parametrize("steps", ["10", "logsnr10"])
@pytest.mark.parametrize("kind", ["classifier", "free", "auto"])
def test_networks_run_in_the_interval_alone_and_as_often_as_is_planned(sampled, tiny_model, kind, steps):
    options = KINDS[kind] | {"steps": steps, "guidance_interval": [0.3, 0.7]}
    calls = {}
    sampled(**options, calls=calls)
    fields = {key: value for key, value in options.items() if key in RunParams.model_fields}
    run = RunParams.model_validate(
        {"checkpoint": "c", "classifier": "k", "reference": "r", "num_samples": 5, "micro_batch": 2} | fields
    )
    planned = run.guided_steps(tiny_model().noise)
    assert 0 < planned < 10
    blocks = 3
    sizes = calls["network"]
    assert len(sizes) == 10 * blocks
    if kind == "free":
        # Both forward passes of a guided step are one batch of twice the images.
        assert (sizes.count(4), sizes.count(2)) == (planned * blocks, (10 - planned) * blocks)
    else:
        assert calls[{"classifier": "classifier", "auto": "weaker"}[kind]] == [2] * planned * blocks
        assert set(sizes) == {2}


def test_an_image_without_a_class_has_an_embedding_of_zero(tiny_model, randomised):
    network = randomised(tiny_model()).eval()
    draws = torch.Generator().manual_seed(0)
    x, t = torch.randn(4, 3, 8, 8, generator=draws), torch.arange(4)
    y = torch.tensor([0, NO_CLASS, 1, NO_CLASS])
    embeddings = network.class_embedding.weight[y.clamp(min=0)] * (y >= 0).float().unsqueeze(1)
    found = network(x, t, y)
    assert torch.equal(found, network(x, t, embeddings))
    # Rows of a class are what they are in a batch where all have one.
    assert torch.equal(found[0::2], network(x, t, torch.tensor([0, 1, 1, 0]))[0::2])
    with pytest.raises(IndexError):
        network(x, t, torch.tensor([0, -2, 1, 0]))
