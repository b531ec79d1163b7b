"""The Python interface gives what the stages give, to the last bit, and refuses what does not fit in one line."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from making import make

import adm
from adm.data.batches import to_uint8
from adm.errors import UserError
from adm.nets.checkpoints import load_network
from adm.params.runs import LikelihoodParams, RunParams, UpsampledRunParams
from adm.sampling.batch import Samples, read_batch
from adm.sampling.guided import SeededNoise, block_sampler, block_trajectories
from adm.sampling.likelihood import measure
from adm.stages import sample

SIDE, STEPS, SEED, NUM, BATCH, SCALE = 8, "4", 5, 11, 4, 2.0


@pytest.fixture(scope="module")
def model(checkpoint):
    return adm.load(checkpoint(), checkpoint("classifier"), device="cpu")


def run_of(**changes):
    values = {"checkpoint": "c-0", "classifier": "k-0", "reference": "r", "num_samples": NUM, "micro_batch": BATCH}
    return RunParams.model_validate(
        {**values, "gradient_scale": SCALE, "steps": STEPS, "seed": SEED, "threads": 1} | changes
    )


@pytest.fixture(scope="module")
def staged(checkpoint, tiny_model, tmp_path_factory):

    def batch(**changes):
        folder = tmp_path_factory.mktemp("staged")
        inputs = {"checkpoint": checkpoint(), "classifier": checkpoint("classifier")}
        make(
            sample,
            run_of(**changes),
            *(tiny_model(), tiny_model("classifier"), inputs, folder / "out", "cpu", 60, folder / "work"),
        )
        return read_batch(folder / "out")

    return batch


HOW = {"steps": STEPS, "seed": SEED, "batch": BATCH, "scale": SCALE}


def test_it_is_imported_when_it_is_asked_for():
    code = """
import sys, adm, adm.params, adm.pipeline
adm.UserError
assert not {"torch", "adm.api"} & set(sys.modules)
adm.load
assert "torch" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"sampler": "ddim", "eta": 0.5},
        {"noise_temperature": 0.9},
        {"sampler": "dpm_solver_pp", "steps": "logsnr5"},
    ],
)
def test_samples_are_those_of_the_pipeline_whether_their_classes_are_drawn_or_given(model, staged, fields):
    expected = staged(**fields)
    drawn = model.sample(num=NUM, **(HOW | fields))
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn, expected.images)
    np.testing.assert_array_equal(model.sample(expected.labels, **(HOW | fields)), expected.images)
    np.testing.assert_array_equal(model.sampling(num=NUM, **(HOW | fields)).labels, expected.labels)


def test_an_image_depends_on_its_class_and_on_its_seed(model):
    zeros, ones = (model.sample([label] * 3, **HOW) for label in (0, 1))
    assert (zeros != ones).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(model.sample([0, 1], 3, **HOW)[:2], [zeros[0], ones[1]])
    later = model.sample([0] * 2, **(HOW | {"seed": SEED + 1, "batch": 2}))
    np.testing.assert_array_equal(later, zeros[1:])


def test_steps_that_begin_so_are_of_ddim(model):
    np.testing.assert_array_equal(
        model.sample([0], steps="ddim5", seed=1), model.sample([0], steps="ddim5", seed=1, sampler="ddim")
    )
    assert (model.sample([0], steps="5", seed=1) != model.sample([0], steps="5", seed=1, sampler="ddim")).any()


def test_a_trajectory_ends_in_the_images(model):
    latents = [*model.trajectory([0, 1], steps=STEPS, seed=SEED)]
    assert [x.shape for x in latents] == [(2, 3, SIDE, SIDE)] * int(STEPS)
    np.testing.assert_array_equal(to_uint8(torch.from_numpy(latents[-1])), model.sample([0, 1], steps=STEPS, seed=SEED))


def test_the_noise_that_would_be_drawn_gives_the_same_images(model):
    noise = SeededNoise(range(SEED, SEED + NUM))
    noise.labels(2)
    latents = noise.normal(3, SIDE, SIDE).numpy()
    np.testing.assert_array_equal(model.sample(latents=latents, **HOW), model.sample(num=NUM, **HOW))
    assert (model.sample(latents=-latents, **HOW) != model.sample(num=NUM, **HOW)).any()


def test_progress_is_told_of_each_step(model):
    told = []
    model.sample(num=NUM, progress=lambda done, total: told.append((done, total)), **HOW)
    assert told == [(done, 12) for done in range(1, 13)]


