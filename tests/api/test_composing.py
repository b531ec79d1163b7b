"""Samplers and guidance that are composed sample as keywords do; images go in and come out as any kind."""

import random
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

import adm
from adm.data.pictures import as_kind, pixels_of
from adm.diffusion.samplers import DDIM, classifier_gradient, last, sample, slope_of
from adm.nets.checkpoints import load_network
from adm.nets.forward import Forward
from adm.params.runs import RunParams
from adm.sampling.guided import SeededNoise, block_sampler, block_trajectories

LABELS = [0, 1, 1]


@pytest.fixture(scope="module")
def model(checkpoint):
    return adm.load(checkpoint(), device="cpu")


@pytest.fixture(scope="module")
def classifier(checkpoint):
    return checkpoint("classifier")


def test_a_sampler_with_a_classifier_samples_as_keywords_say(model, checkpoint, classifier):
    composed = adm.DDIM(model, steps=4, guidance=adm.Classifier(classifier, scale=3.0, interval=(0.2, 0.8)), eta=0.5)
    named = adm.load(checkpoint(), classifier, device="cpu")
    how = {"steps": "ddim4", "sampler": "ddim", "scale": 3.0, "eta": 0.5, "guidance_interval": [0.2, 0.8], "seed": 7}
    how["clipping_order"] = "after"
    expected = named.sample(LABELS, **how)
    np.testing.assert_array_equal(composed.sample(LABELS, seed=7), expected)
    assert (adm.DDIM(model, steps=4, eta=0.5).sample(LABELS, seed=7) != expected).any()
    # What a call says goes before what the sampler says.
    np.testing.assert_array_equal(
        composed.sample(LABELS, seed=7, eta=0.0), named.sample(LABELS, **(how | {"eta": 0.0}))
    )
    np.testing.assert_array_equal(
        composed.edit(expected, 0.5, LABELS, seed=7), named.edit(expected, 0.5, LABELS, **how)
    )


@pytest.mark.parametrize(
    ("made", "sampler", "steps"),
    [
        (adm.DDPM, "ddpm", "5"),
        (adm.DDIM, "ddim", "ddim5"),
        (adm.DPMSolverPP, "dpm_solver_pp", "logsnr5"),
        (adm.UniPC, "unipc", "logsnr5"),
        (adm.Heun, "heun", "rho3"),
    ],
)
def test_every_sampler_has_its_name_and_its_own_spacing_of_a_whole_number_of_steps(model, made, sampler, steps):
    expected = model.sample(LABELS, steps=steps, sampler=sampler, seed=1)
    for given in (steps, int(steps[-1])):
        np.testing.assert_array_equal(made(model, given).sample(LABELS, seed=1), expected)


def test_a_sampler_leaves_out_what_the_file_recommends_and_who_guided_before(model, checkpoint, classifier):
    guided = adm.load(checkpoint(), classifier, device="cpu")
    card = guided.opened.card.model_copy(update={"sampling": {"steps": "3", "sampler": "ddim", "scale": 5.0}})
    recommending = replace(guided, opened=replace(guided.opened, card=card))
    assert (recommending.sample(LABELS) != model.sample(LABELS, steps="3", sampler="ddim")).any()
    np.testing.assert_array_equal(adm.DDPM(recommending, 4).sample(LABELS), model.sample(LABELS, steps="4"))


def test_a_weaker_model_guides_as_in_a_run(model, checkpoint, tiny_model):
    weak, section = checkpoint(fresh=True), tiny_model()
    values = {"checkpoint": "c-1", "reference": "r", "num_samples": 4, "micro_batch": 4, "threads": 1, "steps": "4"}
    run = RunParams.model_validate({**values, "seed": 5, "guide": {"checkpoint": "c-0", "scale": 2.0}})
    network, guide = (load_network(folder, section) for folder in (checkpoint(), weak))
    expected = block_sampler(block_trajectories(run, section, network, None, 2, guide=guide))(0).images
    composed = adm.DDPM(model, 4, adm.Autoguidance(weak, 2.0))
    np.testing.assert_array_equal(composed.sample(num=4, seed=5), expected)
    assert (adm.DDPM(model, 4).sample(num=4, seed=5) != expected).any()


