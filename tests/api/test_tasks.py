"""The ten tasks run with each library, and the table counts them."""

from copy import deepcopy
from importlib import import_module

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import adm
from adm.data.pictures import pixels_of
from benchmarks.tasks import LIBRARIES, TASKS, by_hand, lines, ours, table

ABSENT = "is not installed: `make rivals`"
SHAPE, LABEL, NOTHING = (3, 8, 8), 1, 2
IMAGES = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0))
MASK = torch.zeros(8, 8, dtype=torch.bool)
MASK[4:] = True
LEVEL = 1 / 255 + 1e-6


def measure(x):
    return torch.nn.functional.avg_pool2d(x, 4)


MEASURED = measure(IMAGES) * 0.6 + 0.2


def filled(network):
    """No weight is zero: fresh networks return zeros."""
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=draws))
    return network.eval().requires_grad_(False)


def classifier_of(scale):
    """A rival's classifier of two classes: which half is brighter."""
    return lambda x, t: scale * torch.stack([x[:, :, :4].mean((1, 2, 3)), x[:, :, 4:].mean((1, 2, 3))], dim=1)


@pytest.fixture(scope="module")
def azula():
    """Its module of tasks, and its network of ADM, with classes and without, as its loader of weights makes them."""
    tasks = pytest.importorskip("benchmarks.tasks.azula", reason=f"azula {ABSENT}", exc_type=ModuleNotFoundError)
    make = import_module("azula.plugins.adm").make_model
    how = {"image_size": 8, "num_channels": 32, "channel_mult": (1,), "num_res_blocks": 1, "num_heads": 1}
    with torch.random.fork_rng(devices=[]):
        plain, labelled = (
            filled(make(attention_resolutions=(), use_scale_shift_norm=True, num_classes=classes, **how))
            for classes in (None, 3)
        )
        yield tasks, plain, labelled


@pytest.fixture(scope="module")
def diffusers():
    """Its module of tasks, and pipelines of its network, with classes and without."""
    tasks = pytest.importorskip(
        "benchmarks.tasks.diffusers", reason=f"diffusers {ABSENT}", exc_type=ModuleNotFoundError
    )
    library = import_module("diffusers")
    how = {"sample_size": 8, "block_out_channels": (32,), "layers_per_block": 1}
    kinds = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    with torch.random.fork_rng(devices=[]):
        pipes = [
            library.DDPMPipeline(
                filled(library.UNet2DModel(num_class_embeds=n, **how, **kinds)), library.DDPMScheduler()
            )
            for n in (None, 3)
        ]
        for pipe in pipes:
            pipe.set_progress_bar_config(disable=True)
        yield (tasks, *pipes)


@pytest.fixture(scope="module")
def plain(checkpoint):
    return adm.load(checkpoint(num_classes=None), device="cpu")


def test_the_table_has_a_row_a_task():
    counted = {library: lines(library) for library in LIBRARIES}
    assert counted["ours"].keys() == TASKS.keys()
    assert all(by_hand(library) <= counted[library].keys() <= TASKS.keys() for library in LIBRARIES)
    assert counted["ours"]["encode_and_decode"] == 2
    rows = table().splitlines()
    assert len(rows) == 2 + len(TASKS)
    assert {row.count("|") for row in rows} == {2 + len(LIBRARIES)}


def test_the_page_shows_the_table(root):
    assert table() in (root / "docs" / "ten_tasks.md").read_text()


def test_ours_draw_the_same_image_in_another_batch(checkpoint):
    model = adm.load(checkpoint(), device="cpu")
    images = ours.draw_a_class(model, LABEL)
    assert images.shape == (16, 8, 8, 3)
    assert np.abs(images[5:6].astype(int) - ours.draw_one_again(model, LABEL)).max() <= 1


def test_ours_guide(checkpoint, plain):
    model = adm.load(checkpoint(label_dropout=0.1), device="cpu")
    unguided = adm.DDIM(model, 25).sample([LABEL] * 16)
    for guided in (
        ours.guide_by_a_classifier(model, checkpoint("classifier"), LABEL),
        ours.guide_classifier_free(model, LABEL),
    ):
        assert guided.shape == unguided.shape
        assert (guided != unguided).any()
    found = ours.guide_by_a_function(plain, MEASURED, measure)
    assert far(measure(found)) < 0.7 * far(measure(pixels(plain.sample(num=4, steps=25))))


