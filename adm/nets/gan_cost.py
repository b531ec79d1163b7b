"""The cost of training a GAN, counted without weights."""

import torch

from adm.config.models import Gan
from adm.nets.cost import counted
from adm.nets.gan import Discriminator, Generator


def gan_training_flops(gan: Gan, image_size: int, num_classes: int, image_channels: int) -> int:
    """Count the operations of all updates of a GAN's players, as `adm.training.gan.train_gan` makes them."""
    with torch.device("meta"):
        players = [player(gan, image_size, num_classes, image_channels) for player in (Generator, Discriminator)]
        z, y = torch.empty(1, gan.latent), torch.empty(1, dtype=torch.int64)
        x = torch.empty(1, image_channels, image_size, image_size)
    making, judging = counted(players[0], z=z, y=y).flops, counted(players[1], x=x, y=y).flops
    # A backward pass costs two forward passes, and one through a discriminator whose weights need no gradient.
    of_discriminator = making + 2 * 3 * judging
    of_generator = 3 * making + 2 * judging
    return gan.iterations * gan.batch_size * (gan.discriminator_steps * of_discriminator + of_generator)
