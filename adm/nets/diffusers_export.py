"""Export of networks to diffusers: the configuration and weights of its UNet2DModel and schedulers, and of a pipeline.

Only the names and the layout that diffusers reads are here; it need not be installed.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adm.artifacts.writing import new_files, write_json
from adm.config.models import AnyModel, ClassifierModel, ProcessParams
from adm.config.networks import UpsamplerParams
from adm.config.sampling import Sampling
from adm.config.schedules import LARGEST_SIGMA
from adm.errors import UserError
from adm.nets.opening import LoadedNetwork
from adm.nets.weights import NetworkParams, output_channels, write_tensors

FILES = ("config.json", "diffusion_pytorch_model.safetensors", "scheduler_config.json")
"""Files that diffusers looks for in a folder."""

RESIDUAL = {
    "norm_in": "norm1",
    "convolution_in": "conv1",
    "embedding": "time_emb_proj",
    "norm_out": "norm2",
    "convolution_out": "conv2",
    "skip": "conv_shortcut",
}
"""Layers of a residual block, by our names."""

PREDICTION_TYPES = {"eps": "epsilon", "v": "v_prediction", "x_0": "sample"}
"""Diffusers' names of what a network predicts, by our names."""

VARIANCE_TYPES = {"beta_tilde": "fixed_small", "beta": "fixed_large", "learned_range": "learned_range"}
"""Diffusers' names of variances, by our names; the first of "beta", which no sampler draws, is another one there."""

ORDERS = {"ddim": 1, "dpm_solver_pp": 2}
"""The order of the DPM-Solver++ that a sampler of ours is; DDIM is that of order 1, with or without noise."""

GUIDED = ("gradient_scale", "cfg_scale", "guidance_interval", "clipping", "clipping_order")
"""Fields of a run that the pipeline goes by."""

FIXED = {
    "time_embedding.first": "time_embedding.linear_1",
    "time_embedding.second": "time_embedding.linear_2",
    "class_embedding": "class_embedding",
    "encoder.blocks.0.convolution": "conv_in",
    "encoder.middle.residual_in": "mid_block.resnets.0",
    "encoder.middle.attention": "mid_block.attentions.0",
    "encoder.middle.residual_out": "mid_block.resnets.1",
    "output.0": "conv_norm_out",
    "output.2": "conv_out",  # a classifier's pooling, too
}
"""Modules that every network has, by our names."""


def export_diffusers(out: Path, weights: Mapping[str, Tensor], model: AnyModel) -> None:
    """Write a folder that `UNet2DModel.from_pretrained` and `DDPMScheduler.from_pretrained` load.

    The network of an upsampler takes the noisy image and the low-resolution one, stretched bilinearly, as 2C channels.
    That of a model with `label_dropout` has one more class, the last, which is none. Other files in the folder stay;
    `weights` are the network's state dict, under our names.

    Raises:
        UserError: UNet2DModel cannot express the network; says why.
    """
    if isinstance(model, ClassifierModel):
        raise UserError(f"{out}: cannot be written for diffusers: it is a classifier, and UNet2DModel is none")
    if reason := inexpressible(model.network):
        raise UserError(f"{out}: cannot be written for diffusers: {reason}")
    with new_files(*(out / name for name in FILES)) as (config, tensors, scheduler):
        _write_network(config, tensors, weights, model)
        write_json(scheduler, scheduler_config(model.noise))


