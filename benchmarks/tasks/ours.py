"""The ten tasks by this package. Images are given as an owner has them, in [0, 1]; they come back as uint8."""

import torch

import adm
from adm.diffusion.samplers import DDIM, last, sample

BY_HAND = {"guide_by_a_function"}


def draw_a_class(model, label):
    """Image i has seed i."""
    return model.sample([label] * 16, steps="ddim25", seed=0)


def draw_one_again(model, label):
    """Image 5 of `draw_a_class`, alone."""
    return model.sample([label], steps="ddim25", seed=5)


def solve_in_ten_steps(model):
    """DPM-Solver++(2M)."""
    return adm.DPMSolverPP(model, steps=10).sample(num=16)


def guide_by_a_classifier(model, classifier, label):
    """`classifier` is the file of a noisy one, as `adm.load` takes."""
    return adm.DDIM(model, guidance=adm.Classifier(classifier, scale=2.0)).sample([label] * 16)


def guide_classifier_free(model, label):
    """A scale of 3 where 0.2 <= t / T <= 0.8."""
    return adm.DDIM(model, guidance=adm.ClassifierFree(3.0, interval=(0.2, 0.8))).sample([label] * 16)


def guide_by_a_function(model, measured, measure):
    """Images of a measurement: the gradient of its squared error at x_0, which is clipped after it is shifted."""

    def gradient(x_t, t):
        with torch.enable_grad():
            x_t = x_t.detach().requires_grad_()
            error = 2 * measured - 1 - measure(model.denoise(x_t, int(t[0])))
            return -torch.autograd.grad(10 * error.square().sum(), x_t)[0]

    step = DDIM(model.process(25), model.denoiser(num=len(measured)), gradient, clipping_order="after")
    x_0 = last(sample(step, torch.randn(len(measured), *model.image_shape)))
    return (x_0.clamp(-1, 1) + 1) / 2


def edit(model, images):
    """SDEdit from the middle of the process."""
    return model.edit(images, 0.5, steps="ddim25")


def inpaint(model, images, mask):
    """RePaint; the mask is True where images are drawn anew."""
    return model.inpaint(images, mask, steps=25)


def encode_and_decode(model, images):
    """DDIM there and back."""
    latents = model.encode(images, steps="ddim25")
    return model.decode(latents, steps="ddim25")


def fid(samples, loader, graph):
    """Samples against the images of a DataLoader; `graph` is there for tests, whose images are small."""
    return adm.fid(samples, loader, graph)