def test_latents_lead_back_to_their_images_and_are_what_ddim_starts_from(checkpoint, dataset):
    fresh = adm.load(checkpoint(fresh=True), device="cpu")
    images, labels = dataset[np.arange(6)], dataset.labels[:6]
    latents = fresh.encode(images, labels, steps="10", batch=4)
    assert (latents.shape, latents.dtype) == ((6, 3, SIDE, SIDE), np.float32)
    back = fresh.decode(latents, labels, steps="10", batch=4)
    assert abs(back.astype(int) - images).max() <= 1
    again = fresh.sample(labels, latents=latents, steps="10", sampler="ddim", batch=4)
    np.testing.assert_array_equal(again, back)


def test_a_classifier_that_was_rounded_for_one_call_is_not_in_the_next(model):
    how = {"classes": [0, 1], "steps": 5, "scale": 50.0}
    before = model.sample(**how)
    assert (model.sample(**how, classifier_precision="bfloat16") != before).any()
    np.testing.assert_array_equal(model.sample(**how), before)


def test_a_classifier_guides_latents_to_classes_that_are_said(checkpoint):
    unconditional = adm.load(checkpoint(num_classes=None), checkpoint("classifier"), device="cpu")
    with pytest.raises(UserError, match="classes: are missing"):
        unconditional.decode(np.zeros((1, 3, 8, 8), np.float32), steps="5", scale=1.0)


def test_latents_of_other_classes_are_others(model, dataset):
    images = dataset[np.arange(4)]
    zeros, ones = (model.encode(images, label, steps="5") for label in (0, 1))
    assert (zeros != ones).any()
    guided, plain = (model.decode(zeros, 0, steps="5", scale=scale) for scale in (50.0, None))
    assert (guided != plain).any()


def test_bits_per_dimension_are_those_of_the_study(model, checkpoint, tiny_model, dataset):
    values = {"checkpoint": "c-0", "dataset": "d", "num_images": 24, "micro_batch": 10, "steps": "6", "seed": 3}
    study, section = LikelihoodParams.model_validate(values), tiny_model()
    rows = np.arange(24)
    expected = measure(study, section, load_network(checkpoint(), section), dataset, rows).bits
    found = model.bits_per_dim(dataset[rows], dataset.labels, steps="6", seed=3, batch=10)
    np.testing.assert_array_equal(found, expected)
    assert model.bits_per_dim(dataset[rows[:1]], [int(dataset.labels[0])], steps="6").shape == (1,)


def test_upsampled_images_are_those_of_the_pipeline(checkpoint, tiny_model):
    section, folder = tiny_model("upsampler"), checkpoint("upsampler")
    base = Samples(np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3)).astype(np.uint8), np.arange(5) % 2)
    values = {"checkpoint": "u-0", "base": "b", "reference": "r", "num_samples": 5, "micro_batch": 2, "seed": 9}
    run = UpsampledRunParams.model_validate({**values, "steps": STEPS, "threads": 1})
    sampled = block_sampler(block_trajectories(run, section, load_network(folder, section), None, 2, base))
    expected = np.concatenate([sampled(block).images for block in range(3)])[:5]
    found = adm.load(folder, device="cpu").upsample(base.images, base.labels, steps=STEPS, seed=9, batch=2)
    np.testing.assert_array_equal(found, expected)


def corner():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:5, 2:] = True
    return mask


def test_editing_at_strength_1_is_sampling_and_with_less_it_stays_near(model, dataset):
    images = dataset[np.arange(NUM)]
    how = HOW | {"classes": [1] * NUM}
    np.testing.assert_array_equal(model.edit(images, 1, **how), model.sample(**how))
    less, more = (model.edit(images, strength, sampler="ddim", **how).astype(int) for strength in (0.05, 0.7))
    assert abs(less - images).mean() < abs(more - images).mean()
    assert (model.edit(images, 0.7, sampler="ddim", **(how | {"scale": 0.0})) != more).any()


def test_what_a_mask_keeps_is_kept_to_the_byte(model, dataset):
    images, told = dataset[np.arange(3)], []
    found = model.inpaint(images, corner(), resamplings=2, progress=lambda *step: told.append(step), **HOW)
    assert ((found != images).any(axis=-1) & ~corner()).sum() == 0
    assert (found != images)[:, corner()].any(axis=(1, 2)).all()
    assert told == [(done, 7) for done in range(1, 8)]
    each = np.stack([corner(), ~corner(), corner()])
    anew = model.inpaint(images, each, **HOW)
    assert ((anew != images).any(axis=-1) & ~each).sum() == 0
    np.testing.assert_array_equal(model.edit(images, 1.0, mask=torch.from_numpy(each), **HOW), anew)


