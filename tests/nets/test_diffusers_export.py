"""What is exported to diffusers is loaded by it, and computes and samples the same."""

import json

import numpy as np
import pytest
import torch
from making import make

from adm.api import Model
from adm.data.batches import to_uint8
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDPM, last
from adm.diffusion.samplers import sample as denoise
from adm.errors import UserError
from adm.nets.diffusers_export import (
    FILES,
    export_diffusers,
    inexpressible,
    renamed,
    unet_config,
    write_pipeline,
)
from adm.nets.opening import Card, LoadedNetwork
from adm.nets.presets import PRESETS, preset_model
from adm.nets.weights import model_network
from adm.stages import init
from adm.tools.hub import TEMPLATES

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: see requirements-rivals.lock")

NETWORKS = {
    "legacy": {"attention_order": "legacy"},
    "new": {"attention_order": "new", "depth": 1, "schedule": "linear"},
    "unconditional": {"num_classes": None, "attention_resolutions": [4], "image_channels": 1},
    "heads of one width": {"heads": 2, "head_channels": None, "attention_resolutions": [4, 2]},
    "addition": {"conditioning": "addition", "groups": 8, "attention_resolutions": []},
    "fixed variance": {"variance": "beta_tilde", "objective": "simple"},
    "the other fixed variance": {"variance": "beta", "objective": "simple"},
    "upsampler": {"kind": "upsampler"},
    "v": {"predicts": "v"},
    "x_0": {"predicts": "x_0"},
}
COMMON = {"channels": 32, "channel_multiplier": [1, 2, 2], "depth": 2, "attention_resolutions": [8, 4, 2]}
HEADS = {"heads": None, "head_channels": 16}
TOLERANCE = 1.0e-4


@pytest.fixture
def exported(tiny_model, randomised, tmp_path):
    def pair(name):
        model = tiny_model(**(COMMON | HEADS | NETWORKS[name]))
        network = randomised(model).eval().requires_grad_(False)
        export_diffusers(tmp_path / "out", network.state_dict(), model)
        theirs = diffusers.UNet2DModel.from_pretrained(tmp_path / "out").eval().requires_grad_(False)
        return model, network, theirs, diffusers.DDPMScheduler.from_pretrained(tmp_path / "out")

    return pair


def inputs_of(model, count=3):
    draws = torch.Generator().manual_seed(0)
    channels, side = model.network.image_channels, model.network.image_size
    x = torch.randn(count, channels, side, side, generator=draws)
    y = None if model.network.num_classes is None else torch.arange(count) % model.network.num_classes
    low = None
    if model.kind == "upsampler":
        low = torch.randn(count, channels, model.network.low_resolution, model.network.low_resolution, generator=draws)
    return x, y, low


def pair_of_calls(network, theirs, y, low):
    """Both networks as functions of x and t."""
    given = {} if low is None else {"low_resolution": low}

    def rival(x, t):
        if low is not None:
            stretched = torch.nn.functional.interpolate(low, x.shape[2:], mode="bilinear", align_corners=False)
            x = torch.cat([x, stretched], dim=1)
        return theirs(x, t, class_labels=y).sample

    return lambda x, t: network(x, t, y, **given), rival


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_the_same(name, exported, tmp_path):
    model, network, theirs, _ = exported(name)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    x, y, low = inputs_of(model)
    ours, rival = pair_of_calls(network, theirs, y, low)
    t = torch.tensor([0, 7, 49])
    torch.testing.assert_close(rival(x, t), ours(x, t), rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("legacy", "50"),
        *((name, "10") for name in ("new", "fixed variance", "the other fixed variance", "upsampler", "v", "x_0")),
    ],
)
def test_trajectories_are_the_same(name, steps, exported):
    model, network, theirs, scheduler = exported(name)
    x, y, low = inputs_of(model, count=2)
    ours, rival = pair_of_calls(network, theirs, y, low)
    noise = model.noise
    diffusion = Diffusion.of(noise, steps)
    scheduler.set_timesteps(int(steps))
    assert scheduler.timesteps.tolist() == diffusion.timesteps.tolist()[::-1]
    draws = torch.Generator().manual_seed(1)
    expected = denoise(DDPM(diffusion, ours), x, lambda: torch.randn(x.shape, generator=draws))
    # Diffusers keeps its tables in float32, which the coefficients of a fixed variance show.
    tolerance = TOLERANCE if noise.variance == "learned_range" else 5 * TOLERANCE
    again, x_t = torch.Generator().manual_seed(1), x
    for t, wanted in zip(scheduler.timesteps, expected, strict=True):
        x_t = scheduler.step(rival(x_t, t), t, x_t, generator=again).prev_sample
        torch.testing.assert_close(x_t, wanted, rtol=tolerance, atol=tolerance)


