"""Networks: the UNet, the upsampler, the noisy classifier, a small GAN, and the format of released checkpoints."""

from adm.nets.classifier import Classifier
from adm.nets.export import export_released
from adm.nets.presets import PRESETS
from adm.nets.release import load_released, read_released_weights
from adm.nets.release_names import from_released, released_name, to_released
from adm.nets.unet import UNet, Upsampler

__all__ = [
    "PRESETS",
    "Classifier",
    "UNet",
    "Upsampler",
    "export_released",
    "from_released",
    "load_released",
    "read_released_weights",
    "released_name",
    "to_released",
]