def test_the_seed_of_an_image_decides_what_becomes_of_it_whatever_the_batch(model, dataset):
    images = dataset[np.arange(3)]
    for change in (
        lambda *rows, **how: model.edit(*rows, 0.5, **how),
        lambda *r, **how: model.inpaint(*r, corner(), **how),
    ):
        together = change(images, classes=[1, 0], num=5, **(HOW | {"batch": 3}))
        alone = change(images[1:2], classes=1, **(HOW | {"seed": SEED + 4, "batch": 1}))
        assert abs(together[4].astype(int) - alone[0]).max() <= 1  # another batch may change last bits


BLACK = np.zeros((2, 8, 8, 3), np.uint8)

REFUSED = {
    "a class that there is not": (lambda m: m.sample([2]), "class 2: is none"),
    "a name where there are none": (lambda m: m.sample(["tench"]), "class tench: is none; the network has 2"),
    "no steps": (lambda m: m.sample([0], steps="ddim"), "steps: 'ddim'"),
    "too many steps": (lambda m: m.sample([0], steps="51"), "steps: '51' asks for 51 steps"),
    "no sampler": (lambda m: m.sample([0], sampler="euler-maruyama"), "sampler: 'euler-maruyama' is no sampler"),
    "another sampler's field": (lambda m: m.sample([0], eta=0.5), "eta 0.5 is for sampler 'ddim'"),
    "no field": (lambda m: m.sample([0], steps="3", ets=0.5), "unknown key 'ets'"),
    "a field that is an argument": (lambda m: m.sample([0], micro_batch=2), "micro_batch: is `batch` here"),
    "a schedule that a params file finds": (lambda m: m.sample([0], schedule="a"), "unknown key 'schedule'"),
    "a model that knows no missing class": (lambda m: m.sample([0], steps="3", cfg_scale=2.0), "cfg_scale: 2 "),
    "a batch of none": (lambda m: m.sample([0], batch=np.int64(0)), "batch np.int64(0): is no number of images"),
    "images of a loader of mappings": (lambda m: m.edit([{"image": BLACK}], 0.5), "images: are dict;"),
    "half an edited image": (lambda m: m.edit(BLACK, 0.5, 0, num=2.0), "num 2.0: is no number of images"),
    "half an image": (lambda m: m.sample(num=2.5), "num 2.5: is no number of images"),
    "no number": (lambda m: m.sample(num=True), "num True: is no number of images"),
    "latents of nothing": (
        lambda m: m.decode(np.full((1, 3, 8, 8), np.nan, np.float32), 0, steps="5"),
        "latents: hold",
    ),
    "a negative scale": (lambda m: m.sample([0], scale=-1), "gradient_scale: -1 is not accepted"),
    "latents of another size": (
        lambda m: m.sample(latents=np.zeros((2, 3, 4, 4), np.float32)),
        "latents: are float32 of shape (2, 3, 4, 4), not float32 of shape (2, 3, 8, 8)",
    ),
    "a single number as latents": (lambda m: m.sample(latents=np.float32(0)), "latents: are float32 of shape ()"),
    "one latent in no batch": (lambda m: m.decode(np.zeros((3, 8, 8), np.float32), 0), "latents: are float32 of shape"),
    "an interval that holds no step": (
        lambda m: m.sample([0], steps="2", scale=1.0, guidance_interval=(0.4, 0.6)),
        "guidance_interval: [0.4, 0.6] holds none of steps '2'",
    ),
    "one step into latents": (lambda m: m.encode(BLACK, 0, steps=1), "steps: one encodes nothing"),
    "a scale in words": (
        lambda m: m.decode(np.zeros((1, 3, 8, 8), np.float32), 0, scale="1", steps="5"),
        "gradient_scale: '1' is",
    ),
    "images of another size": (lambda m: m.encode(np.zeros((2, 4, 4, 3), np.uint8), 0), "images: are uint8 of shape"),
    "images without classes": (lambda m: m.encode(np.zeros((2, 8, 8, 3), np.uint8)), "classes: are missing"),
    "images with alpha": (lambda m: m.edit(np.zeros((2, 8, 8, 4), np.uint8), 0.5), "images: are uint8 of shape"),
    "too much strength": (lambda m: m.edit(BLACK, 1.01), "strength: 1.01 is not accepted"),
    "resamplings without a mask": (lambda m: m.edit(BLACK, 0.5, resamplings=2), "unknown key 'resamplings'"),
    "no resamplings": (lambda m: m.inpaint(BLACK, corner(), resamplings=0), "resamplings: 0 is not accepted"),
    "a mask of another size": (
        lambda m: m.inpaint(BLACK, np.ones((4, 4), bool)),
        "mask: is bool of shape (4, 4), not bool of (8, 8) or (2, 8, 8)",
    ),
    "a mask of numbers": (lambda m: m.inpaint(BLACK, np.ones((8, 8))), "mask: is float64 of shape (8, 8)"),
    "a mask of nothing": (lambda m: m.inpaint(BLACK, np.zeros((8, 8), bool)), "mask: draws nothing anew"),
    "a sampler that undoes a mask": (
        lambda m: m.inpaint(BLACK, corner(), steps="4", sampler="unipc"),
        "sampler 'unipc': replaces what a mask keeps; take ddpm or ddim",
    ),
    "upsampling without an upsampler": (lambda m: m.upsample(np.zeros((2, 4, 4, 3), np.uint8), 0), "is no upsampler"),
}


