"""Layers of the networks: normalisation, resampling, residual and attention blocks."""

import math
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adm.config.networks import EncoderParams

Order = Literal["legacy", "new"]
"""How the channels of a qkv projection are packed."""

Direction = Literal["up", "down"]
"""Whether a resampling doubles or halves both sides."""

M = TypeVar("M", bound=nn.Module)

MAX_PERIOD = 10000.0
"""Longest period of the timestep embedding's sinusoids, in timesteps."""


class GroupNorm(nn.GroupNorm):
    """GroupNorm computed in float32 whatever the precision of input and weights; the paper's networks have 32 groups.

    Source: Section 3; the released code normalises in float32 even when it convolves in float16.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__(groups, channels, eps=1.0e-5)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `input: (B, C, ...)`; shape and dtype stay."""
        if input.device.type == "cpu":
            # This kernel computes in float32 and rounds at the end, without the copies below.
            return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
        dtype = torch.promote_types(input.dtype, torch.float32)
        return F.group_norm(input.to(dtype), self.num_groups, self.weight, self.bias, self.eps).to(input.dtype)


class Convolution(nn.Conv2d):
    """A convolution in the precision of its input, to which its weights are rounded.

    Source: the half-precision conversion of the released code, which halves the convolutions of a network's torso.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map `input: (B, C_in, H, W)` to `(B, C_out, H', W')`, of its dtype."""
        bias = None if self.bias is None else self.bias.to(input.dtype)
        output: Tensor = self._conv_forward(input, self.weight.to(input.dtype), bias)
        return output


class TokenLinear(nn.Conv1d):
    """A convolution of kernel 1 over tokens, with the weight shape of a Conv1d: `(C_out, C_in, 1)`.

    It runs as a matrix product on `(B, N, C)`, in the precision of its input.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)

    def forward(self, input: Tensor) -> Tensor:
        """Map `input: (B, N, C_in)` to `(B, N, C_out)`, of its dtype."""
        bias = None if self.bias is None else self.bias.to(input.dtype)
        return F.linear(input, self.weight.to(input.dtype).squeeze(-1), bias)


class UpsampleConvolution(Convolution):
    """Nearest-neighbour doubling of both sides, then a 3x3 convolution.

    Source: Section 3, the upsampling that BigGAN's residual blocks replace.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """Map `input: (B, C, H, W)` to `(B, C, 2H, 2W)`."""
        return super().forward(F.interpolate(input, scale_factor=2.0, mode="nearest"))


def normal(*shape: int, divisor: float = 1.0) -> Tensor:
    """Draw from N(0, 1/divisor²); not on the meta device, where it would import the compiler, which takes a second."""
    values = torch.empty(shape)
    return values if values.is_meta else values.normal_() / divisor


