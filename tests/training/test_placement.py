"""Training and sampling compute on the device that they are given; meta stands for a GPU, of which there is none."""

import pytest
import torch
from denoising import sampler_of
from placement import META, OnlyOn

from adm.config.samplers import SAMPLERS
from adm.data.batches import to_unit_range
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import classifier_gradient, last, sample, slope_of
from adm.nets.forward import Forward
from adm.nets.weights import build
from adm.training import loop
from adm.training.inputs import Noise
from adm.training.loop import Share
from adm.training.state import TrainingState
from adm.training.tasks import build_task


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("kind", ["diffusion", "upsampler", "classifier"])
def test_gradients_are_computed_on_the_device_of_the_network(tiny_model, kind, precision):
    model = tiny_model(kind, batch_size=4, precision=precision, attention_resolutions=[8], dropout=0.1)
    state = TrainingState(build(model), build_task(model, META), model.training, META)
    share = Share.of(model.training, loop.ALONE)
    pixels = torch.empty(4, 8, 8, 3, dtype=torch.uint8, device=META)
    t, eps = torch.empty(4, dtype=torch.int64, device=META), torch.empty(4, 3, 8, 8, device=META)
    with OnlyOn(META) as watched:
        x_0, y = to_unit_range(pixels), torch.empty(4, dtype=torch.int64, device=META)
        values = loop._gradients(state, model.training, x_0, y, Noise(t, eps), share)
    assert {tensor.device for tensor in values.values()} == {META}
    assert all(parameter.grad.device == META for parameter in state.network.parameters())
    assert watched.calls > 100


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_stays_on_the_device_of_its_networks(tiny_model, sampler):
    models = tiny_model(), tiny_model("classifier")
    denoiser, classifier = (Forward.frozen(build(model).to(META), "bfloat16") for model in models)
    diffusion = Diffusion.from_schedule("cosine", 50, "4")
    diffusion.to(META)
    y = torch.empty(2, dtype=torch.int64, device=META)
    gradient = classifier_gradient(slope_of(classifier), y, 2.0)
    step = sampler_of(sampler, diffusion, denoiser.conditioned(y), gradient)
    noise = torch.empty(2, 3, 8, 8, device=META)
    with OnlyOn(META) as watched:
        x_0 = last(sample(step, noise, lambda: noise))
    assert x_0.device == META
    assert x_0.shape == (2, 3, 8, 8)
    assert watched.calls > 100
