"""The fifteen released networks, by name (Tables 11-13 and the flags published with the checkpoints)."""

from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter

from adm.config.models import AnyModel
from adm.config.networks import ClassifierParams, UNetParams, UpsamplerParams
from adm.errors import UserError

COSINE = ("imagenet64", "classifier_imagenet64")
"""The presets that were trained with the cosine schedule; all others were with the linear one. Source: Table 11."""

_CHANNEL_MULTIPLIER = {
    64: [1.0, 2.0, 3.0, 4.0],
    128: [1.0, 1.0, 2.0, 3.0, 4.0],
    256: [1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
    512: [0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
}
"""Width of each level, by image size; only the upsampler to 512 deviates (Table 13, footnote)."""


def _network(image_size: int, **changes: Any) -> dict[str, Any]:
    """Return the fields that the released networks of a size share, updated with those of one network."""
    shared: dict[str, Any] = {
        "image_size": image_size,
        "channel_multiplier": _CHANNEL_MULTIPLIER[image_size],
        "depth": 2,
        "attention_resolutions": [32, 16, 8],
        "num_classes": 1000,
    }
    if "heads" not in changes:
        shared["head_channels"] = 64
    return shared | changes


def _unet(image_size: int, **changes: Any) -> UNetParams:
    return UNetParams(**_network(image_size, **{"channels": 256} | changes))


def _upsampler(low_resolution: int, image_size: int, **changes: Any) -> UpsamplerParams:
    return UpsamplerParams(**_network(image_size, channels=192, low_resolution=low_resolution, **changes))


def _classifier(image_size: int, **changes: Any) -> ClassifierParams:
    return ClassifierParams(**_network(image_size, channels=128, **changes))


PRESETS: dict[str, UNetParams | UpsamplerParams | ClassifierParams] = {
    "imagenet64": _unet(64, channels=192, depth=3, attention_order="new", dropout=0.1),
    "imagenet128": _unet(128, heads=4),
    "imagenet256": _unet(256),
    "imagenet256_unconditional": _unet(256, num_classes=None),
    "imagenet512": _unet(512),
    **{f"lsun_{category}": _unet(256, num_classes=None, dropout=0.1) for category in ("bedroom", "cat", "horse")},
    "lsun_horse_nodropout": _unet(256, num_classes=None),
    "upsampler_64_256": _upsampler(64, 256, heads=4),
    "upsampler_128_512": _upsampler(
        128, 512, channel_multiplier=_CHANNEL_MULTIPLIER[256], attention_resolutions=[32, 16]
    ),
    "classifier_imagenet64": _classifier(64, depth=4),
    **{f"classifier_imagenet{image_size}": _classifier(image_size) for image_size in (128, 256, 512)},
}
"""The released networks by name.

Source: Table 11 (diffusion models), Table 12 (classifiers), Table 13 (upsamplers). Only its published flags tell the
attention order of the ImageNet 64x64 model.
"""


def preset_model(preset: str) -> AnyModel:
    """Describe a released network as a section, with the noise that it was trained on, but nothing of its training.

    Raises:
        UserError: There is no such preset; names those that exist.
    """
    if preset not in PRESETS:
        (nearest,) = get_close_matches(preset, PRESETS, n=1, cutoff=0.0)
        raise UserError(f"preset {preset!r}: is unknown; there are {', '.join(PRESETS)}; nearest is {nearest}")
    kinds = {UNetParams: "diffusion", UpsamplerParams: "upsampler", ClassifierParams: "classifier"}
    model: AnyModel = TypeAdapter(AnyModel).validate_python(
        {
            "kind": kinds[type(PRESETS[preset])],
            "network": PRESETS[preset],
            "noise": {"schedule": "cosine" if preset in COSINE else "linear"},
            "training": {"batch_size": 1},  # A section must tell of training; of this one nothing is trained.
        }
    )
    return model