def far(measured):
    return (measured - MEASURED).square().mean().sqrt()


def pixels(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2) / 255


def test_ours_sample_and_change_images(plain):
    assert ours.solve_in_ten_steps(plain).shape == (16, 8, 8, 3)
    assert (ours.edit(plain, IMAGES) != pixels_of(IMAGES)).any()
    drawn = ours.inpaint(plain, IMAGES, MASK)
    np.testing.assert_array_equal(drawn[:, :4], pixels_of(IMAGES)[:, :4])
    assert (drawn[:, 4:] != pixels_of(IMAGES)[:, 4:]).any()
    images = plain.sample(num=4, steps="ddim25")
    assert np.abs(ours.encode_and_decode(plain, images).astype(int) - images).mean() < 30


@pytest.mark.filterwarnings("ignore:.* do not exceed the 64 pooled features")
def test_ours_score_a_loader(graph):
    loader = DataLoader(TensorDataset(torch.cat([IMAGES] * 4), torch.arange(16)), batch_size=8)
    samples = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype(np.uint8)
    expected = adm.score(samples, pixels_of(torch.cat([IMAGES] * 4)), graph, device="cpu")["metrics"]["fid"]
    assert ours.fid(samples, loader, graph) == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_azula_does_what_it_has(azula):
    tasks, plain, labelled = azula
    images = tasks.draw_a_class(labelled, LABEL, SHAPE)
    torch.testing.assert_close(images[5:6], tasks.draw_one_again(labelled, LABEL, SHAPE), rtol=0, atol=LEVEL)
    unguided = tasks.solve_in_ten_steps(plain, SHAPE)
    assert unguided.shape == (16, *SHAPE)
    guided = tasks.guide_by_a_classifier(labelled, classifier_of(200.0), LABEL, SHAPE)
    assert lower_half(guided) > lower_half(images) + 0.05
    assert tasks.guide_classifier_free(labelled, LABEL, NOTHING, SHAPE).shape == (16, *SHAPE)
    found = tasks.guide_by_a_function(plain, MEASURED, measure, SHAPE)
    assert far(measure(found)) < far(measure(unguided[:4]))
    assert (tasks.edit(plain, IMAGES) - IMAGES).abs().max() > LEVEL
    drawn = tasks.inpaint(plain, IMAGES, MASK)
    torch.testing.assert_close(drawn[:, :, :4], IMAGES[:, :, :4], rtol=0, atol=0.04)
    assert (drawn - IMAGES)[:, :, 4:].abs().max() > 0.04
    assert (tasks.encode_and_decode(plain, unguided) - unguided).abs().mean() < 0.15


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_diffusers_does_what_it_has(diffusers):
    tasks, plain, labelled = diffusers
    images = tasks.draw_a_class(labelled, LABEL, SHAPE)
    torch.testing.assert_close(images[5:6], tasks.draw_one_again(labelled, LABEL, SHAPE), rtol=0, atol=0.05)
    unguided = torch.from_numpy(tasks.solve_in_ten_steps(plain)).permute(0, 3, 1, 2)
    assert unguided.shape == (16, *SHAPE)
    guided = tasks.guide_by_a_classifier(labelled, classifier_of(20.0), LABEL, SHAPE)
    assert lower_half(guided) > lower_half(images) + 0.05
    assert tasks.guide_classifier_free(labelled, LABEL, NOTHING, SHAPE).shape == (16, *SHAPE)
    found = tasks.guide_by_a_function(plain, MEASURED, measure, SHAPE)
    assert far(measure(found)) < 0.5 * far(measure(unguided[:4]))
    assert (tasks.edit(plain, IMAGES) - IMAGES).abs().max() > LEVEL
    drawn = torch.from_numpy(tasks.inpaint(plain, IMAGES, MASK)).permute(0, 3, 1, 2)
    torch.testing.assert_close(drawn[:, :, :4], IMAGES[:, :, :4], rtol=0, atol=LEVEL)
    assert (drawn - IMAGES)[:, :, 4:].abs().max() > LEVEL
    still = deepcopy(plain)
    torch.nn.init.zeros_(still.unet.conv_out.weight)
    assert (tasks.encode_and_decode(still, unguided) - unguided).abs().mean() < 0.15


def lower_half(images):
    """How much brighter it is than the upper one."""
    return images[:, :, 4:].mean() - images[:, :, :4].mean()
