"""The noisy classifier p(y | x_t), whose gradient guides sampling."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adm.config.networks import ClassifierParams
from adm.nets.layers import GroupNorm, TimeEmbedding, TokenLinear, attend, num_heads, zero_parameters
from adm.nets.unet import Encoder

SPATIAL_WIDTH = 2048
"""Hidden width of the perceptron at the end of a spatial pooling."""


class AttentionPooling(nn.Module):
    """Pool a feature map by attention: the mean over positions becomes one more token, and its output is the result.

    Queries, keys and values are packed in the new order even if the classifier's own attention uses the legacy one,
    because the released checkpoints do so.

    Source: Section 4 and Table 12; after CLIP (Radford et al., 2021).
    """

    def __init__(self, params: ClassifierParams, channels: int) -> None:
        super().__init__()
        num_tokens = params.resolutions[-1] ** 2 + 1
        self.heads = num_heads(params, channels)
        self.positional_embedding = nn.Parameter(torch.randn(channels, num_tokens) / channels**0.5)
        self.qkv = TokenLinear(channels, 3 * channels)
        self.projection = TokenLinear(channels, params.num_classes)

    def forward(self, h: Tensor) -> Tensor:
        """Map `h: (B, C, H, W)`, of the side the classifier was built for, to logits `(B, num_classes)`."""
        tokens = h.flatten(2).transpose(1, 2)
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
        tokens = tokens + self.positional_embedding.t().to(tokens.dtype)
        attended = attend(self.qkv(tokens), self.heads, "new")
        logits: Tensor = self.projection(attended[:, :1]).squeeze(1)
        return logits


def _head(params: ClassifierParams, feature_channels: list[int]) -> nn.Sequential:
    """Return the layers from the encoder's feature maps to the logits; spatial poolings start from the maps' means."""
    channels, width = feature_channels[-1], sum(feature_channels)
    match params.pooling:
        case "attention":
            return nn.Sequential(GroupNorm(channels, params.groups), nn.SiLU(), AttentionPooling(params, channels))
        case "adaptive":
            last = zero_parameters(nn.Conv2d(channels, params.num_classes, 1))
            return nn.Sequential(
                GroupNorm(channels, params.groups), nn.SiLU(), nn.AdaptiveAvgPool2d(1), last, nn.Flatten()
            )
        case "spatial":
            layers: list[nn.Module] = [nn.ReLU()]
        case "spatial_v2":
            layers = [GroupNorm(SPATIAL_WIDTH, params.groups), nn.SiLU()]
    return nn.Sequential(nn.Linear(width, SPATIAL_WIDTH), *layers, nn.Linear(SPATIAL_WIDTH, params.num_classes))


class Classifier(nn.Module):
    """A classifier of noisy images: the UNet's encoder and a pooling head.

    Source: Section 4; Table 12.
    """

    def __init__(self, params: ClassifierParams) -> None:
        super().__init__()
        self.params = params
        self.time_embedding = TimeEmbedding(params.channels)
        self.encoder = Encoder(params, params.image_channels)
        self.output = _head(params, self.encoder.feature_channels)

    def forward(self, x: Tensor, t: Tensor, torso: torch.dtype | None = None) -> Tensor:
        """Classify noisy images.

        Args:
            x: (B, C, H, W), noisy images, nominally in [-1, 1] plus noise.
            t: (B,), timesteps of the original process, integer or floating point.
            torso: The precision of the convolutions before the pooling; None is that of `x`.

        Returns:
            (B, num_classes) logits, of x's dtype.
        """
        features = self.encoder(x.to(torso or x.dtype), F.silu(self.time_embedding(t)))
        if self.params.pooling in ("spatial", "spatial_v2"):
            pooled = torch.cat([feature.to(x.dtype).mean(dim=(2, 3)) for feature in features], dim=1)
        else:
            pooled = features[-1].to(x.dtype)
        logits: Tensor = self.output(pooled)
        return logits