PIPELINES = {
    "by itself": ({"label_dropout": 0.1}, None, {"sampler": "dpm_solver_pp", "steps": "logsnr8", "cfg_scale": 3.0}),
    "by itself, learned variance": ({"label_dropout": 0.1}, None, {"steps": "10", "cfg_scale": 2.0}),
    "Algorithm 1": ({}, {}, {"steps": "10", "scale": 2.0}),
    "Algorithm 1, fixed": ({"variance": "beta", "objective": "simple"}, {}, {"steps": "10", "scale": 2.0}),
    "Algorithm 2": ({"predicts": "v"}, {}, {"sampler": "ddim", "steps": "ddim10", "scale": 2.0}),
    "clipped after": ({"predicts": "x_0"}, {}, {"sampler": "ddim", "scale": 2.0, "clipping_order": "after"}),
    "noise": ({}, {"attention_order": "new"}, {"sampler": "dpm_solver_pp", "steps": "rho8", "eta": 1, "scale": 2.0}),
    "in an interval": ({}, {}, {"sampler": "ddim", "steps": "10", "scale": 5.0, "guidance_interval": [0.2, 0.6]}),
    "without classes": ({"num_classes": None, "image_channels": 1}, {"image_channels": 1}, {"steps": "10"}),
    "unguided": ({}, None, {"sampler": "ddim", "steps": "10", "eta": 1, "clipping": "none"}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", PIPELINES)
def test_the_pipeline_makes_the_same_images(case, tiny_model, randomised, tmp_path, monkeypatch):
    monkeypatch.setattr(diffusers.utils.dynamic_modules_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    changes, guide, how = PIPELINES[case]

    def opened(kind, changes):
        model = tiny_model(kind, **(COMMON | HEADS | changes))
        return LoadedNetwork(tmp_path, randomised(model).eval().requires_grad_(False), model, Card(model=model))

    model = Model(opened("diffusion", changes), None if guide is None else opened("classifier", guide), "float32")
    classes = [1, 0] if model.num_classes else None
    sampling = model.sampling(classes, 2, seed=5, **{"steps": "10", **how})
    code = {name: (TEMPLATES / f"{name}.txt").read_text() for name in ("pipeline.py", "classifier.py")}
    (tmp_path / "pub").mkdir()
    write_pipeline(tmp_path / "pub", code, model.opened, model.classifier, sampling.run)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(tmp_path / "pub", trust_remote_code=True)
    pipeline.set_progress_bar_config(disable=True)
    found = pipeline(classes, 2, seed=5, output_type="pt").images
    wanted = (last(sampling.trajectory(0)[1]) / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-3)
    pixels = np.stack([np.asarray(image.convert("RGB")) for image in pipeline(classes, 2, seed=5).images])
    assert np.abs(pixels.astype(int) - to_uint8(wanted * 2 - 1)).max() <= 1


CANNOT = {
    "imagenet128": "heads is 4 at widths 512, 768, 1024",
    "imagenet512": "channel_multiplier begins with 0.5",
    "upsampler_64_256": "heads is 4 at widths 384, 768",
}


@pytest.mark.parametrize("preset", [name for name in PRESETS if not name.startswith("classifier")])
def test_every_preset_that_can_be_expressed_is(preset):
    model = preset_model(preset)
    reason = inexpressible(model.network)
    if preset in CANNOT:
        assert reason.startswith(CANNOT[preset])
        return
    assert reason is None
    with torch.device("meta"):
        theirs = diffusers.UNet2DModel.from_config(json.loads(json.dumps(unet_config(model.network, 6))))
    found = renamed(model_network(preset_model(preset)).state_dict(), model.network)
    assert {name: tensor.shape for name, tensor in found.items()} == {
        name: tensor.shape for name, tensor in theirs.state_dict().items()
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"residual_rescaling": True},
        {"resampling": "plain"},
        {"heads": 2, "head_channels": None},
        {"kind": "classifier"},
    ],
)
def test_what_cannot_be_expressed_is_refused(changes, tiny_model, tmp_path):
    model = tiny_model(**(COMMON | HEADS | {"channel_multiplier": [1, 2, 4]} | changes))
    with pytest.raises(UserError, match="cannot be written for diffusers"):
        export_diffusers(tmp_path / "out", {}, model)
    assert not (tmp_path / "out").exists()


def test_the_command_line_exports(adm, tiny_model, tmp_path):
    """The folder of a checkpoint and the file made of it alike."""
    make(init, tiny_model(), tmp_path / "checkpoint")
    sources = [tmp_path / name for name in ("checkpoint", "network.safetensors")]
    adm("export", *sources)
    for number, source in enumerate(sources):
        assert adm("export", source, tmp_path / f"out-{number}", "--format", "diffusers") == (0, "", "")
    assert "out-0: is there already" in adm("export", sources[0], tmp_path / "out-0", "--format", "diffusers")[2]
    networks = [diffusers.UNet2DModel.from_pretrained(tmp_path / f"out-{number}") for number in range(2)]
    assert [network.config.num_class_embeds for network in networks] == [2, 2]
    weights, others = (network.state_dict() for network in networks)
    assert len(weights) == len(others)
    assert all(torch.equal(weights[name], others[name]) for name in weights)
