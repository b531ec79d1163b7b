"""Encoding and decoding undo one another, and arcs join what their ends are."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from making import make
from torch.nn.functional import one_hot

from adm.data.batches import to_uint8, to_unit_range
from adm.data.shards import ImageShards
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import classifier_gradient, slope_of
from adm.errors import UserError
from adm.params.runs import InterpolationParams
from adm.sampling.interpolation import LatentSpace, arc
from adm.sampling.studies import Interpolation, read_study
from adm.stages import init, interpolate

MEANS = torch.tensor([-0.3, 0.2, 0.4])
STD = 0.2
STUDY = {
    "checkpoint": "model-0",
    "classifier": "classifier-0",
    "dataset": "any",
    "gradient_scale": 0.0,
    "steps": "6",
    "pairs": 3,
    "points": 4,
    "reconstructions": 5,
    "micro_batch": 4,
    "seed": 3,
    "threads": 1,
}


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def gaussian_space(steps="25", scale=0.0, classifier=None, asked=None, schedule="cosine"):
    """The exact denoiser of N(mean of the class, STD^2); it notes the timesteps that it is asked at in `asked`."""
    alpha_bar = torch.from_numpy(Diffusion.from_schedule(schedule, 1000).alpha_bar).float()

    def denoiser(class_weights, x_t, t):
        if asked is not None:
            asked.append(t[0].item())
        a = alpha_bar[t].view(-1, 1, 1, 1)
        mean = (class_weights @ MEANS).view(-1, 1, 1, 1)
        return (1 - a).sqrt() * (x_t - a.sqrt() * mean) / (a * STD**2 + 1 - a)

    def gradient(class_weights):
        return classifier_gradient(slope_of(classifier), class_weights, scale)

    diffusion = Diffusion.from_schedule(schedule, 1000, steps, "beta")
    guidance = gradient if classifier and scale else None
    return LatentSpace(diffusion, lambda class_weights: partial(denoiser, class_weights), guidance)


def images_of(labels, seed=0):
    x_0 = MEANS[labels].view(-1, 1, 1, 1) + STD * draw(len(labels), 3, 4, 4, seed=seed)
    return x_0.clamp(-1, 1), one_hot(labels, 3).float()


def logits(x, timesteps):
    weight = draw(x[0].numel(), 3, seed=7)
    return torch.tanh(x.flatten(1) @ weight) * (1 + timesteps[:, None] / 1000)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_decoding_undoes_encoding_the_better_the_more_steps(schedule):
    x_0, weights = images_of(torch.arange(24) % 3)
    errors = torch.stack(
        [gaussian_space(str(n), schedule=schedule).errors(x_0, weights).mean(0) for n in (25, 50, 100, 200)]
    )
    assert errors.dtype == torch.float64
    # DDIM is of first order: twice the steps halve the error, and quarter its square.
    assert (errors[1:] < 0.45 * errors[:-1]).all()
    assert (errors[-1] < 0.02 * STD**2).all()


def test_latents_are_the_standard_normals_that_the_images_come_from():
    x_0, weights = images_of(torch.arange(24) % 3)
    latents = gaussian_space("250").encode(x_0, weights)
    normal = (x_0 - MEANS[torch.arange(24) % 3].view(-1, 1, 1, 1)) / STD
    assert (latents - normal).abs().mean() < 0.05


@pytest.mark.parametrize(
    ("num_steps", "encoded", "decoded"), [(None, 9, 10), (9, 9, 9), (10, 10, 10), (1, 1, 1), (0, 0, 0)]
)
def test_encoding_skips_the_last_step_and_decoding_takes_it_unless_told(num_steps, encoded, decoded):
    asked = []
    space = gaussian_space("10", asked=asked)
    x_0, weights = images_of(torch.tensor([0, 2]))
    latents = space.encode(x_0, weights, num_steps)
    assert asked == space.diffusion.timesteps[:encoded].tolist()
    asked.clear()
    space.decode(latents, weights, num_steps)
    assert asked == space.diffusion.timesteps[:decoded].flip(0).tolist()


def test_errors_are_those_of_each_image_alone():
    x_0, weights = images_of(torch.tensor([0, 1, 2]))
    space = gaussian_space("12", scale=2.0, classifier=logits)
    for column, (encoded, taken) in enumerate([(11, 12), (12, 12), (11, 11)]):
        decoded = space.decode(space.encode(x_0, weights, encoded), weights, taken)
        for i in range(3):
            expected = ((decoded[i].double() - x_0[i]) ** 2).mean()
            found = space.errors(x_0[i : i + 1], weights[i : i + 1])[0, column]
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)


def test_arc():
    a, b = draw(3, 2, 5, seed=1), draw(3, 2, 5, seed=2)
    path = arc(a, b, 7)
    assert path.shape == (3, 7, 2, 5)
    assert torch.equal(path[:, 0], a)
    assert torch.equal(path[:, -1], b)
    for i in range(7):
        theta = i / 6 * math.pi / 2
        torch.testing.assert_close(path[:, i], math.cos(theta) * a + math.sin(theta) * b)
    # Independent normals stay of unit variance on the way, which a straight line would not keep.
    assert (arc(draw(1, 10**5, seed=1), draw(1, 10**5, seed=2), 5).std(dim=2) - 1).abs().max() < 0.02


def test_interpolated_log_probabilities_give_the_sum_of_both_gradients():
    x, t = draw(4, 3, 4, 4), torch.tensor([3, 500, 900, 20])
    first, second = torch.tensor([0, 1, 2, 1]), torch.tensor([2, 1, 0, 0])
    theta = 0.4
    weights = math.cos(theta) * one_hot(first, 3).float() + math.sin(theta) * one_hot(second, 3).float()
    expected = classifier_gradient(slope_of(logits), first, 2.0 * math.cos(theta))(x, t)
    expected += classifier_gradient(slope_of(logits), second, 2.0 * math.sin(theta))(x, t)
    torch.testing.assert_close(classifier_gradient(slope_of(logits), weights, 2.0)(x, t), expected)
    of_one = classifier_gradient(slope_of(logits), one_hot(first, 3).float(), 2.0)(x, t)
    assert torch.equal(of_one, classifier_gradient(slope_of(logits), first, 2.0)(x, t))


def test_guidance_is_of_the_decoding_alone():
    x_0, weights = images_of(torch.tensor([0, 1, 2]))
    plain, guided = (gaussian_space(scale=scale, classifier=logits, schedule="linear") for scale in (0.0, 3.0))
    assert torch.equal(plain.encode(x_0, weights), guided.encode(x_0, weights))
    latents = plain.encode(x_0, weights)
    assert torch.equal(plain.decode(latents, weights), gaussian_space(schedule="linear").decode(latents, weights))
    decoded = {0.0: plain.decode(latents, weights), 3.0: guided.decode(latents, weights)}
    at_zero = torch.zeros(3, dtype=torch.int64)
    log_p = {scale: (weights * logits(x, at_zero).log_softmax(1)).sum(1) for scale, x in decoded.items()}
    assert (log_p[3.0] > log_p[0.0]).all()


def test_class_weights_of_a_label_are_the_label_to_the_bit(tiny_model, randomised):
    model = tiny_model()
    network = randomised(model).eval().requires_grad_(False)
    space = LatentSpace.of(InterpolationParams.model_validate(STUDY), model, network, None)
    x, t, y = draw(4, 3, 8, 8), torch.tensor([0, 10, 20, 49]), torch.tensor([0, 1, 1, 0])
    assert torch.equal(space.denoiser(one_hot(y, 2).float())(x, t), network(x, t, y))
    half = space.denoiser(torch.full((4, 2), 0.5))(x, t)
    embedding = network.class_embedding.weight.mean(0).expand(4, -1)
    torch.testing.assert_close(half, network(x, t, embedding), rtol=1e-5, atol=1e-5)


@pytest.fixture
def checkpoints(tmp_path, tiny_model, randomised, monkeypatch):
    """Inputs of a stage: checkpoints of a tiny model and a classifier, no weight of which is zero."""
    monkeypatch.setattr(init, "initial", lambda model: randomised(model, seed=len(model.kind)))
    folders = {"checkpoint": tmp_path / "model-0", "classifier": tmp_path / "classifier-0"}
    make(init, tiny_model(), folders["checkpoint"])
    make(init, tiny_model("classifier"), folders["classifier"])
    return folders


@pytest.mark.parametrize("changes", [{"gradient_scale": 2.0}, {"precision": "bfloat16"}])
def test_interpolate(checkpoints, data, tmp_path, tiny_model, changes):
    study = InterpolationParams.model_validate(STUDY | changes)
    inputs = checkpoints | {"data": data}
    for out in ("a", "b"):
        make(interpolate, study, tiny_model(), tiny_model("classifier"), inputs, tmp_path / out)
    name = "interpolation.npz"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    made = read_study(Interpolation, tmp_path / "a")
    assert made.images.shape == (3, 4, 8, 8, 3)
    assert made.error_all.shape == made.error_all_but_last.shape == (5,)
    assert (made.error_all_but_last > 0).all()
    shards = ImageShards(data)
    pixels = {image.tobytes(): label for image, label in zip(shards[:], shards.labels, strict=True)}
    ends = [image.tobytes() for image in made.originals.reshape(6, 8, 8, 3)]
    assert len(set(ends)) == 6
    assert [pixels[end] for end in ends] == made.labels.ravel().tolist()


def test_rows_begin_and_end_with_the_reconstructions(checkpoints, data, tmp_path, tiny_model, randomised):
    study = InterpolationParams.model_validate(STUDY | {"gradient_scale": 1.0})
    make(interpolate, study, tiny_model(), tiny_model("classifier"), checkpoints | {"data": data}, tmp_path / "out")
    made = read_study(Interpolation, tmp_path / "out")
    networks = [
        randomised(model, seed=len(model.kind)).eval().requires_grad_(False)
        for model in (tiny_model(), tiny_model("classifier"))
    ]
    space = LatentSpace.of(study, tiny_model(), *networks)
    for end, point in ((0, 0), (1, -1)):
        weights = one_hot(torch.from_numpy(made.labels[:, end]), 2).float()
        decoded = space.decode(space.encode(to_unit_range(made.originals[:, end]), weights), weights)
        # Other batches round otherwise.
        assert np.abs(to_uint8(decoded).astype(int) - made.images[:, point]).max() <= 1


def test_a_dataset_that_does_not_fit_is_refused(checkpoints, data, tmp_path, tiny_model):
    inputs = checkpoints | {"data": data}
    study = InterpolationParams.model_validate(STUDY | {"pairs": 13})
    with pytest.raises(UserError, match=r"has 24 images, but the study needs 26"):
        make(interpolate, study, tiny_model(), tiny_model("classifier"), inputs, tmp_path / "out")
