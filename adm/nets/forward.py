"""The forward pass of a network: its precision, memory layout, device, conditioning and fused kernels."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from adm.config.models import Precision
from adm.determinism import allow_tf32
from adm.machine import compiled as compile_
from adm.nets.layers import Convolution, GroupNorm, ResidualBlock, TokenLinear

DTYPES: dict[Precision, torch.dtype] = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""Of features and convolutions, where they are not the weights' own."""

SHAPES = 256
"""The most shapes of feature maps that `fuse` compiles kernels for; torch would leave the ninth uncompiled."""


class Forward:
    """A UNet, an upsampler or a classifier as a function of float32 images that returns float32.

    In half precision only the convolutions of the torso are low, those over tokens included, and so are the features
    between them. Embeddings and their projections, normalisations, the output convolution and a classifier's head
    compute in float32. With "tf32" all is float32, but a GPU rounds the factors of products and convolutions to
    TensorFloat-32; a CPU does not.

    Args:
        network: The network, on the device to compute on. Its weights are laid out in place.
        precision: The precision of the torso.

    Source: the half-precision conversion of the released code.
    """

    def __init__(self, network: nn.Module, precision: Precision = "float32") -> None:
        self.device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
        weights = next((parameter.dtype for parameter in network.parameters()), torch.float32)
        # Float64 weights, as in gradient checks, compute in float64.
        self.full = torch.promote_types(weights, torch.float32)
        self.torso = DTYPES.get(precision, self.full)
        self.tf32 = precision == "tf32"
        self.layout = memory_format(self.device, precision)
        self.network = network.to(memory_format=self.layout)  # type: ignore[call-overload]

    @classmethod
    def frozen(cls, network: nn.Module, precision: Precision = "float32", compiled: bool = False) -> "Forward":
        """Wrap a network that is not trained any more: its torso is rounded once, in place.

        Raises:
            UserError: It is to be compiled, and there is no C++ compiler.
        """
        forward = cls(network, precision)
        for part in ("encoder", "decoder"):
            for module in getattr(network, part, nn.Module()).modules():
                if isinstance(module, Convolution | TokenLinear):
                    module.to(forward.torso)
        if compiled:
            forward.network = compile_(forward.network)
        return forward

    def __call__(self, x: Tensor, t: Tensor, **conditions: Tensor) -> Tensor:
        """Run the network.

        Args:
            x: (B, C, H, W) float32, noisy images.
            t: (B,), timesteps of the original process.
            conditions: Keywords of the network's own `forward`.

        Returns:
            Float32: (B, C or 2C, H, W) of a denoiser, (B, num_classes) logits of a classifier.
        """
        self.allow_tf32()
        return self.compute(x, t, **conditions)

    def compute(self, x: Tensor, t: Tensor, **conditions: Tensor) -> Tensor:
        """Run the network, and change no setting."""
        seen = x.to(self.full, memory_format=self.layout)
        output: Tensor = self.network(seen, t, torso=self.torso, **conditions)
        return output.to(x.dtype)

    def allow_tf32(self) -> None:
        """Let a GPU round to TensorFloat-32, or not: a setting of the process, until the next network's forward pass.

        A backward pass comes before that one.
        """
        if self.device.type == "cuda":
            allow_tf32(self.tf32)

    def conditioned(self, y: Tensor | None, **conditions: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """The network as a function of x and t alone.

        Args:
            y: (B,) int64 labels of the images, or (B, num_classes) float32 weights of classes, which weigh their
                embeddings. An unconditional network gets none.
            conditions: Further keywords of the network's own `forward`.
        """
        embedding = getattr(self.network, "class_embedding", None)
        if embedding is not None and y is not None:
            conditions["y"] = y @ embedding.weight if y.is_floating_point() else y
        return partial(self, **conditions)


def memory_format(device: torch.device, precision: Precision) -> torch.memory_format:
    """Choose the layout of feature maps: channels last for half precision on a GPU, which was not measured.

    On a CPU the contiguous one, because there normalisations take 5 to 60 times as long channels last (docs/speed.md).
    """
    gpu = device.type == "cuda" and precision != "float32"
    return torch.channels_last if gpu else torch.contiguous_format


class AnyLayoutNorm(GroupNorm):
    """GroupNorm as elementary operations, for the compiler to fuse.

    Torch's own kernel for GPUs takes float32 in the contiguous layout, so half-precision features that lie channels
    last are cast and copied on both sides of it.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `input: (B, C, H, W)`; shape, dtype and layout stay."""
        dtype = torch.promote_types(input.dtype, torch.float32)
        B, C, H, W = input.shape
        groups = input.to(dtype).view(B, self.num_groups, C // self.num_groups, H, W)
        variance, mean = torch.var_mean(groups, dim=(2, 3, 4), correction=0, keepdim=True)
        normalised = ((groups - mean) * torch.rsqrt(variance + self.eps)).flatten(1, 2)
        affine = normalised * self.weight[:, None, None] + self.bias[:, None, None]
        return affine.to(input.dtype)


def fuse(network: nn.Module) -> None:
    """Compile what residual blocks compute between their convolutions, in place; weights and their names stay.

    Numbers change by rounding. The first passes take longer, because kernels are compiled in them.
    """
    # `make_deterministic` leaves the compiler out; so do its kernels' choices, unless they are told.
    torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())
    torch._dynamo.config.recompile_limit = SHAPES
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            # A class of its own, because the compiler compares classes and would compile each instance's function anew.
            block.norm_in.__class__ = block.norm_out.__class__ = AnyLayoutNorm
            block.activate = torch.compile(block.activate, dynamic=False)  # type: ignore[method-assign]
            block.modulate = torch.compile(block.modulate, dynamic=False)  # type: ignore[method-assign]
