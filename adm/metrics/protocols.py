"""How tools that compute FID prepare images for the network of 2015; its weights are the same in all of them.

What else differs between tools, such as how images are read from files, is for who calls them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from adm.metrics.small_extractor import CENTRE, Prepare, scaled


def interpolated(images: Tensor, side: int) -> Tensor:
    """Prepare images as pytorch-fid does: bilinear between centres of pixels, without antialiasing, to [-1, 1].

    Source: Seitzer (2020), pytorch-fid 0.3.0.
    """
    levels = images.permute(0, 3, 1, 2).float() / 255
    return 2 * F.interpolate(levels, (side, side), mode="bilinear", align_corners=False) - 1


def antialiased(images: Tensor, side: int) -> Tensor:
    """Prepare images as clean-fid does: bicubic with antialiasing by Pillow, in float32, to [-1, 1).

    Source: Parmar et al. (2022), clean-fid 0.1.35.
    """
    levels = images.float().permute(0, 3, 1, 2).cpu().numpy()
    resized = np.empty((*levels.shape[:2], side, side), np.float32)
    for place in np.ndindex(*levels.shape[:2]):
        resized[place] = np.asarray(Image.fromarray(levels[place]).resize((side, side), Image.Resampling.BICUBIC))
    return ((torch.from_numpy(resized).clamp(0, 255) - CENTRE) / CENTRE).to(images.device)


@dataclass(frozen=True)
class Protocol:
    """What a tool does before the network.

    Attributes:
        resize: In words.
        prepare: Turns images (N, H, W, 3) in [0, 255] into what the network sees, (N, 3, side, side) float32.
        stored: Whether the statistics that reference batches hold are of such images.
    """

    resize: str
    prepare: Prepare
    stored: bool = False


EVALUATOR: Final = "evaluator"
"""The protocol of the paper, of all scores of the pipeline."""

PROTOCOLS = {
    EVALUATOR: Protocol("as TensorFlow 1 does inside the graph", scaled, stored=True),
    "torch-fidelity": Protocol("as TensorFlow 1 does inside the graph", scaled, stored=True),
    "pytorch-fid": Protocol("bilinear, without antialiasing", interpolated),
    "clean-fid": Protocol("bicubic, with antialiasing", antialiased),
}
"""By the name of the tool."""
