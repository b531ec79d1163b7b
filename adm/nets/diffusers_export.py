"""Export of networks to diffusers: the configuration and weights of its UNet2DModel and schedulers, and of a pipeline.

Only the names and the layout that diffusers reads are here; it need not be installed.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adm.artifacts.writing import new_file, new_files, write_json
from adm.config.models import AnyModel, ClassifierModel, DiffusionModel, ProcessParams
from adm.config.networks import ClassifierParams, UNetParams, UpsamplerParams
from adm.config.respacing import LARGEST_SIGMA
from adm.config.sampling import GuidedSampling
from adm.errors import UserError
from adm.nets.opening import LoadedNetwork
from adm.nets.weights import output_channels, write_tensors

Network = UNetParams | ClassifierParams

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
    if reason := inexpressible(model):
        raise UserError(f"{out}: cannot be written for diffusers: {reason}")
    assert not isinstance(model, ClassifierModel)
    with new_files(*(out / name for name in FILES)) as (config, tensors, scheduler):
        _write_network(config, tensors, weights, model)
        write_json(scheduler, scheduler_config(model.noise))


def export_pipeline(
    out: Path, code: Mapping[str, str], opened: LoadedNetwork, classifier: LoadedNetwork | None, run: GuidedSampling
) -> None:
    """Write what `DiffusionPipeline.from_pretrained` loads, which samples as a run does if nothing else is said.

    Args:
        out: The folder; other files in it stay.
        code: The texts of `pipeline.py` and `classifier.py`, by these names.
        opened: The diffusion model.
        classifier: What guides it; None if no classifier does.
        run: How it is sampled.

    Raises:
        UserError: Diffusers cannot express a network, or a field of the run; says why. Nothing is written.
    """
    model, guiding = opened.model, classifier and classifier.model
    reason = inexpressible(model) or _unsampled(run, guiding is not None)
    if guiding and (other := _inexpressible(guiding.network)):
        reason = reason or f"of the classifier, {other}"
    if reason:
        raise UserError(f"{out}: cannot be written for diffusers: {reason}")
    assert isinstance(model, DiffusionModel)
    scheduler = run_scheduler_config(model.noise, run)
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", scheduler["_class_name"]]}
    names = opened.class_names or (classifier.class_names if classifier else None)
    counts = [each.network.num_classes for each in (model, guiding) if each is not None]
    sampling = {
        "timesteps": model.noise.visited(run.steps)[::-1],
        "predicts": model.noise.predicts,
        "guidance_scale": run.gradient_scale if classifier else run.cfg_scale or 1.0,
        "interval": run.guidance_interval,
        "clips": run.clipping == "static",
        "clips_after": run.clipping_order == "after",
        "num_classes": next(filter(None, counts), 1),
        "class_names": names and [*names],
    }
    with new_files(*(out / "unet" / name for name in FILES[:2])) as (config, tensors):
        _write_network(config, tensors, opened.network.state_dict(), model)
    if classifier is not None:
        parts["classifier"] = ["classifier", "NoisyClassifier"]
        with new_files(*(out / "classifier" / name for name in (*FILES[:2], "classifier.py"))) as (
            config,
            tensors,
            text,
        ):
            _write_network(config, tensors, classifier.network.state_dict(), classifier.model)
            text.write_text(code["classifier.py"], encoding="utf-8")
    with new_file(out / "scheduler" / FILES[2]) as path:
        write_json(path, scheduler)
    with new_files(out / "pipeline.py", out / "model_index.json") as (pipeline, index):
        pipeline.write_text(code["pipeline.py"], encoding="utf-8")
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


def _unsampled(run: GuidedSampling, by_classifier: bool) -> str | None:
    """Say why the pipeline cannot sample as a run does; None if it can."""
    fixed = {"noise_temperature": 1, "epsilon_temperature": 1, "gradient_at": "x_t", "guide": None}
    others = [f"{name} {getattr(run, name)!r}" for name, value in fixed.items() if getattr(run, name) != value]
    if run.sampler not in ("ddpm", *ORDERS):
        others.append(f"sampler {run.sampler!r}")
    if run.eta not in (0, 1):
        others.append(f"eta {run.eta:g}")
    if by_classifier and run.denoiser_scale is not None:
        others.append(f"cfg_scale {run.cfg_scale:g} beside a classifier")
    return f"its pipeline has no {others[0]}" if others else None


def inexpressible(model: AnyModel) -> str | None:
    """Say why UNet2DModel cannot express a network; None if it can."""
    if isinstance(model, ClassifierModel):
        return "it is a classifier, and UNet2DModel is none"
    return _inexpressible(model.network)


def _inexpressible(network: Network) -> str | None:
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


def unet_config(network: Network, out_channels: int) -> dict[str, Any]:
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


def scheduler_config(noise: ProcessParams) -> dict[str, Any]:
    """Configure the DDPMScheduler that samples as our DDPM, over all timesteps or evenly spaced ones."""
    schedule: dict[str, Any] = {"beta_schedule": "squaredcos_cap_v2"}
    if noise.schedule == "linear":
        scale = 1000 / noise.timesteps
        schedule = {"beta_schedule": "linear", "beta_start": scale * 1.0e-4, "beta_end": scale * 0.02}
    return {
        "_class_name": "DDPMScheduler",
        "num_train_timesteps": noise.timesteps,
        **schedule,
        "variance_type": VARIANCE_TYPES[noise.variance],
        "prediction_type": PREDICTION_TYPES[noise.predicts],
        "clip_sample": True,
        "clip_sample_range": 1.0,
        "timestep_spacing": "linspace",
    }


def run_scheduler_config(noise: ProcessParams, run: GuidedSampling) -> dict[str, Any]:
    """Configure the scheduler that steps as a run does, given x_0 that was guided and clipped before."""
    common = scheduler_config(noise) | {"prediction_type": "sample", "clip_sample": False}
    if run.sampler == "ddpm":
        return common
    names = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "prediction_type", "timestep_spacing")
    return {name: common[name] for name in names if name in common} | {
        "_class_name": "DPMSolverMultistepScheduler",
        "algorithm_type": "sde-dpmsolver++" if run.eta else "dpmsolver++",
        "solver_order": ORDERS[run.sampler],
        "final_sigmas_type": "zero",
        "lambda_min_clipped": -math.log(LARGEST_SIGMA),
    }


def renamed(weights: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
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


def _modules(network: Network) -> Iterator[tuple[str, str]]:
    """List the blocks of the encoder and the decoder, by our names, in order."""
    levels = range(len(network.level_channels))
    number = 1
    for level in levels:
        for index in range(network.depth):
            yield f"encoder.blocks.{number}.residual", f"down_blocks.{level}.resnets.{index}"
            yield f"encoder.blocks.{number}.attention", f"down_blocks.{level}.attentions.{index}"
            number += 1
        if level != levels[-1]:
            yield f"encoder.blocks.{number}.residual", f"down_blocks.{level}.downsamplers.0"
            number += 1
    number = 0
    for up, _ in enumerate(levels):
        for index in range(network.depth + 1):
            yield f"decoder.blocks.{number}.residual", f"up_blocks.{up}.resnets.{index}"
            yield f"decoder.blocks.{number}.attention", f"up_blocks.{up}.attentions.{index}"
            yield f"decoder.blocks.{number}.upsampling", f"up_blocks.{up}.upsamplers.0"
            number += 1


def _split(packed: Tensor, network: Network) -> tuple[Tensor, ...]:
    """Return queries, keys and values of a packed projection's weight (3C, C, 1) or bias (3C,): (C, C) or (C,) each."""
    channels = len(packed) // 3
    heads = network.heads or channels // (network.head_channels or channels)
    legacy = network.attention_order == "legacy"
    grouped = packed.reshape(*((heads, 3) if legacy else (3, heads)), channels // heads, *packed.shape[1:2])
    return tuple(part.flatten(0, 1) for part in torch.unbind(grouped, 1 if legacy else 0))