def zero_parameters(module: M) -> M:
    """Set every parameter of `module` to zero: a residual block that ends with it starts as the identity."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class HalfSize(nn.Module):
    """The mean of each 2x2 square: sums of rows, then of columns, which take a third of the time of torch's pooling."""

    def forward(self, input: Tensor) -> Tensor:
        """Map `input: (B, C, H, W)` to `(B, C, H/2, W/2)`; the last of an odd number of rows or columns is left out."""
        if input.dtype == torch.float16:  # the sum of four ends at 65,504
            return F.avg_pool2d(input, 2)
        B, C, H, W = input.shape
        upper, lower = input[:, :, : H // 2 * 2].reshape(B, C, H // 2, 2, W).unbind(3)
        left, right = (upper + lower)[..., : W // 2 * 2].reshape(B, C, H // 2, W // 2, 2).unbind(4)
        return (left + right) * 0.25


def plain_resampling(direction: Direction) -> nn.Module:
    """Return a module without parameters that halves (mean of 2x2) or doubles (nearest) both sides of a map."""
    return HalfSize() if direction == "down" else nn.Upsample(scale_factor=2.0, mode="nearest")


def resampling(params: EncoderParams, channels: int, direction: Direction) -> nn.Module:
    """Return the layer between two levels that `params.resampling` selects; it keeps the number of channels.

    Source: Section 3 ("BigGAN up/downsample") and Table 1.
    """
    if params.resampling == "biggan":
        return ResidualBlock(params, channels, channels, direction)
    if params.resampling == "plain":
        return plain_resampling(direction)
    if direction == "down":
        return Convolution(channels, channels, 3, stride=2, padding=1)
    return UpsampleConvolution(channels)


def sinusoids(t: Tensor, channels: int) -> Tensor:
    """Return the sinusoidal embedding of timesteps, in float32: cosines first, then sines.

    Args:
        t: (B,), timesteps of the original process, of any real dtype.
        channels: width of the embedding, even.

    Returns:
        (B, channels) float32.

    Source: Section 3, after the positional encoding of Vaswani et al. (2017).
    """
    half = channels // 2
    # Computed here, not kept in a buffer: a network built on the meta device would have no values for it.
    exponents = torch.arange(half, dtype=torch.float32, device=t.device) / half
    angles = t[:, None].float() * torch.exp(-math.log(MAX_PERIOD) * exponents)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class TimeEmbedding(nn.Module):
    """Sinusoids of the timestep through a two-layer perceptron, to four times the network's base width.

    Source: Section 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.first = nn.Linear(channels, 4 * channels)
        self.second = nn.Linear(4 * channels, 4 * channels)

    def forward(self, t: Tensor) -> Tensor:
        """Embed `t: (B,)` as `(B, 4 * channels)`."""
        embedding = sinusoids(t, self.channels).to(self.first.weight.dtype)
        embedded: Tensor = self.second(F.silu(self.first(embedding)))
        return embedded


def add_residual(skip: Tensor, h: Tensor, rescaled: bool) -> Tensor:
    """Return `skip + h`, divided by sqrt(2) if `rescaled`, which gives the sum of two unit variances unit variance.

    Source: Section 3, residual rescaling after Song et al. (2020).
    """
    return (skip + h) * math.sqrt(0.5) if rescaled else skip + h


class ResidualBlock(nn.Module):
    """A residual block: two normalised 3x3 convolutions with conditioning between them; it may also resample.

    Args:
        params: the network's section: conditioning, dropout, residual rescaling, base width.
        in_channels: channels of the input.
        out_channels: channels of the output; if they differ, a 1x1 convolution adapts the skip.
        direction: "up" or "down" to double or halve both sides before the first convolution and on the skip.

    Source: Section 3 and Section 3.1 (AdaGN); Table 6 ("Addition + GroupNorm").
    """

    def __init__(
        self, params: EncoderParams, in_channels: int, out_channels: int, direction: Direction | None = None
    ) -> None:
        super().__init__()
        self.conditioning = params.conditioning
        self.rescaled = params.residual_rescaling
        self.norm_in = GroupNorm(in_channels, params.groups)
        self.resample = plain_resampling(direction) if direction else nn.Identity()
        self.convolution_in = Convolution(in_channels, out_channels, 3, padding=1)
        width = 2 * out_channels if self.conditioning == "adagn" else out_channels
        self.embedding = nn.Linear(4 * params.channels, width)
        self.norm_out = GroupNorm(out_channels, params.groups)
        self.dropout = nn.Dropout(params.dropout)
        self.convolution_out = zero_parameters(Convolution(out_channels, out_channels, 3, padding=1))
        self.skip = nn.Identity() if in_channels == out_channels else Convolution(in_channels, out_channels, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Run the block.

        Args:
            x: (B, C_in, H, W).
            embedding: (B, 4 * base width), timestep and class embedding *after* SiLU, in the precision of the
                embedding's projections. The activation is the same for every block, so the network applies it once.

        Returns:
            (B, C_out, H', W'); the sides are H and W, or their halves or doubles.
        """
        h = self.convolution_in(self.resample(F.silu(self.norm_in(x))))
        h = self.convolution_out(self.dropout(F.silu(self.condition(h, embedding))))
        return add_residual(self.skip(self.resample(x)), h, self.rescaled)

    def condition(self, h: Tensor, embedding: Tensor) -> Tensor:
        """Normalise `h: (B, C_out, H, W)`, letting `embedding: (B, 4 * base width)` modulate it."""
        projected = self.embedding(embedding).to(h.dtype)[:, :, None, None]
        if self.conditioning == "addition":
            added: Tensor = self.norm_out(h + projected)
            return added
        scale, shift = projected.chunk(2, dim=1)
        modulated: Tensor = self.norm_out(h) * (1 + scale) + shift
        return modulated


def num_heads(params: EncoderParams, channels: int) -> int:
    """Number of heads for `channels` channels: `params.heads`, or `channels / params.head_channels`."""
    return params.heads or channels // (params.head_channels or channels)


def attend(qkv: Tensor, heads: int, order: Order) -> Tensor:
    """Compute multi-head self-attention of packed queries, keys and values.

    Both orders have the same shapes: weights of the other order load without an error and give wrong images.

    Args:
        qkv: (B, N, 3C); channels are packed (head, qkv, C/heads) in the legacy order and (qkv, head, C/heads)
            in the new one.
        heads: number of heads, a divisor of C.
        order: "legacy" or "new".

    Returns:
        (B, N, C).

    Source: Section 3. q and k are each scaled by (C/heads)^-1/4: scaled after it, their product could overflow.
    """
    B, N, width = qkv.shape
    head_channels = width // (3 * heads)
    if order == "legacy":
        parts = qkv.view(B, N, heads, 3, head_channels).unbind(3)
    else:
        parts = qkv.view(B, N, 3, heads, head_channels).unbind(2)
    q, k, v = (part.transpose(1, 2) for part in parts)
    if qkv.device.type == "cpu" and qkv.dtype != torch.float32:
        # Faster than torch's fused attention, whose backward pass in half precision takes up to seven times as long.
        scale = head_channels**-0.25
        attended = torch.softmax((q * scale) @ (k * scale).transpose(2, 3), dim=-1) @ v
    else:
        attended = F.scaled_dot_product_attention(q, k, v)
    return attended.transpose(1, 2).reshape(B, N, width // 3)


class Attention(nn.Module):
    """Self-attention between the positions of a feature map, with a skip connection.

    Source: Section 3 and Table 2.
    """

    def __init__(self, params: EncoderParams, channels: int) -> None:
        super().__init__()
        self.heads = num_heads(params, channels)
        self.order: Order = params.attention_order
        self.rescaled = params.residual_rescaling
        self.norm = GroupNorm(channels, params.groups)
        self.qkv = TokenLinear(channels, 3 * channels)
        self.projection = zero_parameters(TokenLinear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Attend within each image of `x: (B, C, H, W)`; the shape stays."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        h = self.projection(attend(self.qkv(tokens), self.heads, self.order))
        return add_residual(x, h.transpose(1, 2).unflatten(2, x.shape[2:]), self.rescaled)


class EmbeddingSequential(nn.ModuleDict):
    """Named layers in sequence; residual blocks among them also get the embedding."""

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        """Run `h: (B, C, H, W)` through the layers; for `embedding` see `ResidualBlock.forward`."""
        for layer in self.values():
            h = layer(h, embedding) if isinstance(layer, ResidualBlock) else layer(h)
        return h
