"""Training of a GAN: alternating updates of discriminator and generator with the hinge loss; and its cost."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from adm.config.models import Gan
from adm.data.batches import Batches
from adm.determinism import generator
from adm.nets.cost import counted
from adm.nets.gan import Discriminator, Generator
from adm.training.updates import descend, warmed_up

DISCRIMINATOR, GENERATOR = 2, 3
"""Random streams of a GAN's training; `adm.data.batches` uses 0 and 1."""

BETAS = (0.0, 0.99)
"""Decay rates of Adam's first and second moments."""


@dataclass(frozen=True)
class Networks:
    """The two players, and the result: a generator whose weights are averaged over training."""

    generator: Generator
    discriminator: Discriminator
    averaged: Generator


def initial_networks(gan: Gan, image_size: int, num_classes: int, image_channels: int = 3) -> Networks:
    """Build untrained networks; the GAN's seed decides their weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(gan.seed)
        images = image_size, num_classes, image_channels
        players = Generator(gan, *images), Discriminator(gan, *images)
        averaged = Generator(gan, *images)
    averaged.load_state_dict(players[0].state_dict())
    return Networks(*players, averaged.eval().requires_grad_(False))


def train_gan(gan: Gan, networks: Networks, num_classes: int, batches: Batches) -> Iterator[dict[str, float]]:
    """Train in place for `gan.iterations` updates of the generator, on data of so many classes.

    Yields:
        Both players' losses by name, after each iteration.

    Raises:
        NotFiniteError: A loss or a gradient is NaN or infinite.

    Source: Brock et al. (2018), Section 3.
    """
    rates = [gan.discriminator_rate, gan.generator_rate]
    optimizers = [
        torch.optim.Adam(player.parameters(), rate, betas=BETAS, fused=True)
        for player, rate in zip((networks.discriminator, networks.generator), rates, strict=True)
    ]

    def generated(step: int, stream: int) -> tuple[Tensor, Tensor]:
        draws = generator(gan.seed, step, stream)
        z = torch.randn(gan.batch_size, gan.latent, generator=draws)
        y = torch.randint(num_classes, (gan.batch_size,), generator=draws)
        return networks.generator(z, y), y

    def discriminator_loss(step: int) -> Tensor:
        x, y = batches.at(step)
        with torch.no_grad():
            fake, labels = generated(step, DISCRIMINATOR)
        # One pass for real and generated images, because each pass advances the spectral norms' power iterations.
        judged = networks.discriminator(torch.cat([x, fake]), torch.cat([y, labels]))
        real, made = judged.split([len(x), len(fake)])
        return F.relu(1 - real).mean() + F.relu(1 + made).mean()

    def generator_loss(step: int) -> Tensor:
        networks.discriminator.requires_grad_(False)
        fake, labels = generated(step, GENERATOR)
        loss: Tensor = -networks.discriminator(fake, labels).mean()
        networks.discriminator.requires_grad_(True)
        return loss

    for iteration in range(gan.iterations):
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * (1 - iteration / gan.iterations)
        for update in range(gan.discriminator_steps):
            judged = discriminator_loss(iteration * gan.discriminator_steps + update)
            descend(optimizers[0], judged, networks.discriminator, f"iteration {iteration}: discriminator_loss")
        fooled = generator_loss(iteration)
        descend(optimizers[1], fooled, networks.generator, f"iteration {iteration}: generator_loss")
        ema_rate = warmed_up(gan.ema_rate, iteration)
        with torch.no_grad():
            torch._foreach_lerp_(
                list(networks.averaged.parameters()), list(networks.generator.parameters()), 1 - ema_rate
            )
        yield {"discriminator_loss": float(judged.detach()), "generator_loss": float(fooled.detach())}


def training_flops(gan: Gan, image_size: int, num_classes: int, image_channels: int) -> int:
    """Count the operations of all updates, without weights."""
    with torch.device("meta"):
        players = [player(gan, image_size, num_classes, image_channels) for player in (Generator, Discriminator)]
        z, y = torch.empty(1, gan.latent), torch.empty(1, dtype=torch.int64)
        x = torch.empty(1, image_channels, image_size, image_size)
    making, judging = counted(players[0], z=z, y=y).flops, counted(players[1], x=x, y=y).flops
    # A backward pass costs two forward passes, and one through a discriminator whose weights need no gradient.
    of_generator = 3 * making + 2 * judging
    return gan.iterations * gan.batch_size * (gan.discriminator_steps * (making + 2 * 3 * judging) + of_generator)
