"""The diffusion networks: the UNet, its encoder (which the classifier shares) and the upsampler."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adm.config.networks import EncoderParams, UNetParams, UpsamplerParams
from adm.nets.layers import (
    Attention,
    Convolution,
    EmbeddingSequential,
    GroupNorm,
    ResidualBlock,
    TimeEmbedding,
    normal,
    resampling,
    zero_parameters,
)

NO_CLASS = -1
"""The label of an image whose class a conditional network is not told: its embedding is zero."""


class Encoder(nn.Module):
    """The descending half of a UNet and its middle: levels of residual blocks and attention.

    Attributes:
        feature_channels: channels of each feature map that `forward` returns.

    Source: Section 3; Tables 11-13.
    """

    def __init__(self, params: EncoderParams, in_channels: int) -> None:
        super().__init__()
        channels = params.level_channels[0]
        self.blocks = nn.ModuleList(
            [EmbeddingSequential({"convolution": Convolution(in_channels, channels, 3, padding=1)})]
        )
        self.feature_channels = [channels]
        levels = list(zip(params.level_channels, params.resolutions, strict=True))
        for level, (out_channels, resolution) in enumerate(levels):
            for _ in range(params.depth):
                layers: dict[str, nn.Module] = {"residual": ResidualBlock(params, channels, out_channels)}
                channels = out_channels
                if resolution in params.attention_resolutions:
                    layers["attention"] = Attention(params, channels)
                self._append(EmbeddingSequential(layers), channels)
            if level < len(levels) - 1:
                layer = resampling(params, channels, "down")
                name = "residual" if isinstance(layer, ResidualBlock) else "downsampling"
                self._append(EmbeddingSequential({name: layer}), channels)
        self.middle = EmbeddingSequential(
            {
                "residual_in": ResidualBlock(params, channels, channels),
                "attention": Attention(params, channels),
                "residual_out": ResidualBlock(params, channels, channels),
            }
        )
        self.feature_channels.append(channels)

    def _append(self, block: EmbeddingSequential, channels: int) -> None:
        self.blocks.append(block)
        self.feature_channels.append(channels)

    def forward(self, h: Tensor, embedding: Tensor) -> list[Tensor]:
        """Encode images.

        Args:
            h: (B, in_channels, H, W), in the precision to convolve in.
            embedding: (B, 4 * base width), after SiLU.

        Returns:
            The output of every block, from the input convolution down, in the precision of `h`; the middle's comes
            last.
        """
        features = []
        for block in self.blocks:
            h = block(h, embedding)
            features.append(h)
        return [*features, self.middle(h, embedding)]


class Decoder(nn.Module):
    """The ascending half of a UNet: every block also takes the encoder's feature map of its own size.

    `feature_channels` are those of the encoder's maps, with the middle's last.

    Source: Section 3; Tables 11-13.
    """

    def __init__(self, params: EncoderParams, feature_channels: list[int]) -> None:
        super().__init__()
        *skips, channels = feature_channels
        self.blocks = nn.ModuleList()
        for level in reversed(range(len(params.level_channels))):
            for index in range(params.depth + 1):
                out_channels = params.level_channels[level]
                layers: dict[str, nn.Module] = {"residual": ResidualBlock(params, channels + skips.pop(), out_channels)}
                channels = out_channels
                if params.resolutions[level] in params.attention_resolutions:
                    layers["attention"] = Attention(params, channels)
                if level and index == params.depth:
                    layers["upsampling"] = resampling(params, channels, "up")
                self.blocks.append(EmbeddingSequential(layers))

    def forward(self, features: list[Tensor], embedding: Tensor) -> Tensor:
        """Decode the maps from `Encoder.forward` to `(B, C, H, W)`, where C is the first level's channels."""
        *skips, h = features
        for block in self.blocks:
            h = block(torch.cat([h, skips.pop()], dim=1), embedding)
        return h


class UNet(nn.Module):
    """The diffusion network: predicts the noise of a noisy image and, if it is learned, the variance.

    That of an upsampler also sees a low-resolution image, stretched to the same size.

    Args:
        params: The network's section, or an upsampler's.
        out_channels: C for the noise only, 2C if the variance is learned, too.

    Source: Section 3; Tables 11 and 13; Nichol and Dhariwal (2021).
    """

    def __init__(self, params: UNetParams, out_channels: int) -> None:
        super().__init__()
        self.params = params
        self.time_embedding = TimeEmbedding(params.channels)
        self.class_embedding = None
        if params.num_classes is not None:
            table = normal(params.num_classes, 4 * params.channels)
            self.class_embedding = nn.Embedding(len(table), table.shape[1], _weight=table)
        self.encoder = Encoder(params, params.image_channels * (2 if isinstance(params, UpsamplerParams) else 1))
        self.decoder = Decoder(params, self.encoder.feature_channels)
        channels = params.level_channels[0]
        self.output = nn.Sequential(
            GroupNorm(channels, params.groups),
            nn.SiLU(),
            zero_parameters(nn.Conv2d(channels, out_channels, 3, padding=1)),
        )

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        y: Tensor | None = None,
        torso: torch.dtype | None = None,
        *,
        low_resolution: Tensor | None = None,
    ) -> Tensor:
        """Run the network.

        Args:
            x: (B, C, H, W), noisy images, nominally in [-1, 1] plus noise.
            t: (B,), timesteps of the original process, integer or floating point.
            y: (B,) int64 class labels, each possibly NO_CLASS, or (B, 4 * base width) floating point class embeddings
                themselves, such as interpolated ones; None if and only if the network is unconditional.
            torso: The precision of the convolutions between the embeddings and the output; None is that of `x`.
            low_resolution: (B, C, h, w), the images to upsample, in [-1, 1]; stretched bilinearly. None if and only if
                the network is no upsampler.

        Returns:
            (B, out_channels, H, W), of x's dtype.
        """
        dtype = x.dtype
        if low_resolution is not None:
            stretched = F.interpolate(low_resolution, x.shape[2:], mode="bilinear", align_corners=False)
            x = torch.cat([x, stretched.to(dtype)], dim=1)
        embedding = self._embed(t, y)
        h = self.decoder(self.encoder(x.to(torso or dtype), embedding), embedding)
        output: Tensor = self.output(h.to(dtype))
        return output

    def _embed(self, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the timestep and class embedding after SiLU, `(B, 4 * base width)`."""
        embedding = self.time_embedding(t)
        if self.class_embedding is None:
            return F.silu(embedding)
        assert y is not None, "an image of a network with classes has one"
        if y.is_floating_point():
            return F.silu(embedding + y.to(embedding.dtype))
        told = y != NO_CLASS
        # A factor of one changes no bit of a class's embedding, nor of its gradient.
        return F.silu(embedding + self.class_embedding(torch.where(told, y, 0)) * told.unsqueeze(1))
