"""The fifteen released networks, by name (Tables 11-13 and the flags published with the checkpoints)."""

from typing import Any

from pydantic import TypeAdapter

from adm.config.models import AnyModel
from adm.config.networks import ClassifierParams, UNetParams, UpsamplerParams
from adm.errors import UserError, accepted
from adm.nets.weights import NetworkParams

COSINE = ("imagenet64", "classifier_imagenet64")
"""The presets that were trained with the cosine schedule; all others were with the linear one. Source: Table 11."""

_CHANNEL_MULTIPLIER = {
    64: [1.0, 2.0, 3.0, 4.0],
    128: [1.0, 1.0, 2.0, 3.0, 4.0],
    256: [1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
    512: [0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
}
"""Width of each level, by image size; only the upsampler to 512 deviates (Table 13, footnote)."""

_CHANNELS = {UNetParams: 256, UpsamplerParams: 192, ClassifierParams: 128}


def _of(section: type[NetworkParams], image_size: int, **changes: Any) -> NetworkParams:
    """Return the section that the released networks of a kind and a size share, updated with the fields of one."""
    shared: dict[str, Any] = {
        "image_size": image_size,
        "channels": _CHANNELS[section],
        "channel_multiplier": _CHANNEL_MULTIPLIER[image_size],
        "depth": 2,
        "attention_resolutions": [32, 16, 8],
        "num_classes": 1000,
    }
    if "heads" not in changes:
        shared["head_channels"] = 64
    return section(**shared | changes)


PRESETS: dict[str, NetworkParams] = {
    "imagenet64": _of(UNetParams, 64, channels=192, depth=3, attention_order="new", dropout=0.1),
    "imagenet128": _of(UNetParams, 128, heads=4),
    "imagenet256": _of(UNetParams, 256),
    "imagenet256_unconditional": _of(UNetParams, 256, num_classes=None),
    "imagenet512": _of(UNetParams, 512),
    **{f"lsun_{kind}": _of(UNetParams, 256, num_classes=None, dropout=0.1) for kind in ("bedroom", "cat", "horse")},
    "lsun_horse_nodropout": _of(UNetParams, 256, num_classes=None),
    "upsampler_64_256": _of(UpsamplerParams, 256, low_resolution=64, heads=4),
    "upsampler_128_512": _of(
        UpsamplerParams,
        512,
        low_resolution=128,
        channel_multiplier=_CHANNEL_MULTIPLIER[256],
        attention_resolutions=[32, 16],
    ),
    "classifier_imagenet64": _of(ClassifierParams, 64, depth=4),
    **{f"classifier_imagenet{image_size}": _of(ClassifierParams, image_size) for image_size in (128, 256, 512)},
}
"""The released networks by name.

Source: Table 11 (diffusion models), Table 12 (classifiers), Table 13 (upsamplers). Only its published flags tell the
attention order of the ImageNet 64x64 model.
"""


def preset_model(preset: str) -> AnyModel:
    """Describe a released network as a section, with the noise that it was trained on, but nothing of its training.

    Raises:
        UserError: There is no such preset; names the nearest ones.
    """
    if preset not in PRESETS:
        raise UserError(f"preset {preset!r}: is unknown; {accepted(PRESETS, preset)}")
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