def test_the_denoiser_and_the_process_are_what_samplers_of_the_layer_below_take(model, classifier, tiny_model):
    composed = adm.DDIM(model, steps=5, guidance=adm.Classifier(classifier, scale=2.0))
    noise = SeededNoise(range(3, 6))
    noise.labels(2)
    y, x_T = torch.tensor(LABELS), noise.normal(3, 8, 8)
    slope = slope_of(Forward.frozen(load_network(classifier, tiny_model("classifier"))))
    step = DDIM(
        model.process("ddim5"), model.denoiser(LABELS), classifier_gradient(slope, y, 2.0), clipping_order="after"
    )
    expected = [*composed.trajectory(LABELS, seed=3)][-1]
    np.testing.assert_array_equal(last(sample(step, x_T)).numpy(), expected)


def test_the_denoised_image_has_a_gradient(model):
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float32).requires_grad_()
    (slope,) = torch.autograd.grad(model.denoise(x, 10, [0, 1]).square().sum(), x)
    moved = [model.denoise(x.detach() + sign * 1e-2 * slope.sign(), 10, [0, 1]).square().sum() for sign in (1, -1)]
    assert moved[0] > moved[1]


@pytest.mark.slow
def test_guidance_leads_to_the_class_where_the_papers_order_of_clipping_leads_away():
    """All steps of a cosine schedule hold the last one, where alpha_bar is tiny."""
    model, classes = adm.load("fashion", device="cpu"), torch.arange(10).repeat(2)
    judge = model.classifier.network

    def share(**options):
        x_0 = 2 * adm.DDIM(model, steps="10", **options).sample(classes, output="torch") - 1
        with torch.no_grad():
            probabilities = judge(x_0, torch.zeros(20, dtype=torch.long)).softmax(dim=1)
        return probabilities[torch.arange(20), classes].mean().item()

    guidance = adm.Classifier(model.classifier, scale=5.0)
    unguided, guided = share(), share(guidance=guidance)
    assert guided > unguided + 0.02
    assert share(guidance=guidance, clipping_order="before") < guided - 0.02


def test_a_network_that_guides_is_not_changed(model, checkpoint):
    weak = adm.load(checkpoint(fresh=True), device="cpu")
    before = {name: tensor.clone() for name, tensor in weak.opened.network.state_dict().items()}
    adm.DDIM(model.to(torch.bfloat16), 4, adm.Autoguidance(weak, 2.0)).sample(LABELS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in weak.opened.network.state_dict().items())


def test_another_sampler_in_the_call_keeps_its_own_order_of_clipping(model, classifier):
    guidance = adm.Classifier(classifier, 2.0)
    for made, other in ((adm.DDPM, adm.DDIM), (adm.DDIM, adm.DDPM)):
        name = other.__name__.lower()
        found = made(model, "5", guidance).sample(LABELS, sampler=name)
        np.testing.assert_array_equal(found, other(model, "5", guidance).sample(LABELS))


def test_a_loaded_network_guides_as_its_file_does(model, checkpoint, classifier):
    loaded = adm.load(checkpoint(), classifier, device="cpu")
    for one, other in (
        (adm.Classifier(classifier, 2.0), adm.Classifier(loaded.classifier, 2.0)),
        (adm.Autoguidance(checkpoint(fresh=True), 2.0), adm.Autoguidance(adm.load(checkpoint(fresh=True)), 2.0)),
    ):
        found, expected = (adm.DDIM(model, 4, guidance).sample(LABELS) for guidance in (one, other))
        np.testing.assert_array_equal(found, expected)


