"""Sections of networks: the UNet, the upsampler and the noisy classifier (Tables 11-13)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adm.config.base import Config, Fraction, PositiveInt


class EncoderParams(Config):
    """The common part of UNet and classifier: levels of residual blocks with attention.

    `channels` is even, as sines and cosines tell the timestep. `channel_multiplier` has one entry for each resolution;
    each level halves the sides. `attention_resolutions` are side lengths of feature maps. Exactly one of `heads` and
    `head_channels` is given. `image_channels` is 3, or 1 for grey images. Every GroupNorm has `groups`, in the paper
    32. With as many groups as channels every feature map loses its mean and its scale; at 28x28 images came out too
    bright, and conditioning by addition, which is lost with the mean, is refused.
    """

    image_size: PositiveInt
    channels: Annotated[PositiveInt, Field(multiple_of=2)]
    channel_multiplier: Annotated[list[float], Field(min_length=1)]
    groups: PositiveInt = 32
    depth: PositiveInt = 2
    attention_resolutions: list[PositiveInt] = []
    heads: PositiveInt | None = None
    head_channels: PositiveInt | None = None
    attention_order: Literal["legacy", "new"] = "legacy"
    resampling: Literal["biggan", "convolution", "plain"] = "biggan"
    conditioning: Literal["adagn", "addition"] = "adagn"
    residual_rescaling: bool = False
    dropout: Fraction = 0.0
    image_channels: Literal[1, 3] = 3

    @property
    def level_channels(self) -> list[int]:
        """Channels of each level, from the full resolution down."""
        return [int(factor * self.channels) for factor in self.channel_multiplier]

    @property
    def resolutions(self) -> list[int]:
        """Side of each level's feature maps, from the full resolution down."""
        return [self.image_size >> level for level in range(len(self.channel_multiplier))]

    @property
    def attended_channels(self) -> list[int]:
        """Channels of attention blocks, from the full resolution down; the middle always has one."""
        levels = zip(self.level_channels, self.resolutions, strict=True)
        return [*(channels for channels, side in levels if side in self.attention_resolutions), self.level_channels[-1]]

    @model_validator(mode="after")
    def _resolutions_exist(self) -> Self:
        halvings = len(self.channel_multiplier) - 1
        if self.image_size % (1 << halvings):
            raise ValueError(f"image_size {self.image_size} is no multiple of {1 << halvings}, as its levels need")
        for resolution in self.attention_resolutions:
            if resolution not in self.resolutions:
                raise ValueError(f"attention_resolutions holds {resolution}; sides are {self.resolutions}")
        return self

    @model_validator(mode="after")
    def _heads_divide_channels(self) -> Self:
        if (self.heads is None) == (self.head_channels is None):
            raise ValueError("exactly one of heads and head_channels must be given")
        name, divisor = ("heads", self.heads) if self.heads else ("head_channels", self.head_channels or 1)
        for channels in self.attended_channels:
            if channels % divisor:
                raise ValueError(f"{name} {divisor} does not divide the {channels} channels of an attention block")
        return self

    @model_validator(mode="after")
    def _groups_divide_channels(self) -> Self:
        for channels in self.level_channels:
            if channels <= 0 or channels % self.groups:
                raise ValueError(f"a level has {channels} channels, which is no multiple of groups, {self.groups}")
            # With one channel a group, an added embedding is its mean.
            if self.conditioning == "addition" and channels == self.groups:
                raise ValueError(
                    f"conditioning 'addition' shows neither timestep nor class to {channels} channels in {self.groups} "
                    "groups: normalising single channels takes away what was added; use fewer groups, at most "
                    f"{channels // 2}"
                )
        return self


class UNetParams(EncoderParams):
    """The diffusion network; `num_classes` is null for an unconditional model."""

    num_classes: PositiveInt | None = None


class UpsamplerParams(UNetParams):
    """A UNet that also sees a low-resolution image of side `low_resolution`."""

    low_resolution: PositiveInt

    @model_validator(mode="after")
    def _low_is_lower(self) -> Self:
        if self.low_resolution >= self.image_size:
            raise ValueError(f"low_resolution {self.low_resolution} must be smaller than image_size {self.image_size}")
        return self


class ClassifierParams(EncoderParams):
    """The noisy classifier p(y | x_t): the UNet's encoder and attention that pools its last feature map."""

    num_classes: PositiveInt
