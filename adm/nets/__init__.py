"""Networks: the UNet, the noisy classifier, a small GAN, and the format of released checkpoints."""

from adm.nets.classifier import Classifier
from adm.nets.presets import PRESETS
from adm.nets.release import export_released, to_released
from adm.nets.unet import UNet

__all__ = ["PRESETS", "Classifier", "UNet", "export_released", "to_released"]
