"""Networks that are trained from Python, on images in memory."""

import numpy as np
import pytest
import torch

import adm

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), np.uint8)
LABELS = np.arange(24) % 3
NETWORK = {"channels": 32, "channel_multiplier": [1], "depth": 1, "heads": 1}
MODEL = {"network": NETWORK, "noise": {"timesteps": 20, "schedule": "cosine"}, "training": {"batch_size": 4}}
ANNEALED = MODEL | {"training": {"batch_size": 4, "annealing": 8}}


def test_what_was_trained_samples_is_guided_and_comes_back_from_a_file(tmp_path):
    steps = []
    trained = adm.train(MODEL, IMAGES, LABELS, iterations=2, class_names=("a", "b", "c"), stepped=steps.append)
    assert [report.step for report in steps] == [1, 2]
    classifier = adm.train(MODEL | {"kind": "classifier"}, IMAGES, LABELS, iterations=1)
    guided = adm.DDIM(adm.load(trained), steps=2, guidance=adm.Classifier(classifier, scale=1)).sample(["b", "c"])
    assert guided.shape == (2, 8, 8, 3)
    trained.save(tmp_path / "trained.safetensors")
    kept = adm.load(tmp_path / "trained.safetensors")
    np.testing.assert_array_equal(kept.sample("b", steps=2), adm.load(trained).sample("b", steps=2))
    assert kept.class_names == ("a", "b", "c")


def test_tensors_of_one_channel_without_labels_train_a_grey_network_without_classes():
    grey = MODEL | {"network": NETWORK | {"image_channels": 1}}
    trained = adm.train(grey, torch.from_numpy(IMAGES[..., :1]).permute(0, 3, 1, 2), iterations=1)
    assert (trained.model.network.num_classes, trained.network.state_dict()["output.2.weight"].shape[0]) == (None, 2)


@pytest.mark.parametrize(
    ("model", "images", "labels", "named"),
    [
        (MODEL | {"kind": "gan"}, IMAGES, LABELS, "'gan'.*diffusion, upsampler, classifier"),
        (MODEL | {"network": NETWORK | {"chanels": 8}}, IMAGES, LABELS, "'chanels'.* channels"),
        (MODEL | {"training": {"batch_size": 4, "crop": "random"}}, IMAGES, LABELS, "training.crop"),
        (MODEL | {"network": NETWORK | {"num_classes": 2}}, IMAGES, LABELS, "labels: hold 2, and .* 2 classes"),
        (MODEL | {"network": NETWORK | {"num_classes": None}}, IMAGES, LABELS, "labels: hold 2, and .* no classes"),
        (MODEL | {"network": NETWORK | {"num_classes": 4}}, IMAGES, None, "labels: are missing, and .* 4 classes"),
        (MODEL | {"kind": "classifier"}, IMAGES, None, "labels: are missing; a classifier"),
        (3, IMAGES, LABELS, "model: is no mapping"),
        (MODEL, IMAGES[:, :4], LABELS, "images: have 8x4 pixels"),
        (MODEL | {"network": NETWORK | {"image_channels": 1}}, IMAGES, LABELS, "images: are in colour"),
        (MODEL | {"training": {"batch_size": 4, "averages": [0.1]}}, IMAGES, LABELS, "training.averages"),
        (MODEL, IMAGES.astype(float), LABELS, "images: is float64"),
        (MODEL, IMAGES, LABELS[:3], "labels: .*24"),
        (MODEL, IMAGES, LABELS - 1, "labels: .*from 0"),
        (MODEL, IMAGES, [[label] * (label + 1) for label in LABELS], "labels: .*24"),
        (MODEL | {"training": {"batch_size": 4, "accumulation": 3}}, IMAGES, LABELS, "training: .*accumulation"),
    ],
)
def test_what_does_not_fit_is_a_line(model, images, labels, named):
    with pytest.raises(adm.UserError, match=named) as error:
        adm.train(model, images, labels, iterations=1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"iterations": 1.5}, "iterations: 1.5"),
        ({"class_names": ("a", "b", "b")}, "class_names: .* 3 different names"),
        ({"class_names": ("a", "b", "c", "c")}, "class_names: .* 3 different names"),
        ({"iterations": 9, "model": ANNEALED}, "iterations: 9 is past training.annealing 8"),
    ],
)
def test_how_it_is_trained_is_checked_before(how, named):
    with pytest.raises(adm.UserError, match=named):
        adm.train(**{"model": MODEL, "images": IMAGES, "labels": LABELS, "iterations": 1, **how})


def test_another_ending_is_a_line(tmp_path):
    with pytest.raises(adm.UserError, match=r"own.pt: ends in no \.safetensors"):
        adm.train(MODEL, IMAGES, LABELS, iterations=1).save(tmp_path / "own.pt")
