"""The networks whose outputs the reference implementation recorded: their flags there, and their sections here."""

import json
from pathlib import Path

from adm.config.networks import ClassifierParams, UNetParams, UpsamplerParams

ENTRIES = json.loads((Path(__file__).parent / "golden" / "reference.json").read_text())


def attention(config):
    """`num_head_channels`, where it is given, wins over `num_heads`, as it did in the released flags."""
    if config.get("num_head_channels", -1) > 0:
        return {"head_channels": config["num_head_channels"]}
    return {"heads": config["num_heads"]}


def common(config):
    return {
        "image_size": config.get("image_size") or config["large_size"],
        "channels": config["num_channels"],
        "channel_multiplier": [float(multiplier) for multiplier in config["channel_mult"].split(",")],
        "depth": config["num_res_blocks"],
        "attention_resolutions": [int(side) for side in config["attention_resolutions"].split(",")],
        "attention_order": "new" if config.get("use_new_attention_order") else "legacy",
        "dropout": config.get("dropout", 0.0),
        **attention(config),
    }


def section(entry):
    config = ENTRIES[entry]["config"]
    if entry.startswith("classifier"):
        return ClassifierParams(**common(config), num_classes=1000)
    num_classes = 1000 if config["class_cond"] else None
    if "small_size" in config:
        return UpsamplerParams(**common(config), num_classes=num_classes, low_resolution=config["small_size"])
    return UNetParams(**common(config), num_classes=num_classes)
