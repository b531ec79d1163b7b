"""A training step and unguided sampling against diffusers: its network, its example's step, its pipeline's loop."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.nn import functional as F

from adm.config.models import Precision
from adm.nets.forward import DTYPES
from adm.nets.weights import build, output_channels
from adm.params.models import DiffusionModelParams
from adm.sampling.guided import block_sampler, block_trajectories
from adm.training.loop import train_step
from adm.training.state import TrainingState
from adm.training.tasks import build_task
from benchmarks.cases import cases
from benchmarks.clock import Timing, paired

NOISE = {"beta_schedule": "squaredcos_cap_v2", "variance_type": "fixed_large"}
"""The process of `Case.simple_model`."""


def unet(model: DiffusionModelParams) -> UNet2DModel:
    """The network of diffusers with the layers of ours."""
    params = model.network
    attends = [side in params.attention_resolutions for side in params.resolutions]
    return UNet2DModel(
        sample_size=params.image_size,
        in_channels=params.image_channels,
        out_channels=output_channels(model),
        block_out_channels=params.level_channels,
        layers_per_block=params.depth,
        down_block_types=["AttnDownBlock2D" if here else "ResnetDownsampleBlock2D" for here in attends],
        up_block_types=["AttnUpBlock2D" if here else "ResnetUpsampleBlock2D" for here in reversed(attends)],
        downsample_type="resnet",
        upsample_type="resnet",
        attention_head_dim=params.head_channels,
        norm_num_groups=params.groups,
        attn_norm_num_groups=params.groups,
        resnet_time_scale_shift="scale_shift",
        num_class_embeds=params.num_classes,
    )


class ExampleTraining:
    """The step of diffusers' example of unconditional generation, on labelled images: L_simple, AdamW, EMA.

    Source: examples/unconditional_image_generation/train_unconditional.py of diffusers.
    """

    def __init__(self, network: UNet2DModel, precision: Precision) -> None:
        self.network, self.precision = network.train(), precision
        self.process = DDPMScheduler(**NOISE)
        parameters = list(network.parameters())
        self.optimizer = torch.optim.AdamW(parameters, lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)
        self.average = EMAModel(parameters, decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)

    def step(self, x_0: Tensor, y: Tensor) -> None:
        """Make one update on a batch: x_0 (B, C, H, W) float32 in [-1, 1], y (B,) int64."""
        loss = self.loss(x_0, y, torch.randint(0, 1000, (len(x_0),)), torch.randn_like(x_0))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.step(self.network.parameters())
        loss.item()

    def loss(self, x_0: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """L_simple of a batch, a scalar; half precision is torch's autocast, as in the example."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision != "float32"):
            predicted = self.network(self.process.add_noise(x_0, eps, t), t, class_labels=y).sample
        return F.mse_loss(predicted.float(), eps)


@torch.no_grad()
def pipeline_sampling(network: UNet2DModel, x_T: Tensor, y: Tensor, steps: int) -> Tensor:
    """The loop of diffusers' DDPMPipeline, given labels: (B, C, H, W) in [0, 1], of the precision of the network."""
    process = DDPMScheduler(**NOISE)
    process.set_timesteps(steps)
    x = x_T.to(network.dtype)
    for t in process.timesteps:
        x = process.step(network(x, t, class_labels=y).sample, t, x).prev_sample
    return (x / 2 + 0.5).clamp(0, 1)


def rows(smallest: bool) -> Iterator[Timing]:
    """Two rows a case and precision."""
    for base in cases(smallest):
        for precision in ("float32", "bfloat16"):
            case = replace(base, precision=precision)
            torch.manual_seed(0)
            params, network, theirs = case.simple_model, build(case.simple_model), unet(case.simple_model)
            batch = case.batch_of_data()
            rival = f"diffusers, {size(theirs):,} parameters; ours {size(network):,}"

            state = TrainingState(network, build_task(params), params.training)
            step, example = partial(train_step, state, params.training, *batch), ExampleTraining(theirs, precision)
            yield paired(f"training step, {case}", rival, step, partial(example.step, *batch), case.repeats)

            sampled = block_sampler(
                block_trajectories(case.run, params, network.eval().requires_grad_(False), None, 10)
            )
            theirs = theirs.eval().requires_grad_(False).to(DTYPES.get(precision, torch.float32))
            x_T = torch.randn_like(batch[0])
            loop = partial(pipeline_sampling, theirs, x_T, batch[1], case.steps)
            what = f"unguided sampling, {case.steps} steps, {case}"
            yield paired(what, rival, partial(sampled, 0), loop, case.repeats)


def size(network: nn.Module) -> int:
    """The number of parameters of a network."""
    return sum(parameter.numel() for parameter in network.parameters())