def test_a_generator_draws_the_seeds(model):
    how = {"num": 2, "steps": 2}
    for kind in (lambda: torch.Generator().manual_seed(5), lambda: np.random.default_rng(5)):
        draws, again = kind(), kind()
        first, second = (model.sample(seed=draws, **how) for _ in range(2))
        assert (first != second).any()
        np.testing.assert_array_equal(model.sample(seed=again, **how), first)


def test_another_precision_is_a_copy(model, checkpoint, tmp_path):
    low = model.to(torch.bfloat16)
    expected = adm.load(checkpoint(), device="cpu", precision="bfloat16").sample(LABELS, steps=3)
    before = model.sample(LABELS, steps=3)
    np.testing.assert_array_equal(low.to("cpu").sample(LABELS, steps=3), expected)
    np.testing.assert_array_equal(model.sample(LABELS, steps=3), before)
    assert (before != expected).any()
    low.sample(LABELS, steps=1)
    with pytest.raises(adm.UserError, match=r"is rounded to bfloat16; load it anew"):
        low.to(dtype=torch.float32)
    with pytest.raises(adm.UserError, match=r"is rounded to bfloat16; load it anew"):
        adm.load(low)
    with pytest.raises(adm.UserError, match=r"is rounded to bfloat16; load it anew"):
        adm.load(low.opened)
    with pytest.raises(adm.UserError, match=r"is rounded to bfloat16; load it anew"):
        low.opened.save(tmp_path / "low.safetensors")
    with pytest.raises(adm.UserError, match=r"precision torch\.int8: is none"):
        model.to(torch.int8)


PIXELS = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
TENSOR = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)

KINDS = {
    "array": PIXELS,
    "tensor of uint8": TENSOR,
    "tensor of floats": TENSOR / 255,
    "tensors": list(TENSOR / 255),
    "PIL images": [Image.fromarray(each) for each in PIXELS],
    "batches": DataLoader(TENSOR / 255, batch_size=2),
    "batches with labels": DataLoader(TensorDataset(TENSOR / 255, torch.arange(5)), batch_size=2),
    "a batch with labels": [TENSOR, torch.arange(5)],
    "two batches": [TENSOR[:2], TENSOR[2:]],
    "a generator of batches": (TENSOR[rows] / 255 for rows in (slice(2), slice(2, None))),
    "floats with rounding": (TENSOR / 255).double() * (1 + 1e-6),
    "PIL images that are opaque": [Image.fromarray(each).convert("RGBA") for each in PIXELS],
}


def test_pil_images_are_seen_as_in_folders():
    red = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    np.testing.assert_array_equal(pixels_of(red), np.full((1, 8, 8, 3), 255))
    for grey in (np.full((8, 8), 117, np.int32), np.full((8, 8), 117 / 255, np.float32)):
        np.testing.assert_array_equal(pixels_of(Image.fromarray(grey)), np.full((1, 8, 8, 3), 117))
    deep = Image.fromarray(np.full((8, 8), 30000, np.uint16))
    np.testing.assert_array_equal(pixels_of(deep), np.full((1, 8, 8, 3), 117))


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_any_kind_are_the_same_array(kind):
    found = pixels_of(KINDS[kind])
    np.testing.assert_array_equal(found, PIXELS)
    assert found.dtype == np.uint8


def test_grey_images_are_of_one_channel_outside():
    grey = np.repeat(PIXELS[..., :1], 3, axis=-1)
    tensor = as_kind(grey, "torch", 1)
    assert tensor.shape == (5, 1, 8, 8)
    np.testing.assert_array_equal(pixels_of(tensor), grey)
    assert {each.mode for each in as_kind(grey, "pil", 1)} == {"L"}
    np.testing.assert_array_equal(pixels_of(as_kind(grey, "pil", 1)), grey)


