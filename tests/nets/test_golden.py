"""The networks against outputs of the reference implementation, its weights read from files as it would write them."""

import math
import zlib

import numpy as np
import pytest
import torch
from reference_networks import ENTRIES, section
from torch.nn.functional import one_hot

from adm import api
from adm.config.networks import ClassifierParams, UpsamplerParams
from adm.diffusion.samplers import classifier_gradient, slope_of
from adm.nets.forward import Forward
from adm.nets.opening import open_network
from adm.nets.presets import PRESETS
from adm.nets.release import export_released

TOLERANCE = 1.0e-5
HALF = 5.0e-3


def released_weights(keys):
    """The weights that FACTS describes: a function of each tensor's name and shape alone."""
    state = {}
    for name, shape in keys.items():
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
        if len(shape) > 1:
            values = values / math.sqrt(math.prod(shape[1:]))
        else:
            values = 0.1 * values + (1 if name.endswith("weight") else 0)
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state


def draw(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


@pytest.fixture
def released(tmp_path, monkeypatch):
    """Write an entry's network to a file in the released format, as if the entry were a preset."""

    def path_of(entry):
        monkeypatch.setitem(PRESETS, entry, section(entry))
        path = tmp_path / f"{entry.replace('/', '_')}.pt"
        torch.save(released_weights(ENTRIES[entry]["keys"]), path)
        return path

    return path_of


@pytest.fixture
def load(tmp_path, released):
    """Load an entry's network from such a file."""

    def network(entry, dtype=None):
        path = released(entry)
        if dtype:
            export_released(tmp_path / "exported.pt", open_network(path, entry).network.state_dict(), dtype)
            path = tmp_path / "exported.pt"
        return open_network(path, entry).network

    return network


@pytest.fixture
def x():
    return draw(1, 2, 3, 32, 32)


@pytest.fixture(params=["contiguous", "channels_last"])
def laid_out(request, x):
    """The same images in either layout."""
    layout = torch.channels_last if request.param == "channels_last" else torch.contiguous_format
    return x.contiguous(memory_format=layout)


T = torch.tensor([3, 977])
Y = torch.tensor([7, 999])


def close(actual, expected, tolerance=TOLERANCE):
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


def conditions(net):
    low = {"low_resolution": draw(2, 2, 3, 8, 8)} if isinstance(net.params, UpsamplerParams) else {}
    labels = {} if isinstance(net.params, ClassifierParams) or net.params.num_classes is None else {"y": Y}
    return {**low, **labels}


def forward(net, x):
    """What the reference recorded: a denoiser's output, or a classifier's logits."""
    with torch.no_grad():
        return net(x, T, **conditions(net))


OUTPUTS = {
    "net/cond_legacy": "out",
    "net/uncond_heads": "out",
    "net/superres": "out",
    "classifier/attention": "logits",
}


@pytest.mark.parametrize("entry", OUTPUTS)
def test_outputs(entry, golden, load, laid_out):
    close(forward(load(entry), laid_out), golden[f"{entry}/{OUTPUTS[entry]}"])


@pytest.mark.parametrize("entry", OUTPUTS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_outputs_of_exported_weights(entry, dtype, golden, load, x):
    # Half precision moves a weight by up to 2^-11 of itself, and the outputs, of about 1, by 2.1e-3 at most.
    tolerance = TOLERANCE if dtype == "float32" else HALF
    close(forward(load(entry, dtype), x), golden[f"{entry}/{OUTPUTS[entry]}"], tolerance)


def root_mean_square(x):
    return float(np.sqrt((x**2).mean()))


# Half precision is chaotic: an input that moves by 1e-6 of itself changes so many roundings that outputs move by as
# much as the reference's half-precision outputs are away from its float32 ones. What is stable is their mean, which
# shows the errors of rounded weights, and of anything else that is rounded alike each time.
def mean_of_half(run, x):
    return sum(run(x * (1 + 1.0e-6 * number)).numpy() for number in range(4)) / 4


@pytest.mark.parametrize("entry", OUTPUTS)
def test_half_precision_is_the_released_one(entry, golden, more_golden, load, x):
    half, full = more_golden[f"half/{entry}"], golden[f"{entry}/{OUTPUTS[entry]}"]
    net = load(entry)
    forward = Forward.frozen(net, "float16")
    with torch.no_grad():
        assert forward(x, T, **conditions(net)).dtype == torch.float32
        mean = mean_of_half(lambda x: forward(x, T, **conditions(net)), x)
    assert root_mean_square(mean - half) < 0.9 * root_mean_square(half - full)


@pytest.mark.parametrize("entry", ["net/superres", "classifier/attention"])
def test_half_precision_is_the_same_in_training_and_of_frozen_networks(entry, load, x):
    with torch.no_grad():
        outputs = [make(net := load(entry), "float16")(x, T, **conditions(net)) for make in (Forward, Forward.frozen)]
    assert torch.equal(*outputs)


def test_gradient_of_the_classifier(golden, load, laid_out):
    x = laid_out.requires_grad_()
    picked = load("classifier/attention")(x, T).log_softmax(dim=1)[range(2), Y].sum()
    expected = golden["classifier/attention/grad"]
    # The gradient is about 1e-3 an element: an absolute tolerance fit for it, not the outputs' own.
    (gradient,) = torch.autograd.grad(picked, x)
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize("sureness", [0.0, 20.0])
@pytest.mark.parametrize(("precision", "error"), [("bfloat16", 0.06), ("float16", 0.01)])
def test_guidance_in_half_precision_is_that_of_float32_at_all_timesteps(precision, error, sureness, load):
    """Errors of each image's gradient, relative to its length; `sureness` is added to the logit of its class."""
    t = torch.arange(0, 1000, 111)
    x, y = draw(3, len(t), 3, 32, 32), torch.arange(len(t))
    gradients = []
    for used in ("float32", precision):
        forward = Forward.frozen(load("classifier/attention"), used)

        def sure(x, t, forward=forward):
            logits = forward(x, t)
            return logits + sureness * one_hot(y, logits.shape[1])

        gradients.append(classifier_gradient(slope_of(sure), y, 1.0)(x, t).flatten(1))
    full, half = gradients
    assert ((half - full).norm(dim=1) < error * full.norm(dim=1)).all()


@pytest.mark.parametrize("row", [0, 1])
def test_a_guided_step_from_given_noise_is_that_of_the_reference(row, golden, released):
    """A process of one step, at t, goes to the clipped x_0, plus the gradient by its variance, 1 - alpha_bar."""
    t, y, scale = int(T[row]), int(Y[row]), 1000.0
    model = api.load(released("net/cond_legacy"), released("classifier/attention"), device="cpu")
    noise = draw(1, 2, 3, 32, 32)[row : row + 1].numpy()
    only_t = ",".join("1" if timestep == t else "0" for timestep in range(1000))
    (image,) = model.trajectory([y], latents=noise, steps=only_t, scale=scale)
    alpha_bar = np.prod(1 - np.linspace(1.0e-4, 0.02, 1000)[: t + 1])
    eps = golden["net/cond_legacy/out"][row, :3]
    x_0 = np.sqrt(1 / alpha_bar) * noise[0] - np.sqrt(1 / alpha_bar - 1) * eps
    guidance = scale * (1 - alpha_bar) * golden["classifier/attention/grad"][row]
    np.testing.assert_allclose(image[0], x_0.clip(-1, 1) + guidance, rtol=1.0e-4, atol=1.0e-3)
    assert abs(guidance).max() > (0.1 if t == 977 else 0)
