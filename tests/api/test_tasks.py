"""The ten tasks run, and the table counts their lines with each library."""

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
    """Means of 4x4 pixels."""
    return torch.nn.functional.avg_pool2d(x, 4)


MEASURED = measure(IMAGES) * 0.6 + 0.2


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
