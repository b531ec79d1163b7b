"""The ladder of a network's resolutions: how wide each level is, and how large its feature maps."""

from collections.abc import Sequence


def level_channels(channels: int, multiplier: Sequence[float]) -> list[int]:
    """Channels of each level, from the full resolution down."""
    return [int(factor * channels) for factor in multiplier]


def level_sides(image_size: int, levels: int) -> list[int]:
    """Side length of each level's feature maps, from the full resolution down."""
    return [image_size >> level for level in range(levels)]
