"""A small classifier whose features replace Inception's for tiny images.

Its layers have the names of the 2015 graph, so evaluation reads the graph that `freeze` writes just like the real one.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

CONVOLUTIONS = ("conv", "conv_1", "conv_2", "mixed_6/conv", "mixed_7/conv")
"""The convolutions in order; each is 3x3 with zero padding, followed by a ReLU."""

POOLED = ("conv_1", "conv_2")
"""Convolutions with 2x2 max-pooling after them; `mixed_6/conv` therefore sees a quarter of the side."""

SPATIAL = "mixed_6/conv"
CENTRE = 128.0
"""Pixels 0-255 are normalised as (x - CENTRE) / CENTRE, as in the 2015 graph."""


@dataclass(frozen=True, eq=False)
class Activations:
    """The features of the network.

    Attributes:
        spatial: (N, side / 4, side / 4, 2 width) float32, >= 0: the output of `mixed_6/conv`.
        pool: (N, num_features) float32, >= 0: the global average of the last feature map.
    """

    spatial: torch.Tensor
    pool: torch.Tensor


class ExtractorNetwork(nn.Module):
    """A five-layer convolutional classifier of RGB images of any size.

    Args:
        num_classes: >= 2.
        side: images are first resized to side x side; a positive multiple of four.
        width: channels of the first two layers, >= 4; the next two have twice as many.
        num_features: channels of the last layer and of the pooled features, >= 1.
        generator: draws the initial weights; without one, torch's global generator does.

    Raises:
        ValueError: an argument is out of its range.

    Source: Appendix J; the layer names are those of Szegedy et al. 2015 as released.
    """

    def __init__(
        self,
        num_classes: int,
        side: int = 16,
        width: int = 16,
        num_features: int = 64,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if num_classes < 2 or num_features < 1:
            raise ValueError(f"{num_classes} classes and {num_features} features, expected at least 2 and 1")
        if side < 4 or side % 4:
            raise ValueError(f"side is {side}, expected a positive multiple of 4")
        if width < 4:
            raise ValueError(f"width is {width}, expected at least 4 (the spatial features are 7 channels)")
        self.side = side
        channels = (3, width, width, 2 * width, 2 * width, num_features)
        # Made without storage first, because layers initialise themselves from the global generator.
        self.convolutions = nn.ModuleDict(
            {
                name: nn.Conv2d(channels[i], channels[i + 1], kernel_size=3, padding=1, device="meta")
                for i, name in enumerate(CONVOLUTIONS)
            }
        )
        self.logits = nn.Linear(num_features, num_classes, device="meta")
        self.to_empty(device="cpu")
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=generator)
            else:
                nn.init.zeros_(parameter)

    def activations(self, images: torch.Tensor) -> Activations:
        """Compute the spatial and the pooled features.

        Args:
            images: (N, H, W, 3) float32 or uint8, in [0, 255].

        Returns:
            Both feature arrays.

        Raises:
            ValueError: wrong shape.
        """
        if images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"images have shape {tuple(images.shape)}, expected (N, H, W, 3)")
        resized = legacy_resize_bilinear(images.float(), self.side)
        x = ((resized - CENTRE) / CENTRE).permute(0, 3, 1, 2)
        spatial = x
        for name, convolution in self.convolutions.items():
            x = F.relu(convolution(x))
            if name in POOLED:
                x = F.max_pool2d(x, 2)
            if name == SPATIAL:
                spatial = x.permute(0, 2, 3, 1)
        return Activations(spatial=spatial, pool=x.mean(dim=(2, 3)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Classify images.

        Args:
            images: (N, H, W, 3) float32 or uint8, in [0, 255].

        Returns:
            (N, num_classes) float32 logits, with the bias.

        Raises:
            ValueError: wrong shape.
        """
        logits: torch.Tensor = self.logits(self.activations(images).pool)
        return logits


def legacy_resize_bilinear(images: torch.Tensor, side: int) -> torch.Tensor:
    """Resize as TensorFlow 1 did: corners are not aligned, and pixels are sampled at their corners, not their centres.

    No option of torch's own interpolation gives this grid, and features clearly depend on it.

    Args:
        images: (N, H, W, C) float32.
        side: height and width to resize to, >= 1.

    Returns:
        (N, side, side, C) float32; each value lies between the pixels around it.

    Source: Appendix J (the resizing inside the Inception graph); Parmar et al. 2022 on its effect.
    """
    top, bottom, down = _grid(images.shape[1], side, images.device)
    left, right, across = _grid(images.shape[2], side, images.device)
    across = across[:, None]
    # TensorFlow's order of operations, and so its rounding: across first, then down, each as a step from one corner.
    columns = images[:, :, left] + (images[:, :, right] - images[:, :, left]) * across
    return columns[:, top] + (columns[:, bottom] - columns[:, top]) * down[:, None, None]


def _grid(length: int, side: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return for each output the pixel before it, the pixel after it, and its distance from the first."""
    scale = torch.tensor(length, dtype=torch.float32, device=device) / side
    position = torch.arange(side, dtype=torch.float32, device=device) * scale
    before = position.floor().long().clamp(max=length - 1)
    after = (before + 1).clamp(max=length - 1)
    return before, after, position - before
