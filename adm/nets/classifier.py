"""The noisy classifier p(y | x_t), whose gradient guides sampling."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adm.config.networks import ClassifierParams
from adm.nets.layers import GroupNorm, TimeEmbedding, TokenLinear, attend, normal, num_heads
from adm.nets.unet import Encoder


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
        self.positional_embedding = nn.Parameter(normal(channels, num_tokens, divisor=channels**0.5))
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


class Classifier(nn.Module):
    """A classifier of noisy images: the UNet's encoder and attention that pools its last feature map.

    Source: Section 4; Table 12.
    """

    def __init__(self, params: ClassifierParams) -> None:
        super().__init__()
        self.params = params
        self.time_embedding = TimeEmbedding(params.channels)
        self.encoder = Encoder(params, params.image_channels)
        channels = self.encoder.feature_channels[-1]
        self.output = nn.Sequential(GroupNorm(channels, params.groups), nn.SiLU(), AttentionPooling(params, channels))

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
        logits: Tensor = self.output(features[-1].to(x.dtype))
        return logits
