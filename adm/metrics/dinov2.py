"""Features of DINOv2, with the preprocessing of dgm-eval."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from adm.metrics.graph_contract import Executor, Images, Outputs
from adm.metrics.torch_graph import full_precision, present
from adm.metrics.vision_transformer import VisionTransformer

NETWORKS = {"dinov2-vitl14": {"width": 1024, "depth": 24, "heads": 16, "patch": 14, "trained_side": 518}}
"""Published networks by name. Source: the code that Oquab et al. 2023 published."""

SIDE = 224
"""Side to which images are resized."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation of red, green and blue in [0, 1]."""


def empty_network(name: str) -> VisionTransformer:
    """A network of NETWORKS on the meta device: names and shapes without values."""
    with torch.device("meta"):
        return VisionTransformer(**NETWORKS[name])


def prepare(images: Images) -> Tensor:
    """Resize images and normalise their pixels.

    Pillow resizes: bicubic, antialiased where images shrink, rounded to whole values and clipped.

    Args:
        images: (N, H, W, 3) uint8.

    Returns:
        (N, 3, SIDE, SIDE) float32, about -2.1 to 2.7.

    Source: Stein et al. 2023, in the default of their code: torchvision's resizing of Pillow's images.
    """
    resized = [Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for image in images]
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in resized])).permute(0, 3, 1, 2)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return (pixels.float() / 255 - mean) / deviation


class Dinov2(Executor):
    """A network of NETWORKS, loaded once. It gives pooled features alone: its others are (N, 0).

    Args:
        path: The weights, a safetensors file.
        name: Of NETWORKS.
        threads: torch's threads on the CPU, >= 1; set for the whole process.
        device: a name for `torch.device` of a device that this machine has.

    Raises:
        ValueError: there is no such device, or the file does not fit the network.
        OSError: the file cannot be read.

    Source: Oquab et al. 2023; Stein et al. 2023 (the class token as features).
    """

    def __init__(self, path: Path, name: str, threads: int = 1, device: str = "cpu") -> None:
        super().__init__(path)
        torch.set_num_threads(threads)
        self._device = present(device)
        network = empty_network(name)
        try:
            network.load_state_dict(load_file(path), assign=True)
        except RuntimeError as error:
            raise ValueError(f"{path}: does not fit {name}") from error
        self._network = network.eval().requires_grad_(False).to(self._device)

    def _outputs(self, batch: Images) -> Outputs:
        with torch.inference_mode(), full_precision():
            pool: NDArray[np.float32] = self._network(prepare(batch).to(self._device)).cpu().numpy()
        nothing = np.empty((len(batch), 0), np.float32)
        return pool, nothing, nothing