def test_numbers_of_numpy_and_latents_in_half_precision_are_taken(model, dataset):
    images, latents = dataset[np.arange(2)], torch.randn(2, 3, 8, 8).bfloat16()
    for asked in (
        lambda whole: model.sample([0, 1], steps="3", batch=whole(2), seed=whole(1)),
        lambda whole: model.denoise(torch.zeros(1, 3, 8, 8), whole(3), 1),
        lambda whole: model.bits_per_dim(images, [0, 1], steps="3", seed=whole(1)),
    ):
        np.testing.assert_array_equal(asked(np.int64), asked(int))
    wide = model.decode(latents.float().numpy(), [0, 1], steps="3")
    np.testing.assert_array_equal(model.decode(latents, [0, 1], steps="3"), wide)


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(model, case):
    asked, message = REFUSED[case]
    with pytest.raises(UserError) as refused:
        asked(model)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


LOADED = {
    "a classifier of another size": ({"kind": "classifier", "image_size": 16}, "its image_size is 16, but"),
    "a classifier of another schedule": ({"kind": "classifier", "schedule": "linear"}, "its schedule is 'linear', but"),
    "a diffusion model as the classifier": ({}, "is of kind 'diffusion', not 'classifier'"),
}


@pytest.mark.parametrize("case", LOADED)
def test_a_classifier_that_does_not_fit_is_refused(checkpoint, case):
    other, message = LOADED[case]
    with pytest.raises(UserError) as refused:
        adm.load(checkpoint(), checkpoint(**other), device="cpu")
    assert message in str(refused.value)


def test_a_model_without_classes_takes_none_and_is_sampled_as_the_pipeline_does(checkpoint, tiny_model):
    folder, section = checkpoint(num_classes=None), tiny_model(num_classes=None)
    plain = adm.load(folder, device="cpu")
    with pytest.raises(UserError, match="class 1: is not used"):
        plain.sample([1])
    run = run_of(classifier=None, gradient_scale=0.0, num_samples=4)
    expected = block_sampler(block_trajectories(run, section, load_network(folder, section), None, 1))(0).images
    np.testing.assert_array_equal(plain.sample(num=4, steps=STEPS, seed=SEED), expected)
    guided = adm.load(folder, checkpoint("classifier"), device="cpu")
    assert guided.num_classes == 2
    assert (guided.sample([1] * 4, steps=STEPS, seed=SEED, scale=20.0) != expected).any()


@pytest.mark.parametrize("classes", [1.0, [True], np.array([0.5]), [None], [[1]], [[0, 1], [1]]])
def test_a_class_is_a_whole_number_or_a_name(model, classes):
    with pytest.raises(UserError, match="is no class"):
        model.sample(classes, steps=STEPS)


def test_devices_are_those_of_torch(checkpoint):
    assert adm.load(checkpoint(), device=torch.device("cpu")).device == torch.device("cpu")
    for device in ("tpu", "cuda:x", "cuda:4096", torch.device("meta"), None):
        with pytest.raises(UserError, match="device '"):
            adm.load(checkpoint(), device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_there_is_not_is_named(checkpoint):
    with pytest.raises(UserError, match="is not here"):
        adm.load(checkpoint(), device="cuda")
    assert adm.load(checkpoint(), device="auto").device.type == "cpu"
