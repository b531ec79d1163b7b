"""Export of networks to diffusers: the configuration and weights of its UNet2DModel and DDPMScheduler.

Only the names and the layout that diffusers reads are here; it need not be installed.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adm.artifacts.writing import new_files, write_json
from adm.config.models import AnyModel, ClassifierModel, ProcessParams
from adm.config.networks import UNetParams, UpsamplerParams
from adm.errors import UserError
from adm.nets.weights import output_channels, write_tensors

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

FIXED = {
    "time_embedding.first": "time_embedding.linear_1",
    "time_embedding.second": "time_embedding.linear_2",
    "class_embedding": "class_embedding",
    "encoder.blocks.0.convolution": "conv_in",
    "encoder.middle.residual_in": "mid_block.resnets.0",
    "encoder.middle.attention": "mid_block.attentions.0",
    "encoder.middle.residual_out": "mid_block.resnets.1",
    "output.0": "conv_norm_out",
    "output.2": "conv_out",
}
"""Modules that every network has, by our names."""


def export_diffusers(out: Path, weights: Mapping[str, Tensor], model: AnyModel) -> None:
    """Write a folder that `UNet2DModel.from_pretrained` and `DDPMScheduler.from_pretrained` load.

    The network of an upsampler takes the noisy image and the low-resolution one, stretched bilinearly, as 2C channels.
    Other files in the folder stay; `weights` are the network's state dict, under our names.

    Raises:
        UserError: UNet2DModel cannot express the network; says why.
    """
    if reason := inexpressible(model):
        raise UserError(f"{out}: cannot be written for diffusers: {reason}")
    assert not isinstance(model, ClassifierModel)
    with new_files(*(out / name for name in FILES)) as (config, tensors, scheduler):
        write_json(config, unet_config(model.network, output_channels(model)))
        write_tensors(tensors, renamed(weights, model.network), {"format": "pt"})
        write_json(scheduler, scheduler_config(model.noise))


def inexpressible(model: AnyModel) -> str | None:
    """Say why UNet2DModel cannot express a network; None if it can."""
    network = model.network
    if isinstance(model, ClassifierModel):
        return "it is a classifier, and UNet2DModel is none"
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
    if model.noise.variance == "beta":
        return "variance is 'beta', and DDPMScheduler's has another first value"
    return None


def unet_config(network: UNetParams, out_channels: int) -> dict[str, Any]:
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
        "variance_type": "fixed_small" if noise.variance == "beta_tilde" else "learned_range",
        "prediction_type": PREDICTION_TYPES[noise.predicts],
        "clip_sample": True,
        "clip_sample_range": 1.0,
        "timestep_spacing": "linspace",
    }


def renamed(weights: Mapping[str, Tensor], network: UNetParams) -> dict[str, Tensor]:
    """Return the tensors of a network by the names of UNet2DModel."""
    modules = FIXED | dict(_modules(network))
    tensors: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        module, kind = name.rsplit(".", 1)
        if module in modules:
            tensors[f"{modules[module]}.{kind}"] = tensor
            continue
        block, layer = module.rsplit(".", 1)
        if layer == "qkv":
            for part, split in zip("qkv", _split(tensor, network), strict=True):
                tensors[f"{modules[block]}.to_{part}.{kind}"] = split
        elif layer == "projection":
            tensors[f"{modules[block]}.to_out.0.{kind}"] = tensor.squeeze(-1)
        else:
            tensors[f"{modules[block]}.{'group_norm' if layer == 'norm' else RESIDUAL[layer]}.{kind}"] = tensor
    return tensors


def _modules(network: UNetParams) -> Iterator[tuple[str, str]]:
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


def _split(packed: Tensor, network: UNetParams) -> tuple[Tensor, ...]:
    """Return queries, keys and values of a packed projection's weight (3C, C, 1) or bias (3C,): (C, C) or (C,) each."""
    channels = len(packed) // 3
    heads = network.heads or channels // (network.head_channels or channels)
    legacy = network.attention_order == "legacy"
    grouped = packed.reshape(*((heads, 3) if legacy else (3, heads)), channels // heads, *packed.shape[1:2])
    return tuple(part.flatten(0, 1) for part in torch.unbind(grouped, 1 if legacy else 0))