def write_pipeline(
    folder: Path, code: Mapping[str, str], opened: LoadedNetwork, classifier: LoadedNetwork | None, run: Sampling
) -> None:
    """Write what `DiffusionPipeline.from_pretrained` loads, which samples as a run does if nothing else is said.

    Args:
        folder: A new one, for which nothing need be atomic; other files in it stay.
        code: The texts of `pipeline.py` and `classifier.py`, by these names.
        opened: The diffusion model.
        classifier: What guides it; None if no classifier does.
        run: How it is sampled.

    Raises:
        UserError: Diffusers cannot express a network, or its pipeline a field of the run; says why. Nothing is written.
    """
    networks = {"unet": opened, **({"classifier": classifier} if classifier else {})}
    reasons = [*(inexpressible(one.model.network) for one in networks.values()), *_unsampled(run, bool(classifier))]
    if reason := next(filter(None, reasons), None):
        raise UserError(reason)
    noise, index = opened.model.noise, folder / "model_index.json"
    assert isinstance(noise, ProcessParams)
    sampling = run.model_dump(include={*GUIDED})
    sampling |= {"timesteps": noise.visited(run.steps)[::-1], "predicts": noise.predicts}
    sampling |= {"num_classes": opened.model.network.num_classes or 1, "class_names": opened.class_names}
    if classifier and opened.model.network.num_classes is None:
        sampling |= {"num_classes": classifier.model.network.num_classes, "class_names": classifier.class_names}
    for name, one in networks.items():
        (folder / name).mkdir()
        config, tensors = (folder / name / file for file in FILES[:2])
        _write_network(config, tensors, one.network.state_dict(), one.model)
    (folder / "scheduler").mkdir()
    scheduler = scheduler_config(noise, run)
    write_json(folder / "scheduler" / FILES[2], scheduler)
    (folder / "pipeline.py").write_text(code["pipeline.py"], encoding="utf-8")
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", scheduler["_class_name"]]}
    if classifier:
        (folder / "classifier" / "classifier.py").write_text(code["classifier.py"], encoding="utf-8")
        parts["classifier"] = ["classifier", "NoisyClassifier"]
    write_json(index, {"_class_name": ["pipeline", "GuidedPipeline"], **parts, "sampling": sampling})


def _write_network(config: Path, tensors: Path, weights: Mapping[str, Tensor], model: AnyModel) -> None:
    told, named = unet_config(model.network, output_channels(model)), renamed(weights, model.network)
    if isinstance(model, ClassifierModel):
        told |= {"_class_name": "NoisyClassifier", "num_class_embeds": None}
    elif model.training.label_dropout:
        told["num_class_embeds"] += 1
        table = named["class_embedding.weight"]
        named["class_embedding.weight"] = torch.cat([table, torch.zeros_like(table[:1])])
    write_json(config, told)
    write_tensors(tensors, named, {"format": "pt"})


def _unsampled(run: Sampling, by_classifier: bool) -> list[str]:
    fixed = {"noise_temperature": 1, "epsilon_temperature": 1, "guide": None}
    fixed |= {"cfg_scale": None} if by_classifier else {}
    others = {name: getattr(run, name) for name, value in fixed.items() if getattr(run, name) != value}
    others |= {} if run.sampler in ("ddpm", *ORDERS) else {"sampler": run.sampler}
    others |= {} if run.eta in (0, 1) else {"eta": run.eta}
    return [f"the pipeline has no {name} {value!r}" for name, value in others.items()]


def inexpressible(network: NetworkParams) -> str | None:
    """Say why UNet2DModel cannot express a network, or the classifier that is its encoder; None if it can."""
    if network.channel_multiplier[0] != 1:
        return (
            f"channel_multiplier begins with {network.channel_multiplier[0]:g}; UNet2DModel's timestep embedding is as "
            "wide as its first level"
        )
    if network.heads is not None and len(widths := sorted({*network.attended_channels})) > 1:
        listed = ", ".join(map(str, widths))
        return f"heads is {network.heads} at widths {listed}; UNet2DModel's heads are of one width everywhere"
    if network.resampling != "biggan" or network.residual_rescaling:
        return "UNet2DModel has neither plain resampling nor rescaled residuals as ours, but BigGAN's resampling alone"
    return None


def unet_config(network: NetworkParams, out_channels: int) -> dict[str, Any]:
    """Return the configuration of the UNet2DModel that computes the same."""
    attends = [side in network.attention_resolutions for side in network.resolutions]
    width = network.head_channels or network.attended_channels[0] // (network.heads or 1)
    return {
        "_class_name": "UNet2DModel",
        "sample_size": network.image_size,
        "in_channels": network.image_channels * (2 if isinstance(network, UpsamplerParams) else 1),
        "out_channels": out_channels,
        "block_out_channels": network.level_channels,
        "layers_per_block": network.depth,
        "down_block_types": ["AttnDownBlock2D" if a else "ResnetDownsampleBlock2D" for a in attends],
        "up_block_types": ["AttnUpBlock2D" if a else "ResnetUpsampleBlock2D" for a in reversed(attends)],
        "downsample_type": "resnet",
        "upsample_type": "resnet",
        "dropout": network.dropout,
        "attention_head_dim": width,
        "attn_norm_num_groups": network.groups,
        "norm_num_groups": network.groups,
        "norm_eps": 1.0e-5,
        "resnet_time_scale_shift": "scale_shift" if network.conditioning == "adagn" else "default",
        "num_class_embeds": network.num_classes,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
    }


