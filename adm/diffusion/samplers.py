"""Samplers: ancestral DDPM (Algorithm 1), DDIM (Algorithm 2), and DDIM reversed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from adm.diffusion.process import Clipping, ClippingOrder, Denoiser, Diffusion, Prediction, clipped

Gradient = Callable[[Tensor, Tensor], Tensor]
"""s grad_x log p(y | x) of (x: (B, C, H, W), original timesteps: (B,)); returns (B, C, H, W)."""

Slope = Callable[[Tensor, Tensor, Tensor], Tensor]
"""grad_x sum_c w_c log p(c | x) of (x, original timesteps, classes (B,) int64 or their weights w (B, num_classes))."""

Noise = Callable[[], Tensor]
"""Draws the standard normal (B, C, H, W) of one transition."""


def classifier_gradient(slope: Slope, y: Tensor, scale: float) -> Gradient:
    """Build s grad_x log p(y | x).

    Args:
        slope: The slope of log p of a noisy classifier; see `slope_of`.
        y: (B,) int64 classes, or weights w of classes, (B, num_classes) float32.
        scale: The gradient scale s.

    Source: Algorithms 1 and 2.
    """
    return lambda x, timesteps: scale * slope(x, timesteps, y)


def slope_of(classifier: Callable[[Tensor, Tensor], Tensor]) -> Slope:
    """Build grad_x log p(y | x) from a classifier of (x, timesteps) that returns logits, (B, num_classes) float32.

    While an image's gradient runs back through the classifier, it has a factor that makes its residual at the logits,
    w - p sum_c w_c, about 2^10. So a classifier that computes in float16 does not underflow, however sure it is. The
    factor is a power of two, which changes no bit of a gradient in float32.

    Source: Algorithms 1 and 2; Appendix H for weights of classes.
    """
    return partial(_slope, classifier)


def _slope(classifier: Callable[[Tensor, Tensor], Tensor], x: Tensor, timesteps: Tensor, y: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        log_p = classifier(x, timesteps).log_softmax(dim=-1)
        weights = y if y.is_floating_point() else one_hot(y, log_p.shape[1]).to(log_p)
        factor = _factor(log_p.detach(), weights)
        (gradient,) = torch.autograd.grad((factor * weights * log_p).sum(), x)
    return gradient / factor.view(-1, *[1] * (x.ndim - 1))


def _factor(log_p: Tensor, weights: Tensor) -> Tensor:
    """Choose the factors of images, (B, 1), from their log probabilities and weights of classes, (B, num_classes)."""
    residual = weights - weights.sum(dim=1, keepdim=True) * log_p.exp()
    # A residual of zero, as with one class, has a gradient of zero under any factor.
    size = residual.abs().amax(dim=1, keepdim=True).clamp(min=2.0**-100)
    # float16 holds 64 times as much as 2^10, and 2^-34 of it.
    return 2.0**10 * torch.exp2(-torch.frexp(size).exponent.to(size))


@dataclass(frozen=True)
class Sampler:
    """The common part of samplers, each a step from x_t, (B, C, H, W), to x_{t-1} of a process.

    Args:
        diffusion: The process, respaced to the sampler's steps.
        denoiser: The network.
        gradient: s g of the classifier; None for no guidance.
        noise_temperature: tau, on the noise of each transition that has some.
        epsilon_temperature: tau, dividing eps.
        clipping: Of the predicted x_0.
    """

    diffusion: Diffusion
    denoiser: Denoiser
    gradient: Gradient | None = None
    noise_temperature: float = 1.0
    epsilon_temperature: float = 1.0
    clipping: Clipping = "static"

    def __call__(self, x_t: Tensor, step: int, noise: Noise) -> Tensor:
        """Step from x_t to x_{t-1}."""
        raise NotImplementedError


@dataclass(frozen=True)
class DDPM(Sampler):
    """x_{t-1} ~ N(mu + s Sigma g, tau^2 Sigma), where g is the classifier's gradient.

    It is taken at x_t, as in the authors' code; the derivation asks for mu, with the timestep of x_{t-1}.

    Source: Algorithm 1, equations 48-56; Appendix I.
    """

    def __call__(self, x_t: Tensor, step: int, noise: Noise) -> Tensor:
        """Step from x_t to x_{t-1}."""
        p = predict(self.diffusion, self.denoiser, x_t, step, self.epsilon_temperature, self.clipping)
        mean = p.mean
        if self.gradient is not None:
            mean = mean + p.variance * self.gradient(x_t, self.diffusion.seen_at(step, x_t))
        if step == 0:
            return mean
        return mean + self.noise_temperature * torch.exp(0.5 * p.log_variance) * noise()


@dataclass(frozen=True)
class Shifted(Sampler):
    """The common part of samplers whose noise prediction is shifted by the classifier.

    Args:
        clipping_order: Whether x_0 is clipped "before" guidance, as in the authors' code of DDIM, or "after" it.
    """

    clipping_order: ClippingOrder = "before"

    def predicted(self, diffusion: Diffusion, x_t: Tensor, step: int) -> Prediction:
        """Predict at a step of the process or of the whole one: eps^ = eps - sqrt(1 - alpha_bar_t) s g.

        Source: Algorithm 2, equation 60.
        """
        clips_after = self.gradient is not None and self.clipping_order == "after"
        clipping = "none" if clips_after else self.clipping
        p = predict(diffusion, self.denoiser, x_t, step, self.epsilon_temperature, clipping)
        if self.gradient is None:
            return p
        g = self.gradient(x_t, diffusion.seen_at(step, x_t))
        eps = p.eps - diffusion.at("sqrt_one_minus_alpha_bar", step, x_t) * g
        x_0 = diffusion.x_0_from_eps(x_t, step, eps)
        if clips_after:
            x_0 = clipped(x_0, self.clipping)
            eps = diffusion.eps_from_x_0(x_t, step, x_0)
        return replace(p, eps=eps, x_0=x_0)


@dataclass(frozen=True)
class DDIM(Shifted):
    """DDIM: x_{t-1} from the predicted x_0 and eps.

    Args:
        eta: 0 is deterministic, 1 has the variance beta~_t of ancestral sampling.

    Source: Algorithm 2; Song et al. (2021), equations 12 and 16; Appendix I.
    """

    eta: float = 0.0

    def __call__(self, x_t: Tensor, step: int, noise: Noise) -> Tensor:
        """Step from x_t to x_{t-1}."""
        p = self.predicted(self.diffusion, x_t, step)
        alpha_bar = self.diffusion.at("alpha_bar", step, x_t)
        previous = self.diffusion.at("alpha_bar_previous", step, x_t)
        sigma = self.eta * ((1 - previous) / (1 - alpha_bar)).sqrt() * (1 - alpha_bar / previous).sqrt()
        mean = previous.sqrt() * p.x_0 + (1 - previous - sigma**2).sqrt() * p.eps
        if step == 0 or self.eta == 0:
            return mean
        return mean + self.noise_temperature * sigma * noise()


def no_noise() -> Tensor:
    """Refuse to draw: the noise of a sampler that needs none."""
    raise RuntimeError("this sampler draws noise; give it a source")


@torch.no_grad()
def sample(step: Sampler, x_T: Tensor, noise: Noise = no_noise, num_steps: int | None = None) -> Iterator[Tensor]:
    """Denoise x_T step by step.

    Args:
        step: The sampler.
        x_T: (B, C, H, W) standard normal.
        noise: The source of the transitions' noise.
        num_steps: How many steps to take; x_T is then what the last so many begin with. None takes all.

    Yields:
        x_{t-1} for t = T-1 .. 0; the last one is the image, nominally in [-1, 1].
    """
    x_t = x_T
    for t in reversed(range(step.diffusion.num_timesteps if num_steps is None else num_steps)):
        x_t = step(x_t, t, noise)
        yield x_t


def last(trajectory: Iterable[Tensor]) -> Tensor:
    """Return the last x of a trajectory; earlier ones are freed on the way."""
    (x,) = deque(trajectory, maxlen=1)
    return x


@torch.no_grad()
def encode(diffusion: Diffusion, denoiser: Denoiser, x_0: Tensor, num_steps: int | None = None) -> Tensor:
    """Run the ODE of DDIM from an image to its latent, by default over all steps but the last, which reconstructs best.

    Source: Appendix H.
    """
    x_t = x_0
    for t in range(diffusion.num_timesteps - 1 if num_steps is None else num_steps):
        p = predict(diffusion, denoiser, x_t, t)
        following = diffusion.at("alpha_bar_next", t, x_t)
        x_t = following.sqrt() * p.x_0 + (1 - following).sqrt() * p.eps
    return x_t


def predict(
    diffusion: Diffusion,
    denoiser: Denoiser,
    x_t: Tensor,
    step: int,
    epsilon_temperature: float = 1.0,
    clipping: Clipping = "static",
) -> Prediction:
    """Compute p(x_{t-1} | x_t) at one step for the whole batch, with x_0 clipped."""
    output = denoiser(x_t, diffusion.seen_at(step, x_t))
    return diffusion.p_mean_variance(output, x_t, step, clipping, epsilon_temperature)
