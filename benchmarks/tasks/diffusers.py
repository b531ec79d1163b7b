"""The ten tasks by diffusers: a pipeline where it has one, else the loop of its guide to models and schedulers."""

import torch
from diffusers import (
    DDIMInverseScheduler,
    DDIMScheduler,
    DDPMPipeline,
    DPMSolverMultistepScheduler,
    RePaintPipeline,
    RePaintScheduler,
)
from diffusers.utils.torch_utils import randn_tensor

BY_HAND = {"guide_by_a_classifier", "guide_classifier_free", "guide_by_a_function"}


@torch.no_grad()
def draw_a_class(pipe, label, shape):
    """Image i has seed i. No pipeline of pixels takes classes."""
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(25)
    x = randn_tensor((16, *shape), generator=[torch.Generator().manual_seed(i) for i in range(16)])
    for t in scheduler.timesteps:
        output = pipe.unet(x, t, class_labels=torch.full((16,), label)).sample
        x = scheduler.step(output, t, x).prev_sample
    return (x / 2 + 0.5).clamp(0, 1)


@torch.no_grad()
def draw_one_again(pipe, label, shape):
    """Image 5 of `draw_a_class`, alone."""
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(25)
    x = randn_tensor((1, *shape), generator=[torch.Generator().manual_seed(5)])
    for t in scheduler.timesteps:
        output = pipe.unet(x, t, class_labels=torch.full((1,), label)).sample
        x = scheduler.step(output, t, x).prev_sample
    return (x / 2 + 0.5).clamp(0, 1)


def solve_in_ten_steps(pipe):
    """DPM-Solver++(2M)."""
    solver = DDPMPipeline(pipe.unet, DPMSolverMultistepScheduler.from_config(pipe.scheduler.config))
    return solver(batch_size=16, num_inference_steps=10, output_type="np").images


@torch.no_grad()
def guide_by_a_classifier(pipe, classifier, label, shape):
    """`classifier` is a network of x_t and t that returns logits."""
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(25)
    x = torch.randn(16, *shape)
    for t in scheduler.timesteps:
        output = pipe.unet(x, t, class_labels=torch.full((16,), label)).sample
        with torch.enable_grad():
            x_t = x.detach().requires_grad_()
            log_p = classifier(x_t, t.expand(16)).log_softmax(-1)[:, label]
            slope = torch.autograd.grad(log_p.sum(), x_t)[0]
        output = output - (1 - scheduler.alphas_cumprod[t]) ** 0.5 * 2 * slope
        x = scheduler.step(output, t, x, use_clipped_model_output=True).prev_sample
    return (x / 2 + 0.5).clamp(0, 1)


@torch.no_grad()
def guide_classifier_free(pipe, label, nothing, shape):
    """A scale of 3 where 200 <= t <= 800; `ClassifierFreeGuidance`, which is experimental, takes two lines more."""
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(25)
    x = torch.randn(16, *shape)
    for t in scheduler.timesteps:
        output = pipe.unet(x, t, class_labels=torch.full((16,), label)).sample
        if 200 <= t <= 800:
            free = pipe.unet(x, t, class_labels=torch.full((16,), nothing)).sample
            output = free + 3 * (output - free)
        x = scheduler.step(output, t, x).prev_sample
    return (x / 2 + 0.5).clamp(0, 1)


def guide_by_a_function(pipe, measured, measure, shape):
    """Images of a measurement, as the course of diffusers guides: x is moved along the gradient before each step."""
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(25)
    x = torch.randn(len(measured), *shape)
    for t in scheduler.timesteps:
        x = x.detach().requires_grad_()
        output = pipe.unet(x, t).sample
        x_0 = scheduler.step(output, t, x).pred_original_sample
        error = 2 * measured - 1 - measure(x_0)
        slope = torch.autograd.grad(error.square().sum(), x)[0]
        x = scheduler.step(output.detach(), t, x.detach() - slope).prev_sample
    return (x / 2 + 0.5).clamp(0, 1)


@torch.no_grad()
def edit(pipe, images):
    """SDEdit from the middle of the process; the pipelines that edit are of latents and texts."""
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(25)
    timesteps = scheduler.timesteps[scheduler.timesteps < 500]
    x = scheduler.add_noise(2 * images - 1, torch.randn_like(images), timesteps[:1])
    for t in timesteps:
        x = scheduler.step(pipe.unet(x, t).sample, t, x).prev_sample
    return (x / 2 + 0.5).clamp(0, 1)


def inpaint(pipe, images, mask):
    """RePaint; its mask is 1 where images are kept."""
    repaint = RePaintPipeline(pipe.unet, RePaintScheduler.from_config(pipe.scheduler.config))
    kept = (~mask).float().expand_as(images)
    return repaint(2 * images - 1, kept, num_inference_steps=25, output_type="np").images


@torch.no_grad()
def encode_and_decode(pipe, images):
    """DDIM there and back."""
    inverse = DDIMInverseScheduler.from_config(pipe.scheduler.config)
    there_and_back = inverse, DDIMScheduler.from_config(pipe.scheduler.config)
    x = 2 * images - 1
    for scheduler in there_and_back:
        scheduler.set_timesteps(25)
        for t in scheduler.timesteps:
            x = scheduler.step(pipe.unet(x, t).sample, t, x).prev_sample
    return (x / 2 + 0.5).clamp(0, 1)