def test_images_come_out_as_they_are_asked_for(model):
    images = model.sample(LABELS, steps=2)
    for output in ("numpy", "torch", "pil"):
        found = model.sample(torch.tensor(LABELS), steps=2, output=output)
        np.testing.assert_array_equal(pixels_of(found), images)
    np.testing.assert_array_equal(
        pixels_of(model.edit(TENSOR / 255, 0.5, 1, steps=4, output="pil")), model.edit(PIXELS, 0.5, 1, steps=4)
    )
    latents = model.encode(TENSOR, 1, steps=4)
    composed = adm.DDIM(model, "4")
    np.testing.assert_array_equal(composed.encode(TENSOR, 1), latents)
    np.testing.assert_array_equal(composed.decode(latents, 1), model.decode(latents, 1, steps=4))
    np.testing.assert_array_equal(model.encode(PIXELS, 1, steps=4), latents)
    np.testing.assert_array_equal(
        model.decode(torch.from_numpy(latents), 1, steps=4), model.decode(latents, 1, steps=4)
    )
    (batch, _), *_ = DataLoader(TensorDataset(TENSOR / 255, torch.arange(5)), batch_size=5)
    np.testing.assert_array_equal(model.bits_per_dim(batch, 0, steps=4), model.bits_per_dim(PIXELS, 0, steps=4))
    loader = DataLoader(TENSOR / 255, batch_size=2)
    np.testing.assert_array_equal(
        model.encode(loader, [0, 1, 0, 1, 0], steps=4), model.encode(PIXELS, [0, 1] * 2 + [0], steps=4)
    )