def scheduler_config(noise: ProcessParams, run: Sampling | None = None) -> dict[str, Any]:
    """Configure the DDPMScheduler that samples as our DDPM, over all timesteps or evenly spaced ones.

    With a run it is the scheduler that steps as the run does from x_0, which was guided and clipped before.
    """
    schedule: dict[str, Any] = {"beta_schedule": "squaredcos_cap_v2"}
    if noise.schedule == "linear":
        scale = 1000 / noise.timesteps
        schedule = {"beta_schedule": "linear", "beta_start": scale * 1.0e-4, "beta_end": scale * 0.02}
    schedule |= {"num_train_timesteps": noise.timesteps, "timestep_spacing": "linspace"}
    if run and run.sampler in ORDERS:
        return {
            "_class_name": "DPMSolverMultistepScheduler",
            **schedule,
            "algorithm_type": "sde-dpmsolver++" if run.eta else "dpmsolver++",
            "solver_order": ORDERS[run.sampler],
            "prediction_type": "sample",
            "final_sigmas_type": "zero",
            "lambda_min_clipped": -math.log(LARGEST_SIGMA),
        }
    return {
        "_class_name": "DDPMScheduler",
        **schedule,
        "variance_type": VARIANCE_TYPES[noise.variance],
        "prediction_type": "sample" if run else PREDICTION_TYPES[noise.predicts],
        "clip_sample": run is None,
        "clip_sample_range": 1.0,
    }


def renamed(weights: Mapping[str, Tensor], network: NetworkParams) -> dict[str, Tensor]:
    """Return the tensors of a network by the names of UNet2DModel."""
    modules = FIXED | dict(_modules(network))
    tensors: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        module, kind = name.rsplit(".", 1)
        if module in modules:
            tensors[f"{modules[module]}.{kind}"] = tensor
            continue
        block, layer = module.rsplit(".", 1)
        if block == "output.2":
            tensors[f"conv_out.{layer}.{kind}"] = tensor.squeeze(-1)
        elif layer == "qkv":
            for part, split in zip("qkv", _split(tensor, network), strict=True):
                tensors[f"{modules[block]}.to_{part}.{kind}"] = split
        elif layer == "projection":
            tensors[f"{modules[block]}.to_out.0.{kind}"] = tensor.squeeze(-1)
        else:
            tensors[f"{modules[block]}.{'group_norm' if layer == 'norm' else RESIDUAL[layer]}.{kind}"] = tensor
    return tensors


def _modules(network: NetworkParams) -> Iterator[tuple[str, str]]:
    """List the blocks of the encoder and the decoder, and some that a network may lack, by our names."""
    places = product(range(len(network.level_channels)), range(network.depth + 1))
    for number, (level, index) in enumerate(places):
        down = "downsamplers.0" if index == network.depth else f"resnets.{index}"
        yield f"encoder.blocks.{number + 1}.residual", f"down_blocks.{level}.{down}"
        yield f"encoder.blocks.{number + 1}.attention", f"down_blocks.{level}.attentions.{index}"
        yield f"decoder.blocks.{number}.residual", f"up_blocks.{level}.resnets.{index}"
        yield f"decoder.blocks.{number}.attention", f"up_blocks.{level}.attentions.{index}"
        yield f"decoder.blocks.{number}.upsampling", f"up_blocks.{level}.upsamplers.0"


def _split(packed: Tensor, network: NetworkParams) -> tuple[Tensor, ...]:
    """Return queries, keys and values of a packed projection's weight (3C, C, 1) or bias (3C,): (C, C) or (C,) each."""
    channels = len(packed) // 3
    heads = network.heads or channels // (network.head_channels or channels)
    legacy = network.attention_order == "legacy"
    grouped = packed.reshape(*((heads, 3) if legacy else (3, heads)), channels // heads, *packed.shape[1:2])
    return tuple(part.flatten(0, 1) for part in torch.unbind(grouped, 1 if legacy else 0))
