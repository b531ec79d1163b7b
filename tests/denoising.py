"""What several tests sample with: noise that is counted, a denoiser of no distribution, and samplers by their names."""

from importlib import import_module

import torch

from adm.config.samplers import SAMPLERS


class Draws:
    """Standard normals of a shape, counted."""

    def __init__(self, shape, seed=0, dtype=torch.float32):
        self.generator, self.shape, self.dtype, self.count = torch.Generator().manual_seed(seed), shape, dtype, 0

    def __call__(self):
        self.count += 1
        return torch.randn(self.shape, generator=self.generator, dtype=self.dtype)


def wavy(x, timesteps):
    """A smooth denoiser of no distribution, which predicts images far outside [-1, 1]."""
    return torch.tanh(0.7 * x + 0.1 * torch.sin(timesteps.double() / 50).view(-1, 1, 1, 1)).to(x.dtype)


def sampler_of(name, *given, **more):
    """Make a sampler of the registry."""
    module, kind = SAMPLERS[name].made_by.split(":")
    return getattr(import_module(module), kind)(*given, **more)
