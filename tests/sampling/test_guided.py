"""Image i is a function of seed i: not of the run's length, or where the run begins."""

import weakref

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from adm.config.samplers import SAMPLERS, Sampler
from adm.params.runs import RunParams
from adm.sampling.guided import SeededNoise, block_sampler, block_trajectories

ORDERED = [name for name, sampler in SAMPLERS.items() if "clipping_order" in sampler.fields]
"""Samplers in which guidance shifts the predicted image."""

KINDS = {
    "ancestral": {},
    "guided": {"gradient_scale": 4.0},
    "ddim": {"sampler": "ddim", "steps": "ddim5"},
    "ddim with noise": {"sampler": "ddim", "eta": 0.7},
    "ddim guided": {"sampler": "ddim", "eta": 0.7, "gradient_scale": 4.0},
    "bfloat16": {"precision": "bfloat16", "gradient_scale": 4.0},
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_a_sampler_is_one_entry_and_one_class(sampled, monkeypatch):
    monkeypatch.setitem(SAMPLERS, "mine", Sampler("Mine", "adm.diffusion.samplers:DDIM", ("eta",)))
    assert sampled(sampler="mine", eta=0.7).same(sampled(sampler="ddim", eta=0.7))
    with pytest.raises(ValidationError, match=r"'yours' is no sampler; there are ddpm, ddim, .*mine"):
        RunParams.model_validate(RUN.model_dump() | {"sampler": "yours"})


RUN = RunParams.model_validate(
    {"checkpoint": "c", "classifier": "k", "gradient_scale": 0.0, "sampler": "ddpm", "steps": "3"}
    | {"num_samples": 11, "micro_batch": 2, "seed": 5, "threads": 1, "reference": "r"}
)


def test_a_run_from_a_later_seed_repeats_the_later_images(sampled, kind):
    early, late = sampled(seed=0, num_samples=8, **kind), sampled(seed=4, num_samples=4, **kind)
    assert len(np.unique(early.images.reshape(8, -1), axis=0)) == 8
    assert late.same(early[4:])


def test_other_blocks_change_an_image_by_rounding_alone(sampled):
    two, three = sampled(micro_batch=2, seed=0), sampled(micro_batch=3, seed=0)
    assert np.array_equal(two.labels, three.labels)
    assert np.abs(two.images.astype(int) - three.images).max() <= 1


def test_labels_are_functions_of_their_seeds(sampled):
    labels = SeededNoise(range(300)).labels(3)
    assert np.array_equal(SeededNoise(range(100, 120)).labels(3), labels[100:120])
    # 100 expected of each class, with a standard deviation of 8.2.
    assert (torch.bincount(labels, minlength=3) - 100).abs().max() < 5 * 8.2
    assert np.array_equal(sampled(seed=40).labels, SeededNoise(range(40, 45)).labels(2))


def test_classes_are_drawn_as_often_as_there_are_images_of_each(sampled):
    counts, num = [1, 5, 2], 4000
    labels = SeededNoise(range(num)).labels(3, counts)
    expected = num * np.array(counts) / 8
    assert (np.abs(np.bincount(labels, minlength=3) - expected) < 5 * np.sqrt(expected)).all()
    assert np.array_equal(SeededNoise(range(100, 120)).labels(3, counts), labels[100:120])
    assert set(SeededNoise(range(200)).labels(4, [0, 5, 0, 2]).tolist()) == {1, 3}
    equal, unequal = sampled(num_samples=40), sampled(num_samples=40, class_counts=[1, 9])
    assert sampled(num_samples=40, class_counts=[1, 1]).same(equal)
    assert equal.labels.mean() < unequal.labels.mean()


def test_noise_of_an_image_is_its_seeds_alone():
    block, alone = SeededNoise(range(10, 15)), SeededNoise(range(13, 14))
    for _ in range(3):
        assert torch.equal(block.normal(3, 4, 4)[3:4], alone.normal(3, 4, 4))
    draws = SeededNoise(range(20)).normal(1000)
    # Correlation of two independent rows: a standard deviation of 0.032.
    correlations = torch.corrcoef(draws) - torch.eye(20)
    assert correlations.abs().max() < 0.16


def other(base, rows):
    """The base with other images in these rows."""
    images = base.images.copy()
    images[rows] = 255 - images[rows]
    return type(base)(images, base.labels)


def test_an_upsampled_image_sees_its_base_and_no_other(upsampled, base):
    # Rows on either side of the blocks' boundaries.
    before = upsampled(base, micro_batch=3)
    for row in (0, 2, 3, 10):
        after = upsampled(other(base, [row]), micro_batch=3)
        changed = (before.images != after.images).any(axis=(1, 2, 3))
        assert np.flatnonzero(changed).tolist() == [row]


def test_an_upsampled_image_sees_its_label_where_the_upsampler_is_conditional(upsampled, base):
    flipped = type(base)(base.images, 1 - base.labels)
    assert (upsampled(base).images != upsampled(flipped).images).any(axis=(1, 2, 3)).all()
    unconditional = upsampled(base, num_classes=None)
    assert np.array_equal(unconditional.images, upsampled(flipped, num_classes=None).images)
    assert np.array_equal(unconditional.labels, base.labels)


@pytest.mark.parametrize(
    "kind", [{}, {"sampler": "ddim", "steps": "ddim5"}, {"sampler": "ddim", "eta": 0.7}, {"precision": "bfloat16"}]
)
def test_an_upsampled_image_follows_its_own_seed_and_its_base_alone(upsampled, base, kind):
    # Base image 6 and seed 5 + 6: the seeds of a run from image 6 on begin there.
    whole = upsampled(base, num_samples=10, **kind)
    assert upsampled(base[6:10], seed=11, num_samples=4, **kind).same(whole[6:])
    assert upsampled(base, seed=6, **kind)[:10].distance(whole) > 0


@pytest.mark.parametrize("micro_batch", [4, 20])
def test_the_last_block_beyond_the_base_is_filled_up_with_its_last_image(upsampled, base, micro_batch):
    longer = type(base)(*(np.concatenate([rows, rows[[-1] * 20]]) for rows in (base.images, base.labels)))
    filled = upsampled(base, whole=True, micro_batch=micro_batch)
    expected = upsampled(longer, num_samples=len(filled.images), micro_batch=micro_batch)
    assert len(filled.images) == -(-11 // micro_batch) * micro_batch
    assert filled.same(expected)
    assert np.array_equal(filled.labels[:11], base.labels)


def test_sampling_does_not_keep_the_trajectory(tiny_model, randomised):
    model = tiny_model()
    network = randomised(model).eval().requires_grad_(False)
    seen, alive = [], []

    def remember(_, arguments):
        seen.append(weakref.ref(arguments[0]))
        alive.append(sum(reference() is not None for reference in seen))

    network.register_forward_pre_hook(remember)
    block_sampler(block_trajectories(RUN.model_copy(update={"steps": "20"}), model, network, None, 2))(0)
    assert len(alive) == 20
    assert max(alive) <= 3


def test_the_global_generator_is_left_alone(sampled):
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    first = sampled(gradient_scale=1.0)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(4)
    assert sampled(gradient_scale=1.0).same(first)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_guidance_of_scale_zero_is_no_guidance_and_more_scale_goes_further(sampled, sampler):
    unguided = sampled(guided=False, sampler=sampler)
    assert sampled(gradient_scale=0.0, sampler=sampler).same(unguided)
    near, far = (sampled(gradient_scale=scale, sampler=sampler) for scale in (2.0, 20.0))
    assert 0 < near.distance(unguided) < far.distance(unguided)


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({}, {"noise_temperature": 0.5}),
        ({}, {"epsilon_temperature": 0.8}),
        ({}, {"sampler": "ddim"}),
        ({"sampler": "ddim"}, {"eta": 0.5}),
        *(({"gradient_scale": 20.0, "sampler": name}, {"clipping_order": "after"}) for name in ORDERED),
    ],
)
def test_options_reach_the_sampler(sampled, base, change):
    assert sampled(**(base | change)).distance(sampled(**base)) > 0


def grey(images):
    return np.array_equal(images, images[..., [0, 0, 0]])


@pytest.mark.parametrize("name", ["guided", "ddim guided"])
def test_a_grey_network_samples_three_equal_channels(sampled, name):
    whole = sampled(channels=1, **KINDS[name])
    assert whole.images.shape == (5, 8, 8, 3)
    assert grey(whole.images)
    assert not grey(sampled(**KINDS[name]).images)