REFUSED = {
    "floats from -1 to 1": (lambda m, c: m.encode(TENSOR / 127.5 - 1, 0), "map what is from -1 to 1 by (x + 1) / 2"),
    "floats that are none": (lambda m, c: m.encode(TENSOR / 255 * torch.nan, 0), "images: hold NaN or infinity"),
    "four channels": (lambda m, c: m.encode(torch.zeros(1, 4, 8, 8), 0), "images: are a tensor of shape (1, 4, 8, 8)"),
    "two sizes": (
        lambda m, c: m.encode([Image.new("RGB", (8, 8)), Image.new("RGB", (8, 9))], 0),
        "images: differ in size, 8x8 and 8x9",
    ),
    "pairs of images": (
        lambda m, c: m.bits_per_dim(DataLoader(TensorDataset(TENSOR / 255, TENSOR / 255), batch_size=5), 0),
        "images: a batch holds two sets of images",
    ),
    "no images": (lambda m, c: m.encode(7, 0), "images: are int; arrays, tensors and PIL"),
    "no kind of output": (lambda m, c: m.sample([0], steps=2, output="jpeg"), "output 'jpeg': is none"),
    "a device after a dtype": (lambda m, c: m.to(torch.bfloat16, "cpu"), "a device comes first, then a dtype"),
    "floats of numpy": (lambda m, c: m.encode(PIXELS / 255, 0), "floats may be a tensor (N, C, H, W) in [0, 1]"),
    "one step of encoding": (lambda m, c: m.encode(PIXELS, 0, steps=1), "two or more are accepted"),
    "numbers as latents": (lambda m, c: m.sample(0, latents=[[0.0]]), "latents: are float64 of shape (1, 1)"),
    "threads": (lambda m, c: m.sample(0, steps=2, threads=3), "threads: is an argument of `adm.load`"),
    "guidance by keyword": (lambda m, c: m.sample(0, classifier=c), "classifier: is of samplers: adm.DDIM(model"),
    "a scale without who guides": (lambda m, c: adm.DDIM(m, 5, scale=2.0), "does nothing without a classifier"),
    "a path as guidance": (lambda m, c: adm.DDIM(m, 5, c), "guidance: is "),
    "a path as a model": (lambda m, c: adm.DDIM(c, 5), "adm.load makes one"),
    "nothing to guide": (lambda m, c: adm.DDIM(m, 5, adm.Classifier(None)), "NoneType: is no network"),
    "another library's word": (lambda m, c: m.sample(0, num_inference_steps=5), "is `steps` here"),
    "nothing to load": (lambda m, c: adm.load(None), "NoneType: is no network"),
    "no precision": (lambda m, c: adm.load(m.opened.path, precision="fp16"), "precision fp16: is none"),
    "no threads": (lambda m, c: adm.load(m.opened.path, threads=0), "threads: 0 is not accepted"),
    "half a timestep": (lambda m, c: m.denoise(torch.zeros(1, 3, 8, 8), 5.5, [0]), "t 5.5: is none"),
    "x_t of whole numbers": (lambda m, c: m.denoise(torch.zeros(1, 3, 8, 8).int(), 5, [0]), "of floats is wanted"),
    "x_t of another size": (lambda m, c: m.denoise(torch.zeros(1, 1, 8, 8), 5, [0]), "a tensor (N, 3, 8, 8) of"),
    "no graph": (lambda m, c: adm.fid(PIXELS, PIXELS, "nothing.pb"), "nothing.pb: is no file; the graph is"),
    "no timestep": (lambda m, c: m.denoise(torch.zeros(1, 3, 8, 8), 50, [0]), "t 50: is none; there are 0 to 49"),
    "a sampler beside fast": (lambda m, c: m.sample(0, steps="fast", sampler="ddim"), "chosen by steps 'fast'"),
    "no steps": (lambda m, c: adm.DDIM(m, "quick"), "steps: 'quick'"),
    "too many steps": (lambda m, c: adm.DDIM(m, 1001), "'ddim1001' has no integer stride"),
    "no such interval": (lambda m, c: adm.DDPM(m, 5, adm.Classifier(c, 1.0, (0.9, 0.1))), "is empty"),
    "a model as a classifier": (lambda m, c: adm.DDIM(m, 5, adm.Classifier(m.opened.path)), "not 'classifier'"),
    "a classifier as a weaker model": (lambda m, c: adm.DDIM(m, 5, adm.Autoguidance(c, 2.0)), "not 'diffusion'"),
    "a guide by keyword": (lambda m, c: m.sample([0], guide={"scale": 2.0}), "guide: is a network; in Python it is"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_a_value_error_of_one_line(model, classifier, case):
    asked, message = REFUSED[case]
    with pytest.raises(adm.UserError) as refused:
        asked(model, classifier)
    assert isinstance(refused.value, ValueError)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def settings():
    legacy = np.random.mtrand._rand  # what np.random.normal() draws from
    return {
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "determinism": (torch.get_deterministic_debug_mode(), torch.backends.cudnn.benchmark),
        "precision": (torch.get_float32_matmul_precision(), torch.get_default_dtype()),
        "gradients": torch.is_grad_enabled(),
        "random numbers": (random.getstate(), legacy.get_state()[1].tolist(), torch.get_rng_state().tolist()),
        "errors of numpy": np.geterr(),
        "warnings": len(warnings.filters),
    }


FEW = pytest.mark.filterwarnings("ignore:.* do not exceed the 64 pooled features")


@FEW
def test_no_setting_of_the_process_changes(checkpoint, classifier, graph):
    # Libraries that are imported late may register warnings of their own.
    adm.score(PIXELS, PIXELS, graph, device="cpu")
    torch.set_num_threads(2)
    before = settings()
    try:
        model = adm.DDIM(adm.load(checkpoint(), device="cpu"), 4, adm.Classifier(classifier))
        images = model.sample(LABELS * 3, progress=lambda done, total: None)
        model.decode(model.encode(images, 0, steps=4), 0, steps=4)
        model.bits_per_dim(images, 0, steps=4)
        scores = adm.score([TENSOR[:2], TENSOR[2:], TENSOR], images, graph, device="cpu")
        assert adm.fid(torch.cat([TENSOR, TENSOR]), images, graph, device="cpu") == scores["metrics"]["fid"]
        assert settings() == before
    finally:
        torch.set_num_threads(1)
