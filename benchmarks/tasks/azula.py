"""The ten tasks by azula, as its documentation writes them; images, in [0, 1], are mapped to [-1, 1] and back."""

import torch
from azula.denoise import Denoiser, DiracPosterior
from azula.guidance.cfg import CFGDenoiser
from azula.guidance.mmps import MMPSDenoiser
from azula.guidance.repaint import RePaintSampler
from azula.linalg.covariance import IsotropicCovariance
from azula.sample import DDIMSampler, xEABSampler

BY_HAND = {"guide_by_a_classifier"}


def draw_a_class(denoiser, label, shape):
    """One seed for all images."""
    torch.manual_seed(0)
    sampler = DDIMSampler(denoiser, steps=25)
    x_0 = sampler(sampler.init((16, *shape)), label=torch.full((16,), label))
    return (x_0.clamp(-1, 1) + 1) / 2


def draw_one_again(denoiser, label, shape):
    """The noise of all sixteen is drawn again."""
    torch.manual_seed(0)
    sampler = DDIMSampler(denoiser, steps=25)
    x_0 = sampler(sampler.init((16, *shape))[5:6], label=torch.full((1,), label))
    return (x_0.clamp(-1, 1) + 1) / 2


def solve_in_ten_steps(denoiser, shape):
    """Its generalisation of DPM-Solver++."""
    sampler = xEABSampler(denoiser, steps=10)
    x_0 = sampler(sampler.init((16, *shape)))
    return (x_0.clamp(-1, 1) + 1) / 2


def guide_by_a_classifier(denoiser, classifier, label, shape):
    """`classifier` is a function of x_t and t in [0, 1] that returns logits."""

    class Guided(Denoiser):
        schedule = denoiser.schedule

        def forward(self, x_t, t, **kwargs):
            alpha_t, sigma_t = self.schedule(t)
            with torch.enable_grad():
                x_t = x_t.detach().requires_grad_()
                log_p = classifier(x_t, t).log_softmax(-1)[:, label]
                slope = torch.autograd.grad(log_p.sum(), x_t)[0]
            return DiracPosterior(denoiser(x_t, t, **kwargs).mean + 2 * sigma_t**2 / alpha_t * slope)

    sampler = DDIMSampler(Guided(), steps=25)
    x_0 = sampler(sampler.init((16, *shape)), label=torch.full((16,), label))
    return (x_0.clamp(-1, 1) + 1) / 2


def guide_classifier_free(denoiser, label, nothing, shape):
    """Three samplers, one after the other; its scale of 2 is what others call 3."""
    classes = {"label": torch.full((16,), label)}, {"label": torch.full((16,), nothing)}
    before = DDIMSampler(denoiser, start=1.0, stop=0.8, steps=5)
    within = DDIMSampler(CFGDenoiser(denoiser), start=0.8, stop=0.2, steps=15)
    after = DDIMSampler(denoiser, start=0.2, stop=0.0, steps=5)
    x_t = before(before.init((16, *shape)), **classes[0])
    x_0 = after(within(x_t, positive=classes[0], negative=classes[1], guidance=2.0), **classes[0])
    return (x_0.clamp(-1, 1) + 1) / 2


def guide_by_a_function(denoiser, measured, measure, shape):
    """Images of a measurement by moment matching, which reads (N, D)."""
    y, A = (2 * measured - 1).flatten(1), lambda x: measure(x).flatten(1)
    sampler = DDIMSampler(MMPSDenoiser(denoiser, y, A, IsotropicCovariance(1e-2)), steps=25)
    x_0 = sampler(sampler.init((len(y), *shape)))
    return (x_0.clamp(-1, 1) + 1) / 2


def edit(denoiser, images):
    """SDEdit from the middle of the process."""
    sampler = DDIMSampler(denoiser, start=0.5, steps=12)
    x_0 = sampler(sampler.init(images.shape, mean=2 * images - 1, var=0.0))
    return (x_0.clamp(-1, 1) + 1) / 2


def inpaint(denoiser, images, mask):
    """RePaint; its mask is True where images are kept."""
    sampler = RePaintSampler(denoiser, 2 * images - 1, ~mask, iterations=10, steps=25)
    x_0 = sampler(sampler.init(images.shape))
    return (x_0.clamp(-1, 1) + 1) / 2


def encode_and_decode(denoiser, images):
    """DDIM there and back."""
    latents = DDIMSampler(denoiser, start=0.0, stop=1.0, steps=25)(2 * images - 1)
    x_0 = DDIMSampler(denoiser, steps=25)(latents)
    return (x_0.clamp(-1, 1) + 1) / 2
